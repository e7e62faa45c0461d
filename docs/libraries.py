"""The page "Libraries in the storm": `python -m docs.libraries` runs every cache under every condition and writes it.

It takes minutes. What the page says is in libraries.md.j2; its numbers, those in sentences too, are of these runs.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import click
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from cachesim import adapters
from cachesim.cli.caches import cache_named
from cachesim.conditions import CONDITIONS, Cell, under_conditions
from cachesim.formatting import seconds
from cachesim.scenario import load
from docs import notebooks

__all__ = ["OURS", "PAGE", "SCENARIO", "as_code", "page", "row", "versions"]

DOCS = notebooks.ROOT / "docs"
PAGE, SCENARIO = DOCS / "libraries.md", DOCS / "libraries.toml"

OURS: Mapping[str, str] = {
    "none": "no cache: the database, every time",
    "in-process": "in the memory of a node, a single flight in it",
    "cache-aside+single_flight=none": "in Redis; all who miss load",
    "cache-aside": "in Redis, a single flight in each node",
    "cache-aside+single_flight=cluster": "in Redis, a single flight for all nodes",
    "early-recompute": "as `cache-aside`, and one reader in many loads anew before expiry",
    "stale-while-revalidate+stale_for=10": "as `cache-aside`, and served for 10 s more while one loads anew",
    "write-through": "in Redis, filled by those who write too",
    "layered+l1_ttl=1": "in memory for 1 s, over Redis; told of writes by pub/sub",
    "pitfall:in-process": "as tutorials print it: all await the task of who came first",
    "pitfall:cache-aside": "as tutorials print it: no single flight, no lease, no error of Redis caught",
}
"""Our caches as `--caches` names them, and what they are."""


def versions() -> dict[str, str]:
    """The installed version of each library."""
    return adapters.versions(adapters.names())


def page(cells: Sequence[Cell]) -> str:
    """The page as Markdown."""
    environment = Environment(loader=FileSystemLoader(DOCS), undefined=StrictUndefined, autoescape=False)
    numbers = _Numbers(cells)
    requests, reads = (numbers.of("cancellation", "none", name) for name in ("requests", "reads"))
    return environment.get_template("libraries.md.j2").render(
        versions=", ".join(f"{name} {version}" for name, version in versions().items()),
        scenario=SCENARIO.read_text(encoding="utf-8").rstrip(),
        uses={**OURS, **{name: library.use for name, library in adapters.CACHES.items()}},
        caches=list(dict.fromkeys(cell.cache for cell in cells)),
        cells={name: [cell for cell in cells if cell.condition == name] for name in CONDITIONS},
        about={name: condition.about for name, condition in CONDITIONS.items()},
        writes=requests - reads,
        cancelled=numbers.cells["cancellation", "cashews:lock"].errors.get("CancelledError", 0),
        best=min((cell for cell in cells if cell.condition == "cancellation"), key=_errors).cache,
        as_code=as_code,
        row=row,
        named=_named,
        count=numbers.count,
        time=numbers.time,
        share=numbers.share,
        those=numbers.those,
    )


def as_code(cache: str) -> str:
    """The name of a cache, whose line may end before an option."""
    return f"`{cache.replace('+', '` `+')}`"


def _errors(cell: Cell) -> float:
    return cell.metrics["errors"]


def row(cell: Cell) -> str:
    """A row of the table of a condition."""
    metrics = cell.metrics
    counts = [f"{metrics[name]:,.0f}" for name in ("loads", "largest_stampede", "stale_reads", "errors")]
    loads, stampede, stale, errors = counts
    kinds = ", ".join(sorted(cell.errors, key=lambda kind: -cell.errors[kind]))
    p99 = _time(metrics["latency_p99"])
    return f"| {as_code(cell.cache)} | {loads} | {stampede} | {p99} | {stale} | {f'{errors} {kinds}'.strip()} |"


def _time(value: float) -> str:
    return seconds(rounded := float(f"{value:.2g}"), rounded)


def _named(caches: Sequence[str]) -> str:
    *most, last = [f"`{cache}`" for cache in caches]
    return f"{', '.join(most)} and {last}" if most else last


class _Numbers:
    """What came out, as sentences tell it."""

    def __init__(self, cells: Sequence[Cell]) -> None:
        self.cells = {(cell.condition, cell.cache): cell for cell in cells}

    def of(self, condition: str, cache: str, metric: str) -> float:
        return self.cells[condition, cache].metrics[metric]

    def count(self, condition: str, cache: str, metric: str) -> str:
        return f"{self.of(condition, cache, metric):,.0f}"

    def time(self, condition: str, cache: str, metric: str) -> str:
        return _time(self.of(condition, cache, metric))

    def share(self, condition: str, cache: str, part: str, whole: str = "requests") -> str:
        """In whole percents; what is neither nothing nor everything does not look like it."""
        percent = 100 * self.of(condition, cache, part) / self.of(condition, cache, whole)
        return "<1 %" if 0 < percent < 0.5 else ">99 %" if 99.5 <= percent < 100 else f"{percent:.0f} %"

    def those(self, condition: str, part: str, whole: str, *, above: float = 0.0, to: float = 1.0) -> list[str]:
        """The caches whose share lies in (above, to]; "none" is no cache."""
        found = [cell for cell in self.cells.values() if cell.condition == condition and cell.cache != "none"]
        return [cell.cache for cell in found if above < cell.metrics[part] / cell.metrics[whole] <= to]


def main() -> None:
    """Run everything and write the page."""
    logging.getLogger().addHandler(logging.NullHandler())  # what libraries log of an outage is in the table
    scenario = load(SCENARIO)
    caches = {name: cache_named(name, scenario.cache) for name in (*OURS, *adapters.names())}
    total = len(caches) * len(CONDITIONS)
    table = under_conditions(
        scenario, caches, progress=lambda done: click.echo(f"\r{done} of {total} runs", err=True, nl=False)
    )
    PAGE.write_text(page(table.cells), encoding="utf-8")
    click.echo(f"\n{PAGE.relative_to(notebooks.ROOT)}", err=True)


if __name__ == "__main__":
    main()
