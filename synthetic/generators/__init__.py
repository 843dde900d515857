"""Worlds with known truth: task updates, inputs, curation, personas, planted adapters."""
