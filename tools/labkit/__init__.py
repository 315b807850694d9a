"""The parts of tools/lab and tools/deps."""
