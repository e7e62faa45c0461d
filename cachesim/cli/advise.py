"""`cachesim advise`: from a log to what a cache would give, and a scenario to try it in."""

from __future__ import annotations

from typing import Any

import click

from cachesim.cli.reading import refusals, trace_options
from cachesim.console import PICTURES, picture, progress, require_writable, show, write

__all__ = ["advise_command"]

_EXAMPLES = """\b
Examples:
  cachesim advise access.log
  cachesim advise access.log.gz --plot advice.png --scenario shop.toml
  cachesim run shop.toml --check
  cachesim advise requests.csv --key url --json - | jq .recommendation
"""


@click.command("advise", epilog=_EXAMPLES)
@click.argument("log")
@trace_options
@click.option("--json", "json_file", metavar="FILE", help="Write JSON; '-' for standard output, instead of the text.")
@click.option("--plot", "plot_file", metavar="FILE", help="Draw the hit ratio by size: .png, .svg or .pdf.")
@click.option("--scenario", "scenario_file", metavar="FILE.toml", help="Write a scenario filled in from the log.")
def advise_command(
    log: str,
    format: str | None,
    key: str,
    time: str | None,
    size_column: str | None,
    json_file: str | None,
    plot_file: str | None,
    scenario_file: str | None,
) -> None:
    """Tell what a cache would give on LOG: an access log, MONITOR output, or requests with their times."""
    require_writable("--json", None if json_file == "-" else json_file)
    require_writable("--plot", plot_file, PICTURES)
    require_writable("--scenario", scenario_file, (".toml",))
    with refusals(log, format), progress(None, "requests") as report:
        from cachesim.advice import advise

        given: Any = format
        advice = advise(log, format=given, key=key, time=time, size=size_column, progress=report)
    if json_file == "-":
        show(advice.json())
    else:
        show(advice.text())
        if json_file is not None:
            write("--json", json_file, advice.json() + b"\n")
    if plot_file is not None:
        write("--plot", plot_file, picture(advice.plot(), plot_file))
    if scenario_file is not None:
        write("--scenario", scenario_file, advice.scenario_file().encode())
