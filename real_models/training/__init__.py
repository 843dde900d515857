"""Fine-tuning: one routine for all methods, its data, configuration and files."""
