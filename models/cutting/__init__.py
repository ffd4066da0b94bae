"""Making bundles: where to cut, the flatbuffer of heads and tails, two networks in one bundle, heads for an Edge TPU."""
