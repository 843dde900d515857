"""How a method takes hold of a model: its stream, its LoRA factors, its gains, its base as a reference."""
