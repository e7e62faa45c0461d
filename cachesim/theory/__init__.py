"""Closed forms that a simulation can be held against; each says its assumptions and its source.

Symbols: `rate` is the arrival rate lambda in requests/s, `load_time` the time D of a load and `ttl` the lifetime T in
seconds, counted from the fill and not renewed by reads. Arrivals are Poisson throughout, all other times are constant
and Redis answers at once, unless a function says otherwise. A formula is exact unless it says that it is approximate.

One module a subject: `batches`, `conditional_requests`, `stampedes`, `ttl_caches`, `cycles`, `cache_aside`,
`early_recompute`, `revalidation`, `write_through`, `invalidation`, `delayed_hits`, `eviction`, `queues`,
`metastable`.
"""

from __future__ import annotations

from cachesim.theory.batches import (
    Moments,
    batch_latency,
    gathered_latency,
    miss_distribution,
    one_by_one_latency,
    over_misses,
)
from cachesim.theory.cache_aside import (
    late_fill_shares,
    late_fill_stale_ratio,
    late_fill_stale_variance,
    leased_load_variance,
    leased_shares,
    leased_variance,
)
from cachesim.theory.conditional_requests import not_modified_error, not_modified_ratio
from cachesim.theory.cycles import (
    single_flight_share_errors,
    single_flight_wait_error,
    unprotected_miss_ratio_error,
)
from cachesim.theory.delayed_hits import waiting_per_miss, waiting_per_miss_variance
from cachesim.theory.early_recompute import (
    early_recompute_cycle,
    early_recompute_probability,
    early_recompute_stampede_size,
    early_recompute_stampede_variance,
    early_recompute_start_rate,
    early_recompute_time_given_up,
    early_recompute_time_given_up_variance,
    no_early_recompute_probability,
    no_logarithm_lateness,
    no_logarithm_stampede_size,
)
from cachesim.theory.eviction import che_fifo_hit_ratio, che_lru_hit_ratio, fifo_hit_ratio, king_lru_hit_ratio
from cachesim.theory.invalidation import CopyTimes, copy_times, stale_read_ratio
from cachesim.theory.metastable import (
    flight_time,
    healing_request_rate,
    look_aside_query_rate,
    outage_backlog,
    refill_time,
    storm_probability,
    stuck_query_rate,
)
from cachesim.theory.queues import erlang_c_wait, littles_law, pollaczek_khinchine_wait
from cachesim.theory.revalidation import (
    RevalidationShares,
    revalidation_share_errors,
    revalidation_shares,
    revalidation_wait,
)
from cachesim.theory.stampedes import (
    exponential_stampede_size,
    group_loads_in_flight,
    group_stampede_size,
    jittered_loads_in_flight,
    loads_in_flight_after_flush,
    processor_sharing_stampede_size,
    single_flight_stampede_size,
    single_flight_stampede_variance,
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
from cachesim.theory.write_through import (
    ordered_behind_ratio,
    overtaken_write_ratio,
    undone_write_ratio,
    unordered_behind_ratio,
    write_through_hit_ratio,
)

__all__ = [
    "CopyTimes",
    "LayeredHitRatios",
    "Moments",
    "RevalidationShares",
    "Shares",
    "TtlCache",
    "batch_latency",
    "capped_layered_hit_ratios",
    "che_fifo_hit_ratio",
    "che_lru_hit_ratio",
    "copy_times",
    "early_recompute_cycle",
    "early_recompute_probability",
    "early_recompute_stampede_size",
    "early_recompute_stampede_variance",
    "early_recompute_start_rate",
    "early_recompute_time_given_up",
    "early_recompute_time_given_up_variance",
    "erlang_c_wait",
    "exponential_stampede_size",
    "fifo_hit_ratio",
    "flight_time",
    "gathered_latency",
    "group_loads_in_flight",
    "group_stampede_size",
    "healing_request_rate",
    "jittered_loads_in_flight",
    "king_lru_hit_ratio",
    "late_fill_shares",
    "late_fill_stale_ratio",
    "late_fill_stale_variance",
    "layered_hit_ratios",
    "leased_load_variance",
    "leased_shares",
    "leased_variance",
    "littles_law",
    "loads_in_flight_after_flush",
    "look_aside_query_rate",
    "miss_distribution",
    "no_early_recompute_probability",
    "no_logarithm_lateness",
    "no_logarithm_stampede_size",
    "not_modified_error",
    "not_modified_ratio",
    "one_by_one_latency",
    "ordered_behind_ratio",
    "outage_backlog",
    "over_misses",
    "overtaken_write_ratio",
    "pollaczek_khinchine_wait",
    "processor_sharing_stampede_size",
    "refill_time",
    "renewed_ttl_hit_ratio",
    "revalidation_share_errors",
    "revalidation_shares",
    "revalidation_wait",
    "single_flight_share_errors",
    "single_flight_shares",
    "single_flight_stampede_size",
    "single_flight_stampede_variance",
    "single_flight_wait",
    "single_flight_wait_error",
    "stale_fill_ratio",
    "stale_hit_ratio",
    "stale_read_ratio",
    "staleness_bound",
    "stampede_size",
    "stampede_size_of",
    "stampede_variance",
    "storm_probability",
    "stuck_query_rate",
    "ttl_cache",
    "ttl_hit_ratio",
    "undone_write_ratio",
    "unordered_behind_ratio",
    "unprotected_cycle",
    "unprotected_miss_ratio",
    "unprotected_miss_ratio_error",
    "waiting_per_miss",
    "waiting_per_miss_variance",
    "write_through_hit_ratio",
]
