"""The exercises of 11: eviction and hit-rate curves."""

from __future__ import annotations

from typing import Any

from cachetools import Cache

from cachesim.curves.measuring import hit_rate_curve
from cachesim.lab.demonstrations.streams import nightly_job, zipf_stream
from cachesim.lab.exercise import Exercise, number

__all__ = ["keeps_its_users", "round_and_round", "size_for_80_percent"]

round_and_round = Exercise(
    judge=number(
        0,
        mistakes={
            0.9: "That would be so if chance asked. Here each row comes again after all the others.",
            0.1: "Not even that. Which row does LRU evict, and which one is asked next?",
        },
    ),
    clue="When row 901 comes, the cache is full. Which row goes, and when is that one asked for again?",
    answer="0",
    because="LRU evicts row 1 for row 901, and so on: each row goes just before it is asked for again. Not one hit.",
)


def _is_size_for_80_percent(answer: Any) -> str | None:
    size = hit_rate_curve(zipf_stream(1000, 0.9, 50_000)).size_for(0.8)
    assert size is not None
    mistakes: dict[float, str] = {
        800: "80 % of the keys is not 80 % of the requests: popular keys are asked for more often."
    }
    return number(size, within=0.0, mistakes=mistakes)(answer)


size_for_80_percent = Exercise(
    judge=_is_size_for_80_percent,
    clue="A curve of LRU has every size. It has a method that turns the question round: `size_for`.",
    answer="""
    import cachesim as cs
    from cachesim.lab.demonstrations.streams import zipf_stream

    cs.hit_rate_curve(zipf_stream(1000, 0.9, 50_000)).size_for(0.8)
    """,
    because="The cold start is in it, as it would be in your log: the first request of each key can never hit.",
)


def _keeps_its_users(cache: Any) -> str | None:
    if not isinstance(cache, Cache):
        return f"A cache is asked for, such as policies.Lru(100), and this is a {type(cache).__name__}."
    if cache.maxsize > 100:
        return f"The cache may hold 100 entries, and this one holds {cache.maxsize:,.0f}."
    if len(cache):
        return "This cache has been used already: make a new one in this cell."
    job = nightly_job()
    during = job.hit_ratio(cache).loc[job.begins + 1 : job.ends].mean()
    return None if during >= 0.5 else f"During the job {100 * during:.0f} % of the users' requests hit."


keeps_its_users = Exercise(
    judge=_keeps_its_users,
    clue="The job's keys are asked for once. Which policies let a new key go before it has taken the place of others?",
    answer="""
    from cachesim import policies

    policies.Sieve(100)
    """,
    because="SIEVE's hand takes new keys that nobody asked for again, and passes by the popular ones.",
)
