"""How often a bundle is right: samples, metrics, and what was found, kept beside the bundle."""
