"""Advice in plain sentences with their numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from math import isnan
from pathlib import Path
from typing import Any

from cachesim.advice.caches import RIVALS, ROUND_SIZES, Cell
from cachesim.advice.judging import (
    HOT_KEYS,
    Recommendation,
    Target,
    gain,
    hot_data,
    lifetimes,
    size_for,
)
from cachesim.advice.observing import Observed
from cachesim.advice.rehearsal import ASSUMED_LATENCY, TOLERANCE, Rehearsal
from cachesim.estimates import Estimate
from cachesim.formatting import listed, number, percent, seconds
from cachesim.world.latency import LogNormal

__all__ = ["duration", "scenario_comment", "sections", "told"]

_UNITS = ((86400.0, "day"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))
_MOST_NAMES, _MOST_CHANGES = 6, 4


def told(observed: Observed, targets: Sequence[Target], recommended: Recommendation, rehearsal: Rehearsal) -> str:
    """All of it, as text."""
    lines = [observed.path]
    for title, sentences in sections(observed, targets, recommended, rehearsal).items():
        lines += ["", title, *listed(sentences)]
        if title == _RATIOS:
            lines += ["", *_table(observed)]
    return "\n".join(lines)


_RATIOS = "What would hit"


def sections(
    observed: Observed, targets: Sequence[Target], recommended: Recommendation, rehearsal: Rehearsal
) -> dict[str, list[str]]:
    """Sentences by title."""
    return {
        "The log": list(_log(observed)),
        "What can be cached": list(_cacheable(observed)),
        _RATIOS: list(_ratios(observed)),
        "The usual targets": [_target(observed, target) for target in targets],
        "What to take": list(_recommended(observed, recommended)),
        "To try it": list(_rehearsed(observed, rehearsal)),
    }


# The log


def _log(observed: Observed) -> Iterator[str]:
    start = datetime.fromtimestamp(observed.start, UTC)
    since = f", from {start:%Y-%m-%d %H:%M} UTC on" if observed.names else ""
    busiest = f"; in the busiest hour {_rate(observed.busiest / 3600)}" if observed.seconds > 2 * 3600 else ""
    yield f"{observed.operations:,} requests in {duration(observed.seconds)}{since}: {_rate(observed.rate)}{busiest}."
    if observed.names:
        statuses = f" Statuses: {_shares(observed.statuses)}." if observed.statuses else ""
        yield f"{'Methods' if statuses else 'Commands'}: {_shares(observed.names)}.{statuses}"
    notes = observed.notes
    if notes.first_malformed is not None:
        place, text = notes.first_malformed
        of = f"{notes.malformed:,} of {notes.lines:,}"
        yield f"{of} lines are malformed and were passed over; the first is line {place:,}: {text!r}."
    if notes.late:
        yield (
            f"{notes.late:,} lines are older than one before them, by {duration(notes.late_by)} at most, and were "
            "taken to be of its time."
        )


def _shares(found: Counter[Any]) -> str:
    total = found.total()
    shown = [f"{name} {_share(times / total)}" for name, times in found.most_common(_MOST_NAMES)]
    return ", ".join(shown + ["others"] * (len(found) > _MOST_NAMES))


def _cacheable(observed: Observed) -> Iterator[str]:
    reads, keys = observed.reads, len(observed.counts)
    once = int((observed.counts == 1).sum())
    of = f"{_share(reads / observed.operations)} of the requests"
    if observed.names:
        success = " and were answered without an error" if observed.statuses else ""
        yield f"{reads:,} reads, {of}, can be answered by a cache: they change nothing{success}."
    yield (
        f"They are for {keys:,} keys. The first read of a key misses in any cache that starts empty: "
        f"{_share(keys / reads)} of the reads. {once:,} keys ({_share(once / keys)}) are read just once."
    )
    if observed.writes:
        yield (
            f"{observed.writes:,} writes, {observed.writes_read:,} of them to keys that are read too. Each of those "
            f"may make one more read miss: {_share(observed.lost_to_writes)} of the reads at most."
        )
    for change in observed.changes[:_MOST_CHANGES]:
        yield (
            f"{change.name[0].upper()}{change.name[1:]}, {keys:,} keys would be {change.keys:,}, and up to "
            f"{_share(gain(observed, change))} more of the reads would hit, if it makes no difference to the answer."
        )


# Hit ratios


def _ratios(observed: Observed) -> Iterator[str]:
    stretches = len(observed.ratios)
    if stretches > 1:
        yield (
            f"Means over {stretches - 1} stretches of the log, all equally long; the one before them, in which the "
            "cache is cold, is left out. ± is half of their 95 % interval, as far as stretches do not depend on each "
            "other: next week's log is another sample. Eviction is lru, and one cache sees all reads: several "
            "processes with a cache each hit less often."
        )
    else:
        yield f"The log has {observed.reads} reads: too few for intervals, and the cold start is among them."
    for bound in (0.8, 0.9):
        size = size_for(observed, bound)
        if size is None:
            best = observed.hit_ratio(Cell(None, None)).mean
            yield f"No size gives {_share(bound)}: with room for every key {_share(best)} hit."
            break
        memory = f", about {_bytes(size * observed.bytes_per_key)} of answers" if observed.bytes_per_key else ""
        yield f"{_share(bound)} hit from {size:,} entries on{memory}, if values are kept until evicted."


def _table(observed: Observed) -> Iterator[str]:
    """A row a size, a column a lifetime."""
    keys = len(observed.counts)
    offered: list[float | None] = [*lifetimes(observed), None]
    rows = [["entries", *("no lifetime" if ttl is None else duration(ttl) for ttl in offered)]]
    for size in (*(size for size in ROUND_SIZES if size < keys), None):
        cells = [_ratio(observed.hit_ratio(Cell(size, ttl))) for ttl in offered]
        rows.append(["every key" if size is None else f"{size:,}", *cells])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  " + "  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True))


def _ratio(found: Estimate) -> str:
    half = "" if isnan(found.half_width) else f" ± {100 * found.half_width:.1f}"
    return f"{100 * found.mean:.1f}{half} %"


# Judgement


def _target(observed: Observed, target: Target) -> str:
    longest = lifetimes(observed)[-1]
    aim = f"{_share(target.bound)} of {'the hot data' if target.place == 'in-process' else 'all reads'}"
    name = "In-process" if target.place == "in-process" else "Redis"
    verdict = "within reach" if target.met else "out of reach"
    found = f"{name}, above {aim}: {verdict}. With a lifetime of {duration(longest)}, {_share(target.hit_ratio)} hit"
    if target.place == "in-process":
        hot = hot_data(observed, longest)
        found += f" among the {hot.keys:,} keys read most, which have {_share(hot.share)} of the reads (reckoned from"
        found += " how often each is read)"
    return f"{found}.{_cause(observed, target)}"


def _cause(observed: Observed, target: Target) -> str:
    reads, keys = observed.reads, len(observed.counts)
    match target.cause:
        case "writes":
            return f" Writes are the cause: if each makes one read miss, {_share(observed.lost_to_writes)} less hit."
        case "lifetime":
            return f" The lifetime is the cause: kept until evicted, values would give {_share(target.kept)}."
        case "keys":
            change = observed.changes[0]
            best = min(1.0, target.kept + gain(observed, change))
            return (
                f" The design of the keys is the cause: {change.name}, {keys:,} keys would be {change.keys:,}, and up "
                f"to {_share(best)} would hit."
            )
        case "data":
            return (
                f" The data is the cause: a key is read {reads / keys:.1f} times on average, and "
                f"{_share(keys / reads)} of the reads are the first of their key. A longer log may look better."
            )
    return ""


def _recommended(observed: Observed, recommended: Recommendation) -> Iterator[str]:
    what = f"The pattern {recommended.pattern}"
    if recommended.size is None:
        what += f" over Redis, with a lifetime of {duration(recommended.ttl)}"
    else:
        what += f" with {recommended.size:,} entries, a lifetime of {duration(recommended.ttl)} and the policy "
        what += recommended.policy
    if recommended.size is None and observed.bytes_per_key:
        what += f"; all keys of this log need about {_bytes(len(observed.counts) * observed.bytes_per_key)}"
    writes = f", less up to {_share(observed.lost_to_writes)} for writes" if observed.writes_read else ""
    yield f"{what}: {_ratio(recommended.hit_ratio)} of the reads would hit{writes}."
    if recommended.size is not None and recommended.size < len(observed.counts):
        found = [(policy, observed.hit_ratio(Cell(recommended.size, None, policy)).mean) for policy in ("lru", *RIVALS)]
        yield (
            f"Without a lifetime, of {recommended.size:,} entries: "
            + ", ".join(f"{p} {_share(r)}" for p, r in found)
            + "."
        )
    hot = hot_data(observed, recommended.ttl)
    if recommended.size is None and hot.hit_ratio >= 0.9 and hot.share >= 0.5 and hot.keys == HOT_KEYS:
        yield (
            f"The {hot.keys:,} keys read most have {_share(hot.share)} of the reads, and {_share(hot.hit_ratio)} of "
            "those would hit: keep these in the process too (the pattern layered)."
        )
    yield f"A value served is up to {duration(recommended.ttl)} old; what a shorter lifetime costs, the table shows."


# The scenario


def _rehearsed(observed: Observed, rehearsal: Rehearsal) -> Iterator[str]:
    scenario, zipf = rehearsal.scenario, rehearsal.zipf
    yield (
        f"The scenario rehearses the first {observed.beginning.reads:,} reads at their mean rate. In the log "
        f"{_share(rehearsal.hit_ratio)} of them hit, once the cache is warm."
    )
    if scenario.expect:
        yield (
            f"It expects hit_ratio {scenario.expect['hit_ratio']}. The difference is half of the interval, "
            f"{100 * TOLERANCE:g} points for drawn keys, and what may be lost to writes and to reads that wait for a "
            "load."
        )
    else:
        yield "It expects nothing: a log so short has no interval."
    law = f"A Zipf law with {zipf.n:,} keys and alpha {zipf.alpha:g} gives {_share(rehearsal.zipf_hit_ratio)}"
    if rehearsal.drawn and abs(rehearsal.zipf_hit_ratio - rehearsal.hit_ratio) <= TOLERANCE:
        yield f"{law}: the keys are drawn from it."
    elif rehearsal.drawn:
        yield f"{law}: far off, but this file cannot be replayed, so the keys are drawn from it all the same."
    else:
        yield f"{law}: more than {100 * TOLERANCE:g} points off, so the log's own keys are replayed."
    latency = scenario.database.latency
    if isinstance(latency, LogNormal):
        yield f"The database takes {seconds(latency.mean, latency.mean)} on average, as the requests in the log took."
    else:
        assumed = seconds(ASSUMED_LATENCY, ASSUMED_LATENCY)
        yield f"The database takes {assumed}, which is assumed: the log does not tell."


def scenario_comment(observed: Observed, rehearsal: Rehearsal) -> str:
    """What stands at the head of the scenario's file."""
    lines = listed([f"Filled in from {Path(observed.path).name}.", *_rehearsed(observed, rehearsal)])
    return "".join(f"# {line.strip()}\n" for line in lines)


