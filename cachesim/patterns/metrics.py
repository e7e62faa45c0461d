"""Metrics: what a cache tells its observer, counted for Prometheus.

A *series* is one combination of labels: the `entity` that is cached ("user", never its key, or there would be a series
for every user) and the `layer` that tells. Metrics are found in their registry by name, so whoever makes them again, a
notebook cell or a module reloaded, goes on counting where it was.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from cachesim.patterns.events import Asked, Event, Met

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Counter, Histogram

__all__ = ["Metrics"]

C = TypeVar("C", "Counter", "Histogram")

_LABELS = ("layer", "entity")
_COUNTERS = {
    "hit": ("cache_hits_total", "Reads served a fresh value at once"),
    "stale": ("cache_stale_serves_total", "Stale values served, at once or after a failed load"),
    "miss": ("cache_misses_total", "Reads that found nothing usable"),
    "join": ("cache_joins_total", "Misses that waited for a load under way"),
    "load": ("cache_loads_total", "Keys asked of the origin"),
    "early": ("cache_early_recomputes_total", "Loads begun while a fresh value was there"),
    "refresh": ("cache_refreshes_total", "Loads begun while a stale value was served"),
    "error": ("cache_errors_total", "Loads, and commands to the cache's server, that failed"),
}
_DURATION = ("cache_load_duration_seconds", "Seconds that the origin took to answer")
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """An observer that counts what caches of an `entity` do, by `layer`.

    `layer`: the label of a cache that has only one, such as "redis" or "process"; a cache of two says "l1" and "l2"
    itself. `registry`: where the series are; None for prometheus_client's own, which its endpoints show. Any number of
    `Metrics` share a registry, and those of the same entity and layer add up.

    | series | counts |
    |---|---|
    | `cache_hits_total` | reads served a fresh value at once |
    | `cache_misses_total` | reads that found nothing usable |
    | `cache_joins_total` | those of them that waited for a load under way |
    | `cache_stale_serves_total` | stale values served, at once or after a miss whose load has failed |
    | `cache_loads_total` | keys asked of the origin |
    | `cache_early_recomputes_total` | those of them asked for while a fresh value was there |
    | `cache_refreshes_total` | those of them asked for while a stale value was served |
    | `cache_errors_total` | loads, and commands to the cache's server, that failed |
    | `cache_load_duration_seconds` | histogram of the loads that succeeded, from 1 ms to 60 s |

    What adds up: each read is a hit, a miss, a stale serve at once or an early recompute that it waits for; should this
    fail while the value is still fresh, it is a hit as well. A key that stands twice in a batch is one read. In two
    layers, those who join in L1 are together one read of L2: all reads are the hits and joins of L1 and the reads of
    L2. Loads less the histogram's count are those that failed, were cancelled or are under way.

    Needs prometheus_client: raises `ModuleNotFoundError` without it, and `ValueError` where the registry has something
    else of one of these names. It passes over events that it does not count, so one function may call it and others.

    >>> import asyncio
    >>> from prometheus_client import CollectorRegistry
    >>> from cachesim.patterns import InProcess
    >>> registry = CollectorRegistry()
    >>> cache = InProcess(ttl=60, observe=Metrics("user", layer="process", registry=registry))
    >>> async def load():
    ...     return {"name": "Ada"}
    >>> for _ in range(3):
    ...     user = asyncio.run(cache.get_or_set("user:1", load))
    >>> registry.get_sample_value("cache_hits_total", {"layer": "process", "entity": "user"})
    2.0
    """

    kinds: frozenset[str] = frozenset(get_args(Met) + get_args(Asked))

    def __init__(self, entity: str, *, layer: str = "cache", registry: CollectorRegistry | None = None) -> None:
        try:
            import prometheus_client as prometheus
        except ModuleNotFoundError:
            raise ModuleNotFoundError(
                "Metrics needs prometheus_client, which comes with cachesim[http]: pip install 'cachesim[http]'"
            ) from None
        self.entity, self.layer = entity, layer
        self.registry = prometheus.REGISTRY if registry is None else registry
        self._counters = {
            kind: _find_or_make(prometheus.Counter, *described, self.registry) for kind, described in _COUNTERS.items()
        }
        self._durations = _find_or_make(prometheus.Histogram, *_DURATION, self.registry, buckets=_BUCKETS)
        self._layers: dict[str, dict[str, Callable[[], None]]] = {}

    def __call__(self, event: Event) -> None:
        layer = event.layer or self.layer
        count = self._layers.get(layer) or self._begin(layer)
        if event.kind in count:
            count[event.kind]()
        elif event.kind == "loaded":
            self._durations.labels(layer, self.entity).observe(event.seconds)

    def _begin(self, layer: str) -> dict[str, Callable[[], None]]:
        """All counters of a layer begin together, at 0: a rate needs to see the first error come."""
        count: dict[str, Callable[[], None]] = {
            kind: counter.labels(layer, self.entity).inc for kind, counter in self._counters.items()
        }
        self._layers[layer] = count
        return count


def _find_or_make(kind: type[C], name: str, documentation: str, registry: CollectorRegistry, **options: Any) -> C:
    """The collector of that name in the registry; found if it cannot be made, as another thread may be faster."""
    try:
        return kind(name, documentation, _LABELS, registry=registry, **options)
    except ValueError:
        found = registry._names_to_collectors.get(name)  # there is no public way to ask
        if not isinstance(found, kind) or found._labelnames != _LABELS:
            raise ValueError(
                f"{name} is in this registry already, as something else; give Metrics a registry of its own"
            ) from None
        return found
