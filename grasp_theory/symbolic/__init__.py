"""The algebra of the statements, derived with sympy; each file has the stem of its statement in ``theorems/``."""
