"""Mixed precision, which computes in 16 bits where that is safe."""
