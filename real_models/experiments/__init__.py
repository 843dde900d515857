"""Experiments on organisms and live models: one file each, exporting EXPERIMENT."""
