"""The Edge TPU as a device: whether it is there, its power, and a model of one that is not."""
