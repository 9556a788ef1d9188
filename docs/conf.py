"""Sphinx: the README, the reference from the docstrings, the changelog."""

from importlib.metadata import version as installed_version

project = "Headrace"
author = "The Headrace authors"
project_copyright = "The Headrace authors, Apache-2.0"
release = installed_version("headrace")
version = release

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
# The README's links to files of the repository lead out of this documentation.
suppress_warnings = ["myst.xref_missing"]

# An "Attributes:" section describes the fields, which are not described a second time.
napoleon_use_ivar = True

autodoc_member_order = "bysource"
autodoc_typehints = "description"

html_theme = "furo"
html_title = "Headrace"
