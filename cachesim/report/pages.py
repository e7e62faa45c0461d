"""One page that tells a run: it holds its pictures and its style, loads nothing, and needs no script."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from math import isnan
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from cachesim.messages import one_line, printable
from cachesim.report.agreements import agreements, usual_distance
from cachesim.report.commands import Command
from cachesim.report.pictures import pictures
from cachesim.result import Result
from cachesim.summary import Summary

__all__ = ["page"]

_HERE = Path(__file__).parent


def page(summary: Summary, first: Result | None = None, command: Command | None = None) -> str:
    """A summary as HTML that needs nothing but itself.

    `first`: the result of its first run, which is drawn if given; it must have kept its tables. `command`: what replays
    the runs; by default the scenario's text, as shown, is taken to be in the file scenario.toml.
    """
    several = len(summary.runs) > 1
    return _template().render(
        summary=summary,
        several=several,
        title=one_line(summary.scenario.title) or "A run of cachesim",
        pictures=[] if first is None else pictures(summary.scenario, first),
        agreements=agreements(summary),
        usual_distance=usual_distance(len(summary.runs)),
        command=command or Command(),
        version=version("cachesim"),
        style=(_HERE / "page.css").read_text(encoding="utf-8"),
    )


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        finalize=_printable,
        lstrip_blocks=True,
        trim_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {"one_line": one_line, "raw_number": _raw_number}
    return environment.get_template("page.html.j2")


def _raw_number(value: float) -> str:
    """A value as an expectation would say it."""
    return "–" if isnan(value) else f"{value:.6g}"


def _printable(value: Any) -> Any:
    """Text from elsewhere without what cannot be shown: control characters, halves of characters."""
    return printable(value) if type(value) is str else value
