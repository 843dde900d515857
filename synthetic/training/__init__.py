"""Training in the lab by exact gradients, many trials at once."""
