"""The metrics of a run: a flat table of floats, by the names that expectations and sweeps use.

Times in seconds, ratios in 0..1, rates per second of measured time. A ratio without denominator is NaN.
"""

from __future__ import annotations

from math import ceil, fsum, inf, nan, sqrt

import numpy as np

from cachesim.world.recorder import LATENCY_EDGES, Outcome, Recorder

__all__ = ["METRICS", "measure"]

METRICS = (
    *("requests", "reads", "writes", "hits", "stale_hits", "delayed_hits", "misses", "earlies", "errors"),
    *("hit_ratio", "stale_ratio", "delayed_hit_ratio", "miss_ratio", "early_ratio", "error_ratio"),
    *("loads", "loads_miss", "loads_early", "loads_refresh", "queries", "load_rate", "load_episodes"),
    *("episode_size_mean", "stampedes", "largest_stampede", "redundant_loads", "peak_concurrent_loads"),
    *("database_utilization", "database_wait_mean"),
    *("latency_mean", "latency_p50", "latency_p95", "latency_p99", "latency_max"),
    *("stale_reads", "staleness_mean", "staleness_max"),
    *("redis_commands", "redis_round_trips", "bytes_sent", "bytes_saved", "not_modified"),
    *("hit_ratio_l1", "hit_ratio_l2"),
)
"""Every metric, in the order in which they are reported."""


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else nan


def measure(recorder: Recorder, *, connections: int | None, body_bytes: int) -> dict[str, float]:
    """The metrics of a finished run; `body_bytes`: the length of an answer's body, 0 where answers are not HTTP."""
    totals = recorder.totals
    counts = {outcome.name: totals.outcomes[outcome] for outcome in Outcome}
    requests, loads = sum(counts.values()), sum(totals.loads.values())
    reads = requests - counts["write"] - totals.failed_writes
    served = requests - counts["write"] - counts["error"]
    utilization = nan if connections is None else _ratio(totals.busy, connections * recorder.measured)
    utilization = float(np.minimum(utilization, 1.0))  # a sum of floats may pass it; NaN stays
    p50, p95, p99 = _percentiles(recorder, (0.50, 0.95, 0.99))
    found = {
        "requests": requests,
        "reads": reads,
        "writes": counts["write"],
        "hits": counts["hit"],
        "stale_hits": counts["stale_hit"],
        "delayed_hits": counts["delayed_hit"],
        "misses": counts["miss"],
        "earlies": counts["early"],
        "errors": counts["error"],
        "hit_ratio": _ratio(counts["hit"] + counts["stale_hit"], reads),
        "stale_ratio": _ratio(counts["stale_hit"], reads),
        "delayed_hit_ratio": _ratio(counts["delayed_hit"], reads),
        "miss_ratio": _ratio(counts["miss"], reads),
        "early_ratio": _ratio(counts["early"], reads),
        "error_ratio": _ratio(counts["error"], requests),
        "loads": loads,
        **{f"loads_{cause}": number for cause, number in totals.loads.items()},
        "queries": totals.queries,
        "load_rate": _ratio(loads, recorder.measured),
        "load_episodes": totals.episodes,
        "episode_size_mean": _ratio(loads, totals.episodes),
        "stampedes": totals.stampedes,
        "largest_stampede": totals.largest_episode,
        "redundant_loads": loads - totals.episodes,
        "peak_concurrent_loads": totals.peak_loads_in_flight,
        "database_utilization": utilization,
        "database_wait_mean": _ratio(totals.query_waits, totals.services),
        "latency_mean": _ratio(fsum(totals.latency_sums), requests),
        "latency_p50": p50,
        "latency_p95": p95,
        "latency_p99": p99,
        "latency_max": totals.latency_max,
        "stale_reads": totals.stale_reads,
        "staleness_mean": _ratio(fsum(totals.staleness_sums), totals.judged_reads),
        "staleness_max": totals.staleness_max,
        "redis_commands": totals.redis_commands,
        "redis_round_trips": totals.redis_round_trips,
        "bytes_sent": body_bytes * (served - totals.not_modified),
        "bytes_saved": body_bytes * totals.not_modified,
        "not_modified": totals.not_modified,
        "hit_ratio_l1": _ratio(totals.layer_hits["l1"], totals.layer_requests["l1"]),
        "hit_ratio_l2": _ratio(totals.layer_hits["l2"], totals.layer_requests["l2"]),
    }
    return {name: float(found[name]) for name in METRICS}


def _percentiles(recorder: Recorder, shares: tuple[float, ...]) -> list[float]:
    """Nearest rank: exact with tables, else the middle of a 1 % wide bin of the histogram."""
    latencies = recorder.request_columns()["latency"]
    if len(latencies):
        ranks = [ceil(share * len(latencies)) - 1 for share in shares]
        partitioned = np.partition(latencies, ranks)
        return [float(partitioned[rank]) for rank in ranks]
    cumulative = recorder.totals.latency_counts.cumsum()
    if cumulative[-1] == 0:
        return [nan] * len(shares)
    edges = [0.0, *LATENCY_EDGES.tolist(), inf]
    found = []
    for share in shares:
        bin = int(cumulative.searchsorted(ceil(share * int(cumulative[-1]))))
        found.append(min(sqrt(edges[bin] * edges[bin + 1]), recorder.totals.latency_max))
    return found
