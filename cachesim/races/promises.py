"""What each pattern promises: the invariants that it names, for its options and for one process or several."""

from __future__ import annotations

from cachesim.patterns import PATTERNS
from cachesim.scenario import Pattern

__all__ = ["promised"]

_WITHOUT_A_CACHE = ("no_stale_read_after_delete", "no_cancelled_follower", "no_lock_held_for_ever", "tables_empty")


def promised(pattern: Pattern, *, nodes: int = 1) -> tuple[str, ...]:
    """The names of the invariants that a pattern keeps at so many nodes; a pitfall promises nothing.

    >>> promised(Pattern("in-process", ttl=10))[:2]
    ('no_cancelled_follower', 'no_lock_held_for_ever')
    >>> "no_stale_read_after_delete" in promised(Pattern("in-process", ttl=10), nodes=2)
    False
    """
    if pattern.pattern.startswith("pitfall:"):
        return ()
    kind = PATTERNS.get(pattern.pattern)
    if kind is None:  # no cache, or one that asks the database whether what the client holds is still good
        return _WITHOUT_A_CACHE
    single_flight = getattr(kind.options_type(**pattern.options), "single_flight", "none")
    flights = {"none": (), "process": ("single_flight",), "cluster": ("single_flight", "cluster_single_flight")}
    if nodes == 1 and single_flight == "process":
        single_flight = "cluster"  # one process is all there is
    return (*kind.keeps, *(kind.keeps_alone if nodes == 1 else ()), *flights[single_flight])
