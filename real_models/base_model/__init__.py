"""A base model: from a folder, and what it says by itself."""
