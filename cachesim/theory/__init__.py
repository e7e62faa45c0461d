"""Closed forms that a simulation can be held against; each says its assumptions and its source.

Symbols: `rate` is the arrival rate lambda in requests/s, `load_time` the time D of a load and `ttl` the lifetime T in
seconds, counted from the fill and not renewed by reads. Arrivals are Poisson throughout, all other times are constant
and Redis answers at once, unless a function says otherwise. A formula is exact unless it says that it is approximate.

One module a subject: `stampedes`, `ttl_caches`, `early_recompute`, `delayed_hits`, `eviction`, `queues`,
`metastable`.
"""

from __future__ import annotations

from cachesim.theory.delayed_hits import waiting_per_miss, waiting_per_miss_variance
from cachesim.theory.early_recompute import (
    early_recompute_cycle,
    early_recompute_probability,
    early_recompute_stampede_size,
    early_recompute_time_given_up,
    no_early_recompute_probability,
    no_logarithm_lateness,
    no_logarithm_stampede_size,
)
from cachesim.theory.eviction import che_fifo_hit_ratio, che_lru_hit_ratio, fifo_hit_ratio, king_lru_hit_ratio
from cachesim.theory.metastable import (
    flight_time,
    healing_request_rate,
    look_aside_query_rate,
    refill_time,
    stuck_query_rate,
)
from cachesim.theory.queues import erlang_c_wait, littles_law, pollaczek_khinchine_wait
from cachesim.theory.stampedes import (
    exponential_stampede_size,
    group_loads_in_flight,
    group_stampede_size,
    jittered_loads_in_flight,
    processor_sharing_stampede_size,
    stampede_size,
    stampede_size_of,
    stampede_variance,
)
from cachesim.theory.ttl_caches import (
    LayeredHitRatios,
    Shares,
    TtlCache,
    capped_layered_hit_ratios,
    layered_hit_ratios,
    renewed_ttl_hit_ratio,
    single_flight_shares,
    single_flight_wait,
    stale_fill_ratio,
    stale_hit_ratio,
    staleness_bound,
    ttl_cache,
    ttl_hit_ratio,
    unprotected_cycle,
    unprotected_miss_ratio,
)

__all__ = [
    "LayeredHitRatios",
    "Shares",
    "TtlCache",
    "capped_layered_hit_ratios",
    "che_fifo_hit_ratio",
    "che_lru_hit_ratio",
    "early_recompute_cycle",
    "early_recompute_probability",
    "early_recompute_stampede_size",
    "early_recompute_time_given_up",
    "erlang_c_wait",
    "exponential_stampede_size",
    "fifo_hit_ratio",
    "flight_time",
    "group_loads_in_flight",
    "group_stampede_size",
    "healing_request_rate",
    "jittered_loads_in_flight",
    "king_lru_hit_ratio",
    "layered_hit_ratios",
    "littles_law",
    "look_aside_query_rate",
    "no_early_recompute_probability",
    "no_logarithm_lateness",
    "no_logarithm_stampede_size",
    "pollaczek_khinchine_wait",
    "processor_sharing_stampede_size",
    "refill_time",
    "renewed_ttl_hit_ratio",
    "single_flight_shares",
    "single_flight_wait",
    "stale_fill_ratio",
    "stale_hit_ratio",
    "staleness_bound",
    "stampede_size",
    "stampede_size_of",
    "stampede_variance",
    "stuck_query_rate",
    "ttl_cache",
    "ttl_hit_ratio",
    "unprotected_cycle",
    "unprotected_miss_ratio",
    "waiting_per_miss",
    "waiting_per_miss_variance",
]
