"""`cachesim curve`: the hit ratio that a cache of each size would give on a recorded stream of requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cachesim.cli.reading import refusals, trace_options
from cachesim.console import BAD_INPUT, PICTURES, Stop, picture, progress, require_writable, show, write
from cachesim.formatting import percent

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cachesim.curves.curve import HitRateCurve
    from cachesim.curves.streams import Piece

__all__ = ["curve_command"]

_EXAMPLES = """\b
Examples:
  cachesim curve access.log
  cachesim curve web07.trace.xz --policy lru --policy sieve --plot web07.png
  cachesim curve requests.csv --key url --ttl 60 --ttl 3600 --size 1000 --size 10000
  cachesim curve requests.parquet --bytes --policy s3-fifo --sample-rate 0.1
"""
_ROWS, _SIZES = 12, 50
"""How many sizes the table shows, and JSON holds, when there are more."""
_OF_BEST, _OF_REQUESTS = (0.5, 0.8, 0.9, 0.95), (0.8, 0.9)
"""The sizes for these shares are told: of the highest hit ratio there is, of all requests."""


@click.command("curve", epilog=_EXAMPLES)
@click.argument("trace")
@click.option("--policy", "policies", metavar="POLICY", multiple=True, help="lru unless said, sieve, ... Repeatable.")
@click.option("--size", "sizes", metavar="N", type=click.IntRange(min=1), multiple=True, help="Entries. Repeatable.")
@click.option("--ttl", "ttls", metavar="SECONDS", type=float, multiple=True, help="Lifetime from the fill. Repeatable.")
@click.option("--bytes", "weighed", is_flag=True, help="Sizes are bytes: weigh each request by its size.")
@click.option("--sample-rate", metavar="RATE", type=float, default=1.0, help="Estimate from this share of the keys.")
@click.option("--seed", metavar="N", type=click.IntRange(min=0), default=0, help="Of the sample and of random.")
@trace_options
@click.option("--json", "json_file", metavar="FILE", help="Write JSON; '-' for standard output, instead of the table.")
@click.option("--plot", "plot_file", metavar="FILE", help="Draw the curves: .png, .svg or .pdf.")
def curve_command(
    trace: str,
    policies: Sequence[str],
    sizes: Sequence[int],
    ttls: Sequence[float],
    weighed: bool,
    sample_rate: float,
    seed: int,
    format: str | None,
    key: str,
    time: str | None,
    size_column: str | None,
    json_file: str | None,
    plot_file: str | None,
) -> None:
    """Tell what caches of each size would have done on TRACE: keys, a table, an access log, MONITOR output."""
    require_writable("--json", None if json_file == "-" else json_file)
    require_writable("--plot", plot_file, PICTURES)
    with refusals(trace, format), progress(None, "requests") as report:
        from cachesim.traces import read

        def pieces() -> Iterator[Piece]:
            given: Any = format
            found = read(trace, format=given, key=key, time=time, size=size_column)
            return _pieces(found, trace, timed=bool(ttls), weighed=weighed, report=report)

        lifetimes = sorted(set(ttls))
        ttl = None if not lifetimes else lifetimes[0] if len(lifetimes) == 1 else lifetimes
        chosen = tuple(dict.fromkeys(policies)) or ("lru",)
        if len(chosen) > 1 and Path(trace).exists() and not Path(trace).is_file():
            raise Stop(BAD_INPUT, f"{trace}: is no file that can be read once for each policy; one --policy is allowed")
        curves = _measured(pieces, chosen, sizes, ttl=ttl, sample_rate=sample_rate, seed=seed)
    if json_file == "-":
        show(_json(trace, curves))
    else:
        show("\n".join(_text(trace, curves)))
        if json_file is not None:
            write("--json", json_file, _json(trace, curves) + b"\n")
    if plot_file is not None:
        from cachesim import plots

        frames = {curve.policy: curve.frame for curve in curves}
        write("--plot", plot_file, picture(plots.hit_rate_curves(frames, unit=_unit(curves[0])), plot_file))


def _pieces(
    found: Any, trace: str, *, timed: bool, weighed: bool, report: Callable[[float], None] | None
) -> Iterator[Piece]:
    """What is asked of the file, and nothing else."""
    from cachesim.curves.streams import Piece

    requests = 0
    for piece in found:
        if timed and piece.times is None:
            raise Stop(BAD_INPUT, f"{trace}: tells no times, which --ttl needs; in a table, --time names their column")
        if weighed and piece.sizes is None:
            raise Stop(BAD_INPUT, f"{trace}: tells no sizes, which --bytes needs; in a table, --size-column names them")
        yield Piece(piece.keys, piece.times if timed else None, piece.sizes if weighed else None)
        requests += len(piece.keys)
        if report is not None:
            report(requests)


def _measured(
    pieces: Callable[[], Iterator[Piece]], policies: Sequence[str], sizes: Sequence[int], **options: Any
) -> list[HitRateCurve]:
    """A curve for each policy; without sizes, those of the first serve the others too."""
    from cachesim.curves.measuring import measure

    curves: list[HitRateCurve] = []
    for policy in policies:
        if curves and not sizes:
            sizes = curves[0].sizes[_spread(curves[0].sizes, _SIZES)].tolist()
        curves.append(measure(pieces(), policy, list(sizes) or None, **options))
    return curves


def _spread(sizes: NDArray[np.int64], most: int) -> list[int]:
    """The places of at most so many of the sizes, from the first to the last, even over the magnitudes."""
    import numpy as np

    if len(sizes) <= most:
        return list(range(len(sizes)))
    wanted = np.geomspace(sizes[0], sizes[-1], most).round()
    return sorted(set(sizes.searchsorted(wanted).tolist()))


# What is told


def _unit(curve: HitRateCurve) -> str:
    return "bytes" if curve.weighed else "entries"


def _columns(curves: Sequence[HitRateCurve]) -> Iterator[tuple[str, HitRateCurve]]:
    """A curve for each policy and lifetime, with its name."""
    import numpy as np

    for curve in curves:
        if isinstance(curve.ttl, np.ndarray):
            yield from ((f"{curve.policy}, {ttl:g} s", curve.for_ttl(float(ttl))) for ttl in curve.ttl)
        else:
            yield curve.policy if curve.ttl is None else f"{curve.policy}, {curve.ttl:g} s", curve


def _text(trace: str, curves: Sequence[HitRateCurve]) -> Iterator[str]:
    first, columns = curves[0], list(_columns(curves))
    keys = round(first.distinct / first.sample_rate)
    sampled = first.sample_rate < 1
    about = "about " if sampled else ""
    yield trace
    yield f"{first.requests:,} requests, {about}{keys:,} keys"
    yield (
        f"{about}{percent(keys / first.requests, 0)} of the requests are the first of their key, and miss in any cache"
        f" that starts empty"
    ).capitalize()
    if sampled:
        share = f"{100 * first.sample_rate:g} %"
        yield f"Estimated from {share} of the keys ({first.distinct:,}); ± is half of the 95 % interval"
    yield ""
    shown = first.sizes[_spread(first.sizes, _ROWS)].tolist()
    rows = [[f"size ({_unit(first)})", *(name for name, _ in columns)]]
    rows += [[f"{size:,}", *(_cell(curve, size) for _, curve in columns)] for size in shown]
    yield from _aligned(rows)
    yield ""
    heads = [f"{share:.0%}".replace("%", " %") for share in (*_OF_BEST, *_OF_REQUESTS)]
    rows = [["size for", "the best", *(f"{head} of it" for head in heads[: len(_OF_BEST)])]]
    rows[0] += [f"{head} of requests" for head in heads[len(_OF_BEST) :]]
    yield from _aligned(rows + [[name, *_marks(curve)] for name, curve in columns])


def _cell(curve: HitRateCurve, size: int) -> str:
    """The hit ratio at a size that is one of the curve's."""
    place = int(curve.sizes.searchsorted(size))
    ratio = float(curve.hit_ratios[place])
    shown = percent(ratio, ratio)
    return shown if curve.half_widths is None else f"{shown} ± {100 * curve.half_widths[place]:.2f}"


