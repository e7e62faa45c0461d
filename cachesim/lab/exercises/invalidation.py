"""The exercises of 09: invalidation across services."""

from __future__ import annotations

from math import exp
from typing import Any

from cachesim.lab.exercise import Exercise, number
from cachesim.lab.explorers.invalidation import Invalidation
from cachesim.scenario import Scenario
from cachesim.simulation import simulate
from cachesim.theory import stale_hit_ratio

__all__ = ["lifetime", "stale_hits", "told"]

stale_hits = Exercise(
    judge=number(
        stale_hit_ratio(0.1, 10),
        mistakes={
            1 - exp(-1): "That is how likely a copy is stale when it expires. Most hits find it younger.",
            0.5: "That is μT / 2, which is near only while μT is small.",
            1.0: "Some copies live their ten seconds without a write.",
        },
    ),
    clue="The formula of the section on theory, with μT = 1.",
    answer="""
    from cachesim import theory

    theory.stale_hit_ratio(0.1, 10)
    """,
    because="μT = 0.1 × 10 = 1, and 1 - (1 - e^-1) / 1 = e^-1 = 37 %.",
)

lifetime = Exercise(
    judge=number(
        1.0358,
        within=0.05,
        mistakes={
            0.5: "That gives half of it: the average age of a copy is T / 2.",
            10.0: "A copy as old as the time between two writes: more than a third of the hits are stale.",
        },
    ),
    clue="While μT is small, the share of stale hits is about μT / 2.",
    answer="2 * 0.05 / 0.1",
    because="μT / 2 = 0.05 gives T = 1 s. Exactly it is 1.04 s: a copy that is stale cannot become it again.",
)

_REQUESTS = 2_000


def _is_told(scenario: Any) -> str | None:
    if not isinstance(scenario, Scenario):
        return f"A scenario is asked for, and this is a {type(scenario).__name__}."
    (copies,) = Invalidation().scenarios(_REQUESTS).values()
    if scenario.replace(cache=copies.cache) != copies:
        return "Only the cache is yours to change: requests, nodes and lost messages stay as they are."
    metrics = simulate(scenario).metrics
    if metrics["staleness_max"] > 0.01:
        return f"A read is out of date by {metrics['staleness_max']:.3g} s."
    if not metrics["hit_ratio_l1"] >= 0.85:
        return f"Memory answers only {100 * metrics['hit_ratio_l1']:.3g} % of the reads."
    return None


told = Exercise(
    judge=_is_told,
    clue="Which of the two channels keeps what it was told, until it is read?",
    answer=f"""
    from cachesim.lab.explorers.invalidation import Invalidation

    (copies,) = Invalidation().scenarios({_REQUESTS:_}).values()
    copies.replace(**{{"cache.invalidation": "stream"}})
    """,
    because="A stream keeps its messages, and each node reads on from where it left. Two round trips later all know.",
)
