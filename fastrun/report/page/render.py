"""Turning a template of this folder into a page: one file, nothing of which comes from elsewhere."""

from __future__ import annotations

import functools
import time
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from fastrun.errors import UsageError
from fastrun.report.page import number_format

if TYPE_CHECKING:
    from jinja2 import Environment

GENERATOR = "fastrun report"
"""What the tag ``<meta name="generator">`` of a page says."""

_FILTERS = ("number", "seconds", "percent", "ratio", "p_value")


def render_page(template: str, context: dict[str, Any]) -> str:
    """Return a page as HTML. Every value is escaped.

    Args:
        template: the template's file, such as ``run.html.j2``; it extends ``base.html.j2``.
        context: the names that it uses, ``title`` among them.

    Raises:
        UsageError: jinja2 is not installed.
    """
    written = time.strftime("%Y-%m-%d %H:%M")
    common = {"generator": GENERATOR, "version": version("fastrun"), "written": written}
    page = _environment().get_template(template).render(common | context)
    return page.encode(errors="replace").decode()  # JSON and names of files may hold half a character


@functools.cache
def _environment() -> Environment:
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
    except ImportError as error:
        raise UsageError("a page needs jinja2", "pip install 'fastrun[report]'") from error
    environment = Environment(
        loader=PackageLoader("fastrun.report.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {name: getattr(number_format, name) for name in _FILTERS}
    return environment
