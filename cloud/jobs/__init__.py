"""Jobs of the devices: kept, published, and what became of them."""
