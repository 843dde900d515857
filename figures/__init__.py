"""Pictures and tables from results: each figure is build(results) -> matplotlib Figure."""
