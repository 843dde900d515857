"""The speed claims, each a ratio against a named peer measured in one run: ``python -m benchmarks``."""