# Numbers


def _share(value: float) -> str:
    """A share of something, with one decimal.

    >>> _share(0.8), _share(0.9312), _share(0.0004), _share(0.99996)
    ('80 %', '93.1 %', '0.04 %', '>99.99 %')
    """
    if 0.001 <= value <= 0.999:
        return f"{100 * value:.1f}".removesuffix(".0") + " %"
    return percent(value, value).replace(".00 %", " %")


def _rate(value: float) -> str:
    rounded = float(f"{value:.3g}")
    return f"{number(rounded, rounded)} a second"


def duration(value: float) -> str:
    """In the largest unit that it has one of.

    >>> duration(10.0), duration(600.0), duration(86400.0), duration(200_000.0)
    ('10 s', '10 min', '1 day', '2.31 days')
    """
    scale, unit = next(((scale, unit) for scale, unit in _UNITS if value >= scale), _UNITS[-1])
    rounded = float(f"{value / scale:.3g}")
    return f"{number(rounded, rounded)} {unit}{'s' if unit == 'day' and rounded != 1 else ''}"


def _bytes(value: float) -> str:
    """With two digits that count.

    >>> _bytes(2_345_678.0), _bytes(999.0)
    ('2.3 MB', '999 B')
    """
    for scale, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if value >= scale:
            return f"{float(f'{value / scale:.2g}'):g} {unit}"
    return f"{value:.0f} B"
