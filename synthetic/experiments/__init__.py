"""One experiment a file: its cells, how a cell is measured, and the theory's line (``EXPERIMENT``)."""
