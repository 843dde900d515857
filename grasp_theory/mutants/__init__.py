"""False variants written blind: by someone who saw a statement's docstring and claims, not its draws nor its checks.

``mutants/<key>.py`` holds ``MUTANTS``, name -> :class:`~grasp_theory.statement.Claim`, for ``theorems/<key>.py``; the
checks must refute them beside the statement's own. The file is optional.
"""
