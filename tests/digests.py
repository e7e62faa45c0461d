"""Prints the digests of a few small scenarios as JSON: `python -m tests.digests`."""

from __future__ import annotations

import sys
from typing import Any

import orjson

import cachesim as cs
from cachesim.world.caches import CACHES


def scenarios() -> dict[str, cs.Scenario]:
    """Scenarios that between them draw on every source of chance, and have ties to break."""
    zipf = cs.Scenario(
        arrivals=cs.arrivals.Poisson(rate=400),
        keys=cs.keys.Zipf(n=500, alpha=0.9),
        cache=cs.Pattern("cache-aside", ttl=2, jitter=0.5),
        database=cs.Database(latency=cs.latency.LogNormal(0.05, cv=2), connections=4),
        redis=cs.Redis(round_trip=cs.latency.Erlang(0.001, k=3)),
        writes=0.05,
        nodes=3,
        duration=10,
    )
    ties = zipf.replace(
        arrivals=cs.arrivals.Constant(rate=100),
        keys=cs.keys.OneKey(),
        database=cs.Database(latency=cs.latency.Constant(0.5), on_cancel="withdraw"),
        redis=cs.Redis(),
        balance="round-robin",
        cache=cs.Pattern("cache-aside", ttl=1, single_flight="none", load_timeout=0.5),
    )
    in_process = zipf.replace(
        cache=cs.Pattern("in-process", ttl=2, size=50, policy="random", stale_if_error=1, load_timeout=0.1),
        balance="key",
    )
    return {"zipf": zipf, "ties": ties, "in-process": in_process, **each_cache(zipf.replace(duration=1, batch=2))}


def each_cache(scenario: cs.Scenario) -> dict[str, cs.Scenario]:
    """The scenario with each cache that has a name; with single flight in the cluster where there is one."""
    found = {}
    for name, kind in CACHES.items():
        fields = kind.options_type.model_fields
        options: dict[str, Any] = {key: 1.0 for key in ("ttl", "fresh_for", "stale_for", "l1_ttl") if key in fields}
        if "namespace" in fields:
            options["single_flight"] = "cluster"
        found[f"each: {name}"] = scenario.replace(cache=cs.Pattern(name, **options))
    return found


def digests() -> dict[str, str]:
    """The digest of each scenario."""
    return {name: cs.simulate(scenario).digest for name, scenario in scenarios().items()}


if __name__ == "__main__":
    sys.stdout.write(orjson.dumps(digests()).decode())
