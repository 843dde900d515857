"""Sphinx: the site is built by ``make docs``, opens from its folder and asks nothing of the network."""

from __future__ import annotations

import os
import sys
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"  # of loading weights: they are no output of an example

from docs import site  # noqa: E402
from docs.site import api, examples  # noqa: E402

project = "GRASP toolkit"
author = copyright = "the authors of the GRASP toolkit"
try:
    release = metadata.version("grasp-toolkit")
except metadata.PackageNotFoundError:
    release = "not installed"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.viewcode",
    "sphinx_gallery.gen_gallery",
    "sphinx_copybutton",
]
exclude_patterns = ["_build", "examples", "site", "generated/gallery/*.ipynb", "generated/gallery/*.py"]
myst_heading_anchors = 3
myst_enable_extensions = ["deflist", "colon_fence"]
copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = True

autodoc_typehints = "none"  # shapes and types stand in the text
autodoc_member_order = "bysource"

sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "generated/gallery",
    "filename_pattern": r"/\w+\.py$",
    "ignore_pattern": examples.left_out(),
    "within_subsection_order": "docs.site.examples.Order",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "parallel": True,  # as many as -j says
    "show_memory": False,
    "min_reported_time": 10**9,  # no times: they are those of the machine that built the pages
    "write_computation_times": False,
    "show_signature": False,
    "remove_config_comments": True,
    "image_scrapers": ("matplotlib",),
    "ignore_repr_types": "TrainOutput",  # with the seconds of the machine that built the pages
    "reset_modules": ("docs.site.examples.reset",),
    "plot_gallery": "True",
}

# the role that docs/site/typeset.py gives to a variable
rst_prolog = """
.. role:: var(emphasis)
   :class: var
"""

html_theme = "furo"
html_title = "GRASP toolkit"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_theme_options = {"navigation_with_keys": True}
html_copy_source = False


def setup(app) -> None:
    """Write the generated pages before the sources are read."""
    app.connect("config-inited", lambda app, config: site.write(ROOT / "docs" / "generated", ROOT / "results"))
    app.connect("autodoc-process-docstring", api.set_docstring)
