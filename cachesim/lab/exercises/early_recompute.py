"""The exercises of 05: early recompute."""

from __future__ import annotations

from math import exp, log
from typing import Any

from cachesim.lab.exercise import Exercise, number
from cachesim.scenario import Scenario
from cachesim.simulation import simulate

__all__ = ["alone_in_the_background", "due", "earliness"]

earliness = Exercise(
    judge=number(
        1 / log(1.5),
        within=0.02,
        mistakes={
            exp(1 / 1.5): "That is how many loads β = 1.5 costs. Here the loads are given, and β is asked for.",
            log(1.5): "You have 1/β there. Turn it over.",
            1.5: "1.5 is the number of loads. Which β makes e^(1/β) that number?",
        },
    ),
    clue="With heavy traffic an expiry costs e^(1/β) loads, whatever the rate. Solve for β.",
    answer="""
    from math import log

    1 / log(1.5)
    """,
    because="e^(1/β) = 1.5 gives β = 1 / ln 1.5 = 2.47. The price: more than 2.47 times the lifetime given up.",
)


_TTL, _DELTA, _BETA = 60.0, 0.5, 1.0
_DRAWS = [(place + 0.5) / 1000 for place in range(1000)]


def _is_xfetch(due: Any) -> str | None:
    if not callable(due):
        return f"A function is asked for, and this is a {type(due).__name__}."
    if not all(due(_TTL, _TTL, _DELTA, _BETA, u) for u in _DRAWS):
        return "At the expiry everybody must load anew, and here some do not."
    for left in (0.25, 0.5, 1.0, 2.0):
        share = sum(bool(due(_TTL - left, _TTL, _DELTA, _BETA, u)) for u in _DRAWS) / len(_DRAWS)
        expected = exp(-left / (_BETA * _DELTA))
        if share == 0:
            return f"With {left:g} s left nobody ever loads anew, where {100 * expected:.0f} % of the readers should."
        if abs(share - expected) > 0.005:
            return (
                f"With {left:g} s left {100 * share:.0f} % of the readers load anew, "
                f"where {100 * expected:.0f} % should: e^(-{left:g} / βδ)."
            )
    if any(due(0, _TTL, _DELTA, 0.0, u) for u in _DRAWS):
        return "With β = 0 nobody may be early."
    return None


due = Exercise(
    judge=_is_xfetch,
    clue="ln(u) is negative or 0. Less a negative number is more: the reader looks ahead in time.",
    answer="""
    from math import log

    lambda now, expiry, delta, beta, u: now - delta * beta * log(u) >= expiry
    """,
    because="-ln(u) is exponential with mean 1: a reader looks ahead by βδ on average, now and then by much more.",
)


def _is_alone_in_the_background(scenario: Any) -> str | None:
    if not isinstance(scenario, Scenario):
        return f"A scenario is asked for, and this is a {type(scenario).__name__}."
    if scenario.cache.pattern != "early-recompute":
        return f"The pattern is to stay early-recompute, and here it is {scenario.cache.pattern}."
    metrics = simulate(scenario).metrics
    if metrics["requests"] < 1000 or metrics["loads"] < 3:
        return "There must be something left to protect: keep the requests and the lifetime of `popular`."
    if metrics["largest_stampede"] > 1:
        return f"Up to {metrics['largest_stampede']:.0f} loads of the value are still under way together."
    if metrics["earlies"] > 0:
        return f"{metrics['earlies']:.0f} readers had a usable value and still waited for a load."
    return None


alone_in_the_background = Exercise(
    judge=_is_alone_in_the_background,
    clue="Two options of the pattern: one says who may load at the same time, the other whether the reader waits.",
    answer="""
    import cachesim as cs

    popular = cs.Scenario(
        arrivals=cs.arrivals.Poisson(rate=100),
        keys=cs.keys.OneKey(),
        cache=cs.Pattern("early-recompute", ttl=10, single_flight="none"),
        database=cs.Database(latency=cs.latency.Constant(0.5)),
    )
    popular.replace(**{"cache.single_flight": "process", "cache.background": True})
    """,
    because="One node, one load: single flight for those who draw together. In the background nobody waits for it.",
)
