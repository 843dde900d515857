"""One statement a file; the file's docstring is the statement and its proof."""

ORDER: tuple[str, ...] = ("prior-angle",)
