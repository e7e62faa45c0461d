"""What to evict: readable policies, one a file, as cachetools caches.

Each is a `cachetools.Cache` and can be used wherever one is; `POLICIES` has them by the names that settings use. `Opt`
is the bound: it must be given the stream to come.
"""

from __future__ import annotations

from typing import Any

from cachesim.policies.arc import Arc
from cachesim.policies.clock import Clock
from cachesim.policies.fifo import Fifo
from cachesim.policies.lfu import Lfu
from cachesim.policies.lirs import Lirs
from cachesim.policies.lru import Lru
from cachesim.policies.opt import Opt
from cachesim.policies.policy import Policy
from cachesim.policies.random import Random
from cachesim.policies.s3_fifo import S3Fifo
from cachesim.policies.sieve import Sieve
from cachesim.policies.slru import Slru
from cachesim.policies.two_q import TwoQ
from cachesim.policies.w_tinylfu import WTinyLfu

__all__ = [
    "POLICIES",
    "Arc",
    "Clock",
    "Fifo",
    "Lfu",
    "Lirs",
    "Lru",
    "Opt",
    "Policy",
    "Random",
    "S3Fifo",
    "Sieve",
    "Slru",
    "TwoQ",
    "WTinyLfu",
]

POLICIES: dict[str, type[Policy[Any, Any]]] = {
    "fifo": Fifo,
    "lru": Lru,
    "lfu": Lfu,
    "random": Random,
    "clock": Clock,
    "sieve": Sieve,
    "slru": Slru,
    "2q": TwoQ,
    "arc": Arc,
    "s3-fifo": S3Fifo,
    "lirs": Lirs,
    "w-tinylfu": WTinyLfu,
}
