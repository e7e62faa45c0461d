"""What `cachesim curve` tells: tables of hit ratios, and of the sizes that are enough for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import starmap
from pathlib import Path
from typing import TYPE_CHECKING

from cachesim.formatting import aligned, percent

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cachesim.curves.curve import HitRateCurve

__all__ = ["OF_BEST", "by_lifetime", "named", "sizes_for", "spread", "text", "unit"]

OF_BEST, _OF_REQUESTS = (0.5, 0.8, 0.9, 0.95), (0.8, 0.9)
"""The sizes for these shares are told: of the highest hit ratio there is, of all requests."""
_ROWS = 12
"""How many sizes the table shows, when there are more."""


def text(curves: Mapping[str, Sequence[HitRateCurve]], *, parts: int) -> Iterator[str]:
    """The lines of it all. `curves`: of each trace, one for each policy."""
    firsts = {name: found[0] for name, found in curves.items()}
    first = next(iter(firsts.values()))
    if len(firsts) == 1:
        yield from _stream(*next(iter(firsts.items())))
    else:
        yield from aligned(
            [["trace", "requests", "keys", "first of their key"], *starmap(_row, firsts.items())], "<>>>"
        )
        yield "The first request of a key misses in any cache that starts empty"
    if first.half_widths is not None:
        yield _estimated(firsts, parts)
    columns = [
        (name if one.ttl is None else f"{name}, {one.ttl:g} s", one)
        for name, curve in named(curves).items()
        for one in by_lifetime(curve)
    ]
    widest = max(firsts.values(), key=lambda curve: int(curve.sizes[-1])).sizes
    yield ""
    rows = [[f"size ({unit(first)})", *(name for name, _ in columns)]]
    rows += [[f"{size:,}", *(_cell(curve, size) for _, curve in columns)] for size in widest[spread(widest, _ROWS)]]
    yield from aligned(rows, "<" + ">" * len(columns))
    yield ""
    of_best, of_requests = (
        [f"{share:.0%}".replace("%", " %") for share in shares] for shares in (OF_BEST, _OF_REQUESTS)
    )
    rows = [["size for", "the best", *(f"{share} of it" for share in of_best)]]
    rows[0] += [f"{share} of requests" for share in of_requests]
    rows += [[name, *_marks(curve)] for name, curve in columns]
    yield from aligned(rows, "<" + ">" * (len(rows[0]) - 1))


# Of the traces


def _stream(name: str, curve: HitRateCurve) -> Iterator[str]:
    _, requests, keys, share = _row(name, curve)
    about = "about " if curve.sample_rate < 1 else ""
    yield name
    yield f"{requests} requests, {about}{keys} keys"
    yield (
        f"{about}{share} of the requests are the first of their key, and miss in any cache that starts empty"
    ).capitalize()


def _row(name: str, curve: HitRateCurve) -> list[str]:
    keys = round(curve.distinct / curve.sample_rate)
    return [name, f"{curve.requests:,}", f"{keys:,}", percent(keys / curve.requests, 0)]


def _estimated(firsts: Mapping[str, HitRateCurve], parts: int) -> str:
    """How, and what the intervals are."""
    rate, keys = next(iter(firsts.values())).sample_rate, sum(curve.distinct for curve in firsts.values())
    sampled = f"Estimated from {100 * rate:g} % of the keys ({keys:,})"
    divided = f"{parts} parts, in caches {parts} times smaller"
    told = f"Counted in {divided}" if rate == 1 else sampled if parts == 1 else f"{sampled} in {parts} parts"
    return f"{told}; ± is half of the 95 % interval"


# Of the curves


def named(curves: Mapping[str, Sequence[HitRateCurve]]) -> dict[str, HitRateCurve]:
    """Each curve by what tells it from the others: its trace, its policy, or both."""
    short = {name: Path(name).name for name in curves}
    alike = len(set(short.values())) < len(short)
    found = {}
    for name, of_policies in curves.items():
        for curve in of_policies:
            trace = name if alike else short[name]
            several = len(of_policies) > 1
            label = curve.policy if len(curves) == 1 else f"{trace}, {curve.policy}" if several else trace
            found[label] = curve
    return found


def by_lifetime(curve: HitRateCurve) -> Iterator[HitRateCurve]:
    """The curve, or those of each of its lifetimes."""
    import numpy as np

    if isinstance(curve.ttl, np.ndarray):
        yield from (curve.for_ttl(float(ttl)) for ttl in curve.ttl)
    else:
        yield curve


def unit(curve: HitRateCurve) -> str:
    """Of its sizes."""
    return "bytes" if curve.weighed else "entries"


def spread(sizes: NDArray[np.int64], most: int) -> list[int]:
    """The places of at most so many of the sizes, from the first to the last, even over the magnitudes."""
    import numpy as np

    if len(sizes) <= most:
        return list(range(len(sizes)))
    wanted = np.geomspace(sizes[0], sizes[-1], most).round()
    return sorted(set(sizes.searchsorted(wanted).tolist()))


def sizes_for(curve: HitRateCurve) -> tuple[float, list[int | None]]:
    """The highest hit ratio, and the sizes for shares of it, then for shares of the requests."""
    best = float(curve.hit_ratios.max())
    return best, [curve.size_for(share) for share in (*(max(0.0, of * best) for of in OF_BEST), *_OF_REQUESTS)]


def _cell(curve: HitRateCurve, size: int) -> str:
    """The hit ratio at a size that is one of the curve's, or beyond its last."""
    ratio = curve.at(size)
    shown = percent(ratio, ratio)
    if curve.half_widths is None:
        return shown
    place = min(int(curve.sizes.searchsorted(size)), len(curve.sizes) - 1)
    return f"{shown} ± {100 * curve.half_widths[place]:.2f}"


def _marks(curve: HitRateCurve) -> Iterator[str]:
    best, sizes = sizes_for(curve)
    yield percent(best, best)
    yield from ("–" if size is None else f"{size:,}" for size in sizes)
