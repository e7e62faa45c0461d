"""A page that needs nothing but itself: no script, no font, no style from elsewhere; light, dark, and on paper."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader
from pygments.formatters import HtmlFormatter

__all__ = ["contents", "page"]

_HERE = Path(__file__).parent
_ENVIRONMENT = Environment(loader=FileSystemLoader(_HERE), autoescape=True)


def page(title: str, body: str, around: Mapping[str, str] | None = None) -> str:
    """A page as HTML, from the HTML of its body.

    `around`: pages to go on to, by address, with what their links say; with them comes a link to the contents.
    """
    return _ENVIRONMENT.get_template("page.html.j2").render(title=title, body=body, around=around, style=_style())


def contents(title: str, about: str, addresses: Mapping[str, str]) -> str:
    """The body of a page that lists others, with their titles by address, below a sentence about them."""
    template = """<h1>{{ title }}</h1>
<p>{{ about }}</p>
<ol class="contents">
{%- for address, name in addresses.items() %}
<li><a href="{{ address }}">{{ name }}</a></li>
{%- endfor %}
</ol>"""
    return _ENVIRONMENT.from_string(template).render(title=title, about=about, addresses=addresses)


def _style() -> str:
    """Our own style, and the colours of code."""
    light, dark = (_colours(name) for name in ("default", "github-dark"))
    css = (_HERE / "page.css").read_text(encoding="utf-8")
    return f"{css}\n{light}\n@media screen and (prefers-color-scheme: dark) {{\n{dark}\n}}"


def _colours(style: str) -> str:
    return str(HtmlFormatter(style=style, nobackground=True).get_style_defs(".highlight"))
