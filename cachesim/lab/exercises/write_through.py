"""The exercises of 03: write-through and the order of writes."""

from __future__ import annotations

from functools import reduce
from itertools import permutations
from math import exp
from typing import Any

from cachesim.lab.exercise import Exercise, number
from cachesim.theory import leased_shares, overtaken_write_ratio, undone_write_ratio

__all__ = ["newer", "undone", "written_around"]

undone = Exercise(
    judge=number(
        undone_write_ratio(2, 0.05),
        mistakes={
            2 * 0.05: "That is μm, the writes on their way when yours commits. Not all of them arrive after it.",
            2 * 0.05 / 2: "That is μm / 2, a little too high: two that arrive late undo your write only once.",
            overtaken_write_ratio(2, 0.05): "That counts only what the very next write overtakes.",
            exp(-0.1): "That is the probability that nothing is on its way when your write commits.",
        },
    ),
    clue="The formula of the section on theory, with μm = 2 × 0.05.",
    answer="""
    from cachesim import theory

    theory.undone_write_ratio(2, 0.05)
    """,
    because="μm = 0.1, and 1 - (1 - e^-0.1) / 0.1 = 4.8 %: about half of μm, as long as that is small.",
)

written_around = Exercise(
    judge=number(
        leased_shares(9, 0, 3600, 1).hit,
        mistakes={
            8 / 9: "That would be a miss for every write. Two writes in a row cost only one.",
            1.0: "Each write deletes the key, and the next read does not find it.",
            0.1: "That is the share that misses.",
        },
    ),
    clue="Look at the event before a read. When does the read hit?",
    answer="9 / (9 + 1)",
    because="A read hits if the event before it was a read as well, and 9 events in 10 are.",
)

_ROWS = [(version, f"row {version}") for version in range(1, 5)]


def _keeps_the_newest(keep: Any) -> str | None:
    if not callable(keep):
        return f"A function of two arguments is asked for, and this is a {type(keep).__name__}."
    for order in permutations(_ROWS):
        kept = reduce(keep, order, None)
        if kept != _ROWS[-1]:
            arrived = ", ".join(str(version) for version, _ in order)
            return f"When versions arrive in the order {arrived}, it keeps {kept!r} in the end."
    return None


newer = Exercise(
    judge=_keeps_the_newest,
    clue="Two cases keep what arrives: the cache holds nothing, or something of a lower version.",
    answer="""
    def keep(held, arriving):
        return arriving if held is None or arriving[0] > held[0] else held

    keep
    """,
    because="It ends with version 4 in all 24 orders. In Redis it must be one step: else two compare at once.",
)
