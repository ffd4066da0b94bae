"""Reading networks: a `.tflite` file as a graph of operators, checked before anything trusts it."""
