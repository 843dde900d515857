"""False variants of theorem-1, its author's own."""
OWN = {}
BLIND = {}
