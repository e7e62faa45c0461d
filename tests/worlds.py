"""Small scenarios of every kind, for hypothesis: each arrival process, key stream, cache, latency and fault."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

import cachesim as cs
from cachesim import arrivals, faults, keys, latency
from cachesim.world.caches import CACHES

DURATION = 4.0

rates = st.sampled_from([2.0, 15.0, 40.0])
moments = st.sampled_from([0.0, 0.7, 1.5, 3.0])
spans = st.sampled_from([0.3, 1.0, 2.5])
windows = {"start": moments, "duration": st.none() | spans}
shares = st.sampled_from([0.0, 0.1, 0.5, 1.0])


def latencies(mean: float) -> st.SearchStrategy[latency.Latency]:
    return st.sampled_from(
        [
            latency.Constant(0.0),
            latency.Constant(mean),
            latency.Exponential(mean),
            latency.Erlang(mean, k=3),
            latency.LogNormal(mean, cv=1.5),
            latency.Uniform(0.0, high=2 * mean),
            latency.Empirical([mean / 2, mean, 4 * mean]),
        ]
    )


def _arrivals() -> st.SearchStrategy[Any]:
    return st.one_of(
        st.builds(arrivals.Poisson, rate=rates),
        st.builds(arrivals.Constant, rate=rates),
        st.builds(arrivals.Bursty, low=st.sampled_from([0.0, 1.0]), high=rates, mean_low=spans, mean_high=spans),
        st.just(arrivals.Diurnal(mean=20, peak=35, period=2)),
        st.builds(
            arrivals.FlashCrowd, base=st.just(2.0), peak=st.sampled_from([30.0, 60.0]), at=moments, duration=spans
        ),
        st.builds(arrivals.ClosedLoop, users=st.integers(1, 6), think=latencies(0.3).filter(lambda t: t.mean > 0)),
    )


def _keys() -> st.SearchStrategy[Any]:
    return st.sampled_from(
        [
            keys.OneKey(),
            keys.Uniform(n=5),
            keys.Zipf(n=20, alpha=0.9),
            keys.HotSet(n=10, hot=1, share=0.8),
            keys.Scan(n=4),
            keys.Drift(n=6, alpha=1.0, every=5),
        ]
    )


def caches(*names: str) -> st.SearchStrategy[cs.Pattern]:
    """A cache of one of these names, else of any, with its lifetimes, single flight and what it does about errors."""
    return st.sampled_from(names or sorted(CACHES)).flatmap(_pattern)


def _pattern(name: str) -> st.SearchStrategy[cs.Pattern]:
    fields = CACHES[name].options_type.model_fields
    lifetimes = {f: st.sampled_from([0.4, 1.3]) for f in ("ttl", "fresh_for", "stale_for", "l1_ttl") if f in fields}
    flights = ["none", "process"] + ["cluster"] * ("namespace" in fields)
    may: dict[str, st.SearchStrategy[Any]] = {
        "single_flight": st.sampled_from(flights),
        "stale_if_error": st.just(1.0),
        "load_timeout": st.just(0.5),
        "jitter": st.just(0.2),
        "background": st.booleans(),
        "invalidation": st.sampled_from(["none", "pubsub", "stream"]),
        "size": st.just(3),
    }
    optional = {name: options for name, options in may.items() if name in fields}
    return st.fixed_dictionaries(lifetimes, optional=optional).map(lambda options: cs.Pattern(name, **options))


databases = (
    st.builds(
        cs.Database,
        latency=latencies(0.15),
        connections=st.sampled_from([None, 1, 3]),
        on_cancel=st.sampled_from(["finish", "withdraw"]),
        errors=st.sampled_from([0.0, 0.2]),
    )
    | st.builds(
        cs.Database, latency=latencies(0.15), connections=st.sampled_from([None, 3]), processor_sharing=st.just(True)
    )
    | st.builds(cs.Database, latency=latencies(0.15), slowdown=st.just(0.3))
)

redises = st.builds(
    cs.Redis,
    round_trip=st.sampled_from([0.0, 0.01]) | latencies(0.01),
    timeout=st.sampled_from([None, 0.2]),
    max_keys=st.sampled_from([None, 2]),
    policy=st.sampled_from(["lru", "lfu", "random"]),
)

clients = st.builds(
    cs.Clients,
    timeout=st.sampled_from([None, 0.2, 1.0]),
    retries=st.sampled_from([0, 1, 3]),
    backoff=st.sampled_from([0.0, 0.1]) | latencies(0.1),
    disconnect=st.sampled_from(["cancel", "ignore"]),
    n=st.sampled_from([None, 3]),
    validators=st.booleans(),
)

troubles = st.one_of(
    st.builds(faults.RedisDown, mode=st.sampled_from(["refuse", "hang"]), **windows),
    st.builds(faults.RedisSlow, added=st.just(0.1) | latencies(0.1), **windows),
    st.builds(faults.DatabaseSlow, factor=st.sampled_from([1.0, 5.0]), **windows),
    st.builds(faults.DatabaseDown, **windows),
    st.builds(faults.DatabaseErrors, share=shares, **windows),
    st.builds(faults.MessageLoss, share=shares, **windows),
    st.builds(faults.NodePause, **windows),
    st.builds(faults.Flush, at=moments),
    st.builds(faults.Deploy, at=moments, every=st.sampled_from([0.0, 0.5])),
)


def scenarios(**chosen: st.SearchStrategy[Any]) -> st.SearchStrategy[cs.Scenario]:
    """Scenarios of a few dozen requests; `chosen` fields in the place of any."""
    fields: dict[str, st.SearchStrategy[Any]] = {
        "arrivals": _arrivals(),
        "keys": _keys(),
        "cache": caches(),
        "database": databases,
        "redis": redises,
        "clients": clients,
        "writes": st.sampled_from([0.0, 0.2, cs.Writes(share=0.1, behind=0.3)]),
        "batch": st.sampled_from([1, 1, 3]),
        "nodes": st.sampled_from([1, 3]),
        "balance": st.sampled_from(["random", "round-robin", "key"]),
        "faults": st.lists(troubles, max_size=3),
        "warmup": st.sampled_from([0.0, 1.0]),
        "duration": st.just(DURATION),
        "seed": st.integers(0, 2**32),
    }
    return st.builds(cs.Scenario, **(fields | chosen))
