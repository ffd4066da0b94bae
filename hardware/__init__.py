"""The device: clocks, accelerators, power meters, boards, and the emulated board."""
