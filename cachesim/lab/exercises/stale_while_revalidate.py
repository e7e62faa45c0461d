"""The exercises of 08: who waits in spite of it, how old a value gets, and what lifetimes to choose."""

from __future__ import annotations

from math import exp
from typing import Any

from cachesim.lab.exercise import Exercise, number
from cachesim.scenario import Scenario
from cachesim.simulation import simulate
from cachesim.theory import staleness_bound
from cachesim.world.writes import Writes

__all__ = ["lifetimes", "oldest", "rarely"]

oldest = Exercise(
    judge=number(
        staleness_bound(60 + 300, 2),
        within=1e-9,
        mistakes={
            360: "Nearly. When did the load read the row, and when was the value stored?",
            60: "That is as long as it is fresh. It is served after that, too.",
            300: "Before it was stale it was fresh.",
        },
    ),
    clue="Somebody may ask at the very end of the stale time. How long ago did the load that filled it read the row?",
    answer="60 + 300 + 2",
    because="The load reads the row at its start: 2 s of loading, 60 s of being fresh, 300 s of being stale.",
)

rarely = Exercise(
    judge=number(
        exp(-0.5 / 10),
        mistakes={
            1 - exp(-0.5 / 10): "That many find it stale. The others find nothing.",
            exp(-0.5 * 10): "The rate is 1/10 a minute, not 10.",
        },
    ),
    clue="The next request comes an exponential time of mean 10 minutes after the fresh time. Does it come in time?",
    answer="""
    from math import exp
    exp(-0.5 / 10)
    """,
    because="Nobody asks within S = 0.5 min with probability e^(-λS) = e^(-0.05): nearly every time somebody waits.",
)


def _is_fast_and_fresh(scenario: Any) -> str | None:
    if not isinstance(scenario, Scenario):
        return f"A scenario is asked for, and this is a {type(scenario).__name__}."
    if scenario.database.latency.mean < 0.5 or scenario.arrivals.expected(1) != 20 or scenario.warmup > 10:
        return "Requests, database and warm-up stay as they are in `article`; change its cache."
    if not isinstance(scenario.writes, Writes):
        return "The article is edited behind the cache's back: keep the writes of `article`."
    metrics = simulate(scenario.replace(duration=120)).metrics
    if metrics["latency_max"] > 0:
        return f"Somebody still waits, for {metrics['latency_max']:.2g} s."
    if metrics["staleness_max"] > 3:
        return f"What is served is still up to {metrics['staleness_max']:.3g} s behind."
    if metrics["load_rate"] > 1:
        return f"That makes {metrics['load_rate']:.2g} loads a second; one is all the database has for it."
    return None


lifetimes = Exercise(
    judge=_is_fast_and_fresh,
    clue="A hot key is refreshed as soon as it is stale, so its age is F and two loads. S must outlast a load.",
    answer="""
    import cachesim as cs

    article = cs.Scenario(
        arrivals=cs.arrivals.Poisson(rate=20),
        keys=cs.keys.OneKey(),
        cache=cs.Pattern("stale-while-revalidate", fresh_for=10, stale_for=5),
        database=cs.Database(latency=cs.latency.Constant(0.5)),
        writes=cs.Writes(behind=0.5),
        duration=120,
        warmup=5,
    )
    article.replace(**{"cache.fresh_for": 1.5, "cache.stale_for": 2})
    """,
    because="Fresh for 1.5 s, and refreshed half a second after the next request: under 3 s in all, and no waits.",
)
