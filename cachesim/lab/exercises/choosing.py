"""The exercises of 12: storms that heal, caches that hide, and a choice under a fault."""

from __future__ import annotations

from typing import Any

from cachesim.formatting import format_of, shown
from cachesim.lab.exercise import Exercise, number
from cachesim.scenario import Pattern, Scenario
from cachesim.simulation import simulate
from cachesim.theory import healing_request_rate, look_aside_query_rate
from cachesim.world import arrivals, faults, keys, latency
from cachesim.world.clients import Clients
from cachesim.world.database import Database
from cachesim.world.redis import Redis

__all__ = ["healing", "let_through", "survives", "trial"]

healing = Exercise(
    judge=number(
        healing_request_rate(400, 3),
        mistakes={
            400: "That is what the database can do. How often does each request ask it while it is stuck?",
            400 / 3: "Three retries are four attempts.",
        },
    ),
    clue="While every attempt times out, each request is 1 + r queries. These must be fewer than the database can do.",
    answer="400 / (1 + 3)",
    because="C / (1 + r) = 100 requests/s. Above that the database needs somebody to turn requests away.",
)

let_through = Exercise(
    judge=number(
        look_aside_query_rate(1000, 2000, 20),
        mistakes={
            1000: "That is what reaches the database when the cache is lost.",
            2000 / 20: "Almost: a key is not loaded again at its expiry, but when it is next asked for, 1/λ later.",
            1000 * (1 - 1 / 11): "Those are the hits. The database sees the misses.",
        },
    ),
    clue="Each key is asked for every two seconds on average. How often is it loaded?",
    answer="1000 / (1 + 1000 * 20 / 2000)",
    because="Each of 2,000 keys is loaded once in 20 + 2 s: 91 queries/s, where 1,000/s come when the cache is lost. A "
    "database sized for 91 is eleven times too small on that day.",
)

trial = Scenario(
    title="The shop in an outage",
    arrivals=arrivals.Poisson(rate=60),
    keys=keys.Zipf(n=1000, alpha=0.9),
    cache=Pattern("cache-aside", ttl=30),
    database=Database(latency=latency.LogNormal(0.05, cv=0.5), connections=4),
    redis=Redis(round_trip=0.001),
    clients=Clients(timeout=1, retries=1),
    faults=[faults.DatabaseDown(start=90, duration=5)],
    writes=0.02,
    nodes=3,
    warmup=60,
    duration=150,
    expect={
        "error_ratio": "<= 0.01",
        "latency_p99": "<= 0.15",
        "load_rate": "<= 5",
        "staleness_max": "<= 5",
    },
)
"""The database stands still for five seconds, and clients lose patience after one."""

_WHY = {
    "error_ratio": " Whatever has to be loaded during the outage fails: let there be less of it.",
    "staleness_max": " In the outage clients give up on writes that the database has taken all the same, and then "
    "nobody deletes the old value.",
}
"""What to think of where a goal is missed."""


def _meets_the_goals(cache: Any) -> str | None:
    if not isinstance(cache, Pattern):
        return f"A pattern is asked for, such as `cs.Pattern('cache-aside', ttl=30)`; this is a {type(cache).__name__}."
    metrics = simulate(trial.replace(cache=cache)).metrics
    for goal in trial.expectations:
        if not goal.met(metrics[goal.metric]):
            told, why = shown(format_of(goal.metric), metrics[goal.metric]), _WHY.get(goal.metric, "")
            return f"{goal.metric} is {told}, and should be {goal.comparison} {goal.bound:g}.{why}"
    return None


survives = Exercise(
    judge=_meets_the_goals,
    clue="A longer lifetime leaves less to load. Then look at the writes: which pattern sees a write through to its "
    "end, even if the client has gone?",
    answer="""
    import cachesim as cs

    cs.Pattern("write-through", ttl=600)
    """,
    because="With ten minutes of life little has to be loaded in any five seconds. And write-through carries a write "
    "to the cache even if its client has left, where cache-aside is cut off between the database and the delete, and "
    "serves the old value until it expires.",
)
