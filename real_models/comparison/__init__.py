"""The fair comparison of methods: their runs, matching, cost."""
