"""Which bundles there are."""
