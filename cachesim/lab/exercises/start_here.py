"""The exercises of 00: one hot key expires."""

from __future__ import annotations

from typing import Any

from cachesim.lab.exercise import Exercise, number
from cachesim.scenario import Scenario
from cachesim.simulation import simulate
from cachesim.theory import stampede_size

__all__ = ["loads_per_expiry", "protected", "waiting"]

loads_per_expiry = Exercise(
    judge=number(stampede_size(40, 0.3), mistakes={40 * 0.3: "That is λD. Who started the first load?"}),
    clue="Count those who arrive while the first load lasts, and do not forget the one who started it.",
    answer="1 + 40 * 0.3",
    because="λD = 12 requests arrive during the first load, and that load itself is one more: 1 + λD = 13.",
)

waiting = Exercise(
    judge=number(40 * 0.3, mistakes={13: "One of these 13 does not wait for somebody else's load: it starts it."}),
    clue="Single flight does not change who arrives. It changes what they do.",
    answer="40 * 0.3",
    because="The same λD = 12 requests arrive while the load lasts; now they wait for it. They are its delayed hits.",
)


def _is_protected(scenario: Any) -> str | None:
    if not isinstance(scenario, Scenario):
        return f"A scenario is asked for, and this is a {type(scenario).__name__}."
    metrics = simulate(scenario).metrics
    if metrics["loads"] == 0 or metrics["requests"] < 1000:
        return "There must be something left to protect: keep the requests of `storm`."
    if metrics["largest_stampede"] > 1:
        return f"The largest stampede still has {metrics['largest_stampede']:.0f} loads."
    return None


protected = Exercise(
    judge=_is_protected,
    clue="`cache-aside` keeps single flight in each process unless told otherwise.",
    answer="""
    import cachesim as cs

    storm = cs.Scenario(
        arrivals=cs.arrivals.Poisson(rate=100),
        keys=cs.keys.OneKey(),
        cache=cs.Pattern("pitfall:cache-aside", ttl=10),
        database=cs.Database(latency=cs.latency.Constant(0.5)),
    )
    storm.replace(cache=cs.Pattern("cache-aside", ttl=10))
    """,
    because='The option single_flight="process" is the default of every pattern: one load per key and process.',
)
