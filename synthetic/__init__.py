"""Generators with known truth, and experiments on them: numpy only, no models."""
