"""Tables and the bundles that they need: verified, applied, kept, reported."""
