"""`cachesim curve`: the hit ratio that a cache of each size would give on recorded streams of requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cachesim.cli.curve_tables import OF_BEST, by_lifetime, named, sizes_for, spread, text, unit
from cachesim.cli.executing import executor_at, executor_options
from cachesim.cli.reading import refusals, trace_options
from cachesim.console import (
    BAD_INPUT,
    DONE,
    FAILED,
    PICTURES,
    Stop,
    picture,
    progress,
    require_writable,
    show,
    tell,
    write,
)

if TYPE_CHECKING:
    from cachesim.curves.curve import HitRateCurve
    from cachesim.curves.streams import Piece
    from cachesim.curves.traced import Traced
    from cachesim.executors import Lost

__all__ = ["curve_command"]

_EXAMPLES = """\b
Examples:
  cachesim curve access.log
  cachesim curve web07.trace.xz --policy lru --policy sieve --plot web07.png
  cachesim curve requests.csv --key url --ttl 60 --ttl 3600 --size 1000 --size 10000
  cachesim curve requests.parquet --bytes --policy sieve --sample-rate 0.1
  cachesim curve access.log web07.trace.xz --workers 2 --json -
  cachesim curve web07.trace.xz --parts 8
"""
_SIZES = 50
"""How many sizes JSON holds, when there are more, and each further curve has."""


@click.command("curve", epilog=_EXAMPLES)
@click.argument("traces", metavar="TRACE...", nargs=-1, required=True)
@click.option("--policy", "policies", metavar="POLICY", multiple=True, help="lru unless said, sieve, ... Repeatable.")
@click.option("--size", "sizes", metavar="N", type=click.IntRange(min=1), multiple=True, help="Entries. Repeatable.")
@click.option("--ttl", "ttls", metavar="SECONDS", type=float, multiple=True, help="Lifetime from the fill. Repeatable.")
@click.option("--bytes", "weighed", is_flag=True, help="Sizes are bytes: weigh each request by its size.")
@click.option("--sample-rate", metavar="RATE", type=float, default=1.0, help="Estimate from this share of the keys.")
@click.option(
    "--parts", metavar="N", type=click.IntRange(min=1), default=1, help="Estimate from N parts, counted side by side."
)
@click.option("--seed", metavar="N", type=click.IntRange(min=0), default=0, help="Of sample, parts and random.")
@executor_options
@trace_options
@click.option("--json", "json_file", metavar="FILE", help="Write JSON; '-' for standard output, instead of the table.")
@click.option("--plot", "plot_file", metavar="FILE", help="Draw the curves: .png, .svg or .pdf.")
def curve_command(
    traces: Sequence[str],
    policies: Sequence[str],
    sizes: Sequence[int],
    ttls: Sequence[float],
    weighed: bool,
    sample_rate: float,
    parts: int,
    seed: int,
    workers: int | None,
    scheduler: str | None,
    format: str | None,
    key: str,
    time: str | None,
    size_column: str | None,
    json_file: str | None,
    plot_file: str | None,
) -> int:
    """Tell what caches of each size would have done on TRACE: keys, a table, an access log, MONITOR output.

    Several traces are read side by side and have a curve each; JSON is a list then.
    """
    require_writable("--json", None if json_file == "-" else json_file)
    require_writable("--plot", plot_file, PICTURES)
    names, lifetimes = list(dict.fromkeys(traces)), sorted(set(ttls))
    chosen = tuple(dict.fromkeys(policies)) or ("lru",)
    elsewhere = parts == 1 and (len(names) > 1 or scheduler is not None)
    _require_readable(names, chosen, here=len(names) == 1 and not elsewhere)
    if workers is not None and parts == 1 and not elsewhere:
        raise Stop(BAD_INPUT, "--workers: is not allowed with one trace in one part; give more traces, or --parts")
    columns: dict[str, Any] = {"format": format, "key": key, "time": time, "size": size_column}
    options = {
        "ttl": None if not lifetimes else lifetimes[0] if len(lifetimes) == 1 else lifetimes,
        "weighed": weighed,
        "sample_rate": sample_rate,
        "seed": seed,
    }
    with refusals(", ".join(names), format), executor_at(scheduler) as executor:
        from cachesim.curves.traced import Traced
        from cachesim.traces.trace import Trace

        streams = {name: Traced(Trace(name, **columns), bool(lifetimes), weighed) for name in names}
        where = {"parts": parts, "executor": executor, "workers": workers}
        curves, problems = _measured(streams, chosen, sizes, elsewhere=elsewhere, **where, **options)
    if curves:
        _show(curves, len(names) > 1, parts, json_file, plot_file)
    for name in filter(problems.__contains__, names):
        tell(_told(name, problems[name]))
    return max((_status(problem) for problem in problems.values()), default=DONE)


def _require_readable(names: Sequence[str], policies: Sequence[str], *, here: bool) -> None:
    for name in filter(_is_pipe, names):
        if not here:
            raise Stop(BAD_INPUT, f"{name}: is no file, which a trace beside others, or read elsewhere, must be")
        if len(policies) > 1:
            raise Stop(BAD_INPUT, f"{name}: is no file that can be read once for each policy; one --policy is allowed")


def _is_pipe(name: str) -> bool:
    with suppress(OSError):  # what is wrong is told when it is read
        return Path(name).exists() and not Path(name).is_file()
    return False


def _measured(
    streams: Mapping[str, Traced], policies: Sequence[str], sizes: Sequence[int], **options: Any
) -> tuple[dict[str, list[HitRateCurve]], dict[str, Exception | Lost]]:
    """By trace: its curve for each policy, or why it has none. Without sizes, some of the first policy's serve all."""
    curves: dict[str, list[HitRateCurve]] = {name: [] for name in streams}
    problems: dict[str, Exception | Lost] = {}
    for policy in policies:
        found = _good(problems, _asked(streams, policy, sizes, **options))
        if found and not sizes:
            widest = max(found.values(), key=lambda curve: int(curve.sizes[-1])).sizes
            sizes = widest[spread(widest, _SIZES)].tolist()
            if not all(_has(curve, sizes) for curve in found.values()):
                found = _good(problems, _asked(streams, policy, sizes, **options))
        streams = {name: stream for name, stream in streams.items() if name in found}
        curves = {name: [*curves[name], found[name]] for name in streams}
    return curves, problems


