"""The process and the machine: signals, clocks, seeds and memory."""
