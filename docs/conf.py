"""How the site is built: ``python -m sphinx -W --keep-going -n docs OUT``, with the extra ``docs``."""

from __future__ import annotations

import logging
import os
import re
import sys
import warnings
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))  # the checkout comes before an installed copy

import lightning.pytorch  # noqa: E402, F401 - what it says of a training is not for those who build the site
import torch  # noqa: E402

import lightning_seqfit  # noqa: E402

torch.set_num_threads(1)  # the networks of the examples are small, and sums are added in the same order
logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
warnings.filterwarnings("ignore", ".*treespec.*LeafSpec.*", FutureWarning)

project = "lightning-seqfit"
author = "The lightning-seqfit developers"
project_copyright = "the lightning-seqfit developers, Apache-2.0"
version = release = lightning_seqfit.__version__

REPOSITORY = "https://github.com/lightning-seqfit/lightning-seqfit"
SITE = "https://lightning-seqfit.readthedocs.io/en/latest"

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "sphinxcontrib.programoutput",
]
exclude_patterns = [
    "gallery",
    "**/README.rst",
    "examples/*.py",
    "examples/*.ipynb",
    "examples/*.zip",
    "examples/*.json",
]
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}
myst_enable_extensions = ["attrs_block", "colon_fence", "deflist", "dollarmath", "fieldlist"]
myst_heading_anchors = 3
templates_path = ["_templates"]
default_role = "code"
highlight_language = "none"  # of a block that names none: what a command prints
nitpicky = True
# Names of ours must be found. Those of others are looked up where the build has a network, and are plain text else.
nitpick_ignore_regex = [
    (r"py:.*", r"(?!lightning_seqfit\.).*"),
    (r"py:class", r"lightning_seqfit\.(diagnostics\.base\.(Stored|Seen)|demos\.regression\.FullBatch)"),  # not public
    (r"py:class", r"lightning_seqfit\.(record\.place\.Place|planning\.plan\.Planned)"),  # not public
    (r"py:class", r"lightning_seqfit\.(\w+\.)*_\w+"),
    (r"py:obj", r"lightning_seqfit\.adapters\.\w+\.__call__"),
]
if os.environ.get("READTHEDOCS"):
    extensions.append("sphinx.ext.intersphinx")
    intersphinx_mapping = {
        "lightning": ("https://lightning.ai/docs/pytorch/stable", None),
        "numpy": ("https://numpy.org/doc/stable", None),
        "python": ("https://docs.python.org/3", None),
        "torch": ("https://docs.pytorch.org/docs/stable", None),
    }

autosummary_generate = True
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
numpydoc_class_members_toctree = False
numpydoc_show_inherited_class_members = False
numpydoc_xref_param_type = False
add_module_names = False
python_use_unqualified_type_names = True
maximum_signature_line_length = 80
copybutton_exclude = ".linenos, .gp, .go"

sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "examples",
    "filename_pattern": r"plot_",
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "only_warn_on_example_error": False,
    "reset_modules": (),
    "remove_config_comments": True,
    "show_memory": False,
    "show_signature": False,
    "min_reported_time": 0,
    "doc_module": ("lightning_seqfit",),
    "backreferences_dir": None,
    "reference_url": {"lightning_seqfit": None},
    "download_all_examples": False,
    "first_notebook_cell": "%matplotlib inline",
}

html_theme = "pydata_sphinx_theme"
html_title = "lightning-seqfit"
html_baseurl = f"{SITE}/"
html_static_path = ["_static"]
html_css_files = ["seqfit.css"]
html_extra_path = ["llms.txt"]
html_copy_source = True
html_show_sourcelink = False
html_theme_options = {
    "github_url": REPOSITORY,
    "navbar_align": "left",
    "header_links_before_dropdown": 6,
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": ["theme-version"],
}
html_context = {"default_mode": "auto"}
html_sidebars = {page: [] for page in ("start", "glossary", "benchmarks", "contributing")}  # nothing lies beside

#: Sections of a docstring whose entries are written ``name : what it is``, on as many lines as that takes.
_ENTRIES = {"Parameters", "Other Parameters", "Attributes"}


def _one_entry(line: str) -> list[str]:
    """Put what is said of a name under it, where numpydoc looks for it."""
    found = re.fullmatch(r"(\*{0,2}\w[\w, *]*) : (.+)", line)
    return [line] if found is None else [found[1], f"    {found[2]}"]


def _plain(line: str) -> str:
    """A line whose absolute values are no substitutions."""
    return line if line.lstrip().startswith((">>>", "...")) or "``" in line else line.replace("|", r"\|")


def entries(app: object, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Read entries as this project writes them: the text after the colon describes, it is no type."""
    section, changed = "", []
    for line, under in zip(lines, [*lines, ""][1:], strict=True):
        if under and set(under) == {"-"} and len(under) == len(line):
            section = line
        changed += map(_plain, _one_entry(line) if section in _ENTRIES else [line])
    lines[:] = changed


def setup(app: object) -> None:
    """Connect before numpydoc, which reads what this leaves."""
    app.connect("autodoc-process-docstring", entries, priority=100)  # type: ignore[attr-defined]