def _good(
    problems: dict[str, Exception | Lost], found: Iterator[tuple[str, HitRateCurve | Exception | Lost]]
) -> dict[str, HitRateCurve]:
    """The curves among what was found; the rest is added to the problems."""
    from cachesim.curves.curve import HitRateCurve

    curves = {}
    for name, outcome in found:
        if isinstance(outcome, HitRateCurve):
            curves[name] = outcome
        else:
            problems[name] = outcome
    return curves


def _asked(
    streams: Mapping[str, Traced],
    policy: str,
    sizes: Sequence[int],
    *,
    elsewhere: bool,
    parts: int,
    executor: Any,
    workers: int | None,
    **options: Any,
) -> Iterator[tuple[str, HitRateCurve | Exception | Lost]]:
    """The curve of each trace as it is done, or why there is none."""
    from cachesim.curves.many import measured
    from cachesim.curves.measuring import measure
    from cachesim.curves.parts import LostPartError

    if elsewhere:
        traces = {name: stream.trace for name, stream in streams.items()}
        with progress(len(traces), "curves") as report:
            found = measured(traces, policy, sizes or None, executor=executor, workers=workers, **options)
            for done, named_outcome in enumerate(found, start=1):
                yield named_outcome
                if report is not None:
                    report(done)
        return
    where: dict[str, Any] = {"parts": parts, "executor": executor, "workers": workers}
    for name, stream in streams.items():
        try:
            with progress(None, "requests") as report:
                given = stream if parts > 1 and not _is_pipe(name) else _reported(stream, report)
                yield name, measure(given, policy, sizes or None, **where, **options)
        except (ValueError, LostPartError) as error:
            yield name, error


def _reported(stream: Traced, report: Callable[[float], None] | None) -> Iterator[Piece]:
    requests = 0
    for piece in stream:
        yield piece
        requests += len(piece.keys)
        if report is not None:
            report(requests)


def _has(curve: HitRateCurve, sizes: Sequence[int]) -> bool:
    """Whether it has these sizes, but for those beyond its last, where nothing changes."""
    return {size for size in sizes if size <= curve.sizes[-1]} <= set(curve.sizes.tolist())


# What is told


def _show(
    curves: Mapping[str, Sequence[HitRateCurve]],
    several: bool,
    parts: int,
    json_file: str | None,
    plot_file: str | None,
) -> None:
    documents = b",\n".join(_json(name, found) for name, found in curves.items())
    document = b"[" + documents + b"]" if several else documents
    if json_file == "-":
        show(document)
    else:
        show("\n".join(text(curves, parts=parts)))
        if json_file is not None:
            write("--json", json_file, document + b"\n")
    if plot_file is not None:
        from cachesim import plots

        lines = named(curves)
        axes = plots.hit_rate_curves(
            {name: curve.frame for name, curve in lines.items()}, unit=unit(next(iter(lines.values())))
        )
        write("--plot", plot_file, picture(axes, plot_file))


def _told(name: str, problem: Exception | Lost) -> str:
    from cachesim.traces import TraceError

    if not isinstance(problem, Exception):
        return f"{name}: is lost: {problem.reason}"
    return str(problem) if isinstance(problem, TraceError) else f"{name}: {problem}"


def _status(problem: Exception | Lost) -> int:
    return BAD_INPUT if isinstance(problem, ValueError) else FAILED


def _json(trace: str, curves: Sequence[HitRateCurve]) -> bytes:
    from cachesim.schemas import document

    first = curves[0]
    return document(
        "curve/1",
        {
            "trace": str(Path(trace)),
            "requests": first.requests,
            "distinct": first.distinct,
            "sample_rate": first.sample_rate,
            "unit": unit(first),
            "curves": [_table(curve) for found in curves for curve in by_lifetime(found)],
        },
    )


def _table(curve: HitRateCurve) -> dict[str, Any]:
    places = spread(curve.sizes, _SIZES)
    best, (*of_best, eighty, ninety) = sizes_for(curve)
    return {
        "policy": curve.policy,
        "ttl": curve.ttl,
        "sizes": curve.sizes[places].tolist(),
        "hit_ratios": curve.hit_ratios[places].tolist(),
        "misses": curve.misses[places].tolist(),
        "half_widths": None if curve.half_widths is None else curve.half_widths[places].tolist(),
        "best": best,
        "sizes_for_share_of_best": dict(zip(map(str, OF_BEST), of_best, strict=True)),
        "sizes_for_share_of_requests": {"0.8": eighty, "0.9": ninety},
    }
