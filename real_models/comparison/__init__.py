"""The fair comparison of methods: rows, runs, matching, cost."""
