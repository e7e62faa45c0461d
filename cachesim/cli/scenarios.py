"""`cachesim scenarios`: which scenarios come with the package."""

from __future__ import annotations

import tomllib

import click

from cachesim.console import show

__all__ = ["scenarios_command"]

_EXAMPLES = """\b
Examples:
  cachesim scenarios
  cachesim scenarios | grep -A1 hot-key
"""


@click.command("scenarios", epilog=_EXAMPLES)
def scenarios_command() -> None:
    """List the bundled scenarios, whose names stand for SCENARIO in other commands."""
    from cachesim.scenario import bundled

    files = bundled()
    width = max(map(len, files))
    for name, path in files.items():
        text = path.read_text(encoding="utf-8")
        show(f"{name:<{width}}  {tomllib.loads(text)['title']}")
        show(f"{'':<{width}}  {text.partition(chr(10))[0].lstrip('# ')}")
