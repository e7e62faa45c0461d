"""The miss counts of two independent implementations on a recorded stream, from an empty cache on."""

import os
from functools import cache
from pathlib import Path

import pytest

from cachesim.policies import POLICIES, Opt
from cachesim.policies.replay import replay
from cachesim.traces import read_keys

pytestmark = pytest.mark.skipif("CACHESIM_TRACES" not in os.environ, reason="recorded requests lie beside the checkout")

SIZES = (75, 300, 1200)
MISSES = {
    "lru": (52412, 44223, 36804),
    "fifo": (53930, 46430, 38785),
    "clock": (51859, 43738, 36281),
    "sieve": (49951, 41848, 34621),
    "lfu": (58731, 50193, 40641),
    "arc": (50018, 42162, 34784),
    "opt": (40692, 33582, 26913),
}


@cache
def web07() -> list[str]:
    return list(read_keys(Path(os.environ["CACHESIM_TRACES"]) / "web07.trace.xz"))


def misses(policy: str, size: int) -> int:
    made = Opt(size, web07()) if policy == "opt" else POLICIES[policy](size)
    return sum(not hit for hit in replay(made, web07()))


@pytest.mark.parametrize("policy", MISSES)
def test_the_misses_are_those_known(policy):
    assert tuple(misses(policy, size) for size in SIZES) == MISSES[policy]


@pytest.mark.parametrize("policy", POLICIES)
def test_none_misses_less_than_opt_and_only_lfu_and_random_more_than_fifo(policy):
    found = misses(policy, 300)
    assert found > MISSES["opt"][1]
    assert found <= MISSES["fifo"][1] or policy in ("lfu", "random")