def _sizes_for(curve: HitRateCurve) -> tuple[float, list[int | None]]:
    """The highest hit ratio, and the sizes for shares of it, then for shares of the requests."""
    best = float(curve.hit_ratios.max())
    return best, [curve.size_for(share) for share in (*(max(0.0, of * best) for of in _OF_BEST), *_OF_REQUESTS)]


def _marks(curve: HitRateCurve) -> Iterator[str]:
    best, sizes = _sizes_for(curve)
    yield percent(best, best)
    yield from ("–" if size is None else f"{size:,}" for size in sizes)


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Columns to the right, but the first."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *rest in rows:
        cells = [f"{cell:>{width}}" for cell, width in zip(rest, widths[1:], strict=True)]
        yield "  ".join([f"{first:<{widths[0]}}", *cells])


def _json(trace: str, curves: Sequence[HitRateCurve]) -> bytes:
    import orjson

    first = curves[0]
    document = {
        "cachesim": version("cachesim"),
        "trace": str(Path(trace)),
        "requests": first.requests,
        "distinct": first.distinct,
        "sample_rate": first.sample_rate,
        "unit": _unit(first),
        "curves": [_table(curve) for _, curve in _columns(curves)],
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2)


def _table(curve: HitRateCurve) -> dict[str, Any]:
    places = _spread(curve.sizes, _SIZES)
    best, (*of_best, eighty, ninety) = _sizes_for(curve)
    return {
        "policy": curve.policy,
        "ttl": curve.ttl,
        "sizes": curve.sizes[places].tolist(),
        "hit_ratios": curve.hit_ratios[places].tolist(),
        "misses": curve.misses[places].tolist(),
        "half_widths": None if curve.half_widths is None else curve.half_widths[places].tolist(),
        "best": best,
        "sizes_for_share_of_best": dict(zip(map(str, _OF_BEST), of_best, strict=True)),
        "sizes_for_share_of_requests": {"0.8": eighty, "0.9": ninety},
    }
