"""The exercises of 10: two layers, and what to monitor."""

from __future__ import annotations

from typing import Any

from cachesim.lab.exercise import Exercise, number
from cachesim.lab.explorers.layers import TARGETS
from cachesim.scenario import Scenario
from cachesim.simulation import simulate

__all__ = ["both_targets", "loads_grow", "overall"]

overall = Exercise(
    judge=number(
        1 - 0.1 * 0.2,
        within=0.001,
        mistakes={
            0.85: "That is the mean of the two. Redis is asked only what memory has missed.",
            0.72: "That is the share that hits in both. One is enough.",
            98: "That is right in percent; give the ratio, between 0 and 1.",
        },
    ),
    clue="Of 100 requests, how many get past memory? How many of these get past Redis?",
    answer="1 - (1 - 0.9) * (1 - 0.8)",
    because="Of 100 requests 10 get past memory, and a fifth of these, 2, past Redis: the miss ratios multiply.",
)

loads_grow = Exercise(
    judge=number(
        2.0,
        mistakes={
            0.98 / 0.99: "That is how the hits change. The database sees the misses.",
            0.01: "That is the difference. By what factor do the misses grow?",
            1.01: "The database sees the misses, and nothing else.",
        },
    ),
    clue="The database does not see a hit. What share of the requests does it see before and after?",
    answer="(1 - 0.98) / (1 - 0.99)",
    because="From 1 % to 2 % of the requests: twice as many loads, while the line on the dashboard falls by one point.",
)


def _meets_both_targets(scenario: Any) -> str | None:
    if not isinstance(scenario, Scenario):
        return f"A scenario is asked for, and this is a {type(scenario).__name__}."
    if scenario.arrivals.expected(100) < 1000 or scenario.nodes < 2 or scenario.cache.pattern != "layered":
        return "Keep the requests, the nodes and the pattern of `pair`, and change lifetimes alone."
    if scenario.cache.options["ttl"] > 10:
        return "The value must not be older than 10 s when it is served: ttl=10 at most."
    if not scenario.cache.options.get("l1_cap", True):
        return "Without the cap the lifetimes add up, and the value is older than 10 s."
    metrics = simulate(scenario).metrics
    for name, metric, target in zip(TARGETS, ("hit_ratio_l1", "hit_ratio_l2"), TARGETS.values(), strict=True):
        if metrics[metric] < target:
            return f"{100 * metrics[metric]:.1f} % hit {name}, and the target is {100 * target:.0f} %."
    return None


both_targets = Exercise(
    judge=_meets_both_targets,
    clue="Memory needs λT1 / (1 + λT1) of 0.9, so λT1 of 9 at least. Redis needs to be asked five times in its 10 s.",
    answer="""
    import cachesim as cs

    pair = cs.Scenario(
        arrivals=cs.arrivals.Poisson(rate=10),
        keys=cs.keys.OneKey(),
        cache=cs.Pattern("layered", ttl=10, l1_ttl=10, invalidation="none"),
        database=cs.Database(latency=cs.latency.Constant(0.02)),
        nodes=2,
        duration=600,
    )
    pair.replace(**{"cache.l1_ttl": 2.5})
    """,
    because="With T1 = 2.5 s each process asks Redis about every 2.7 s: often enough for Redis to have something to "
    "hit, seldom enough for memory. The loads are the same as before, one in 10 s.",
)
