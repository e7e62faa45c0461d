"""Copies that are told of writes, or not: the closed forms against the simulator, and at their limits."""

from __future__ import annotations

import pytest

import cachesim as cs
from cachesim import theory
from tests.theory.agreement import assert_mean, one_key


@pytest.mark.parametrize("lost", [0.2, 1.0])
def test_reads_are_stale_as_often_as_the_closed_form_says(lost: float) -> None:
    """Four nodes, a write every 2.5 s; a node hears of its own and of those of the others that are not lost."""
    scenario = one_key(
        cs.Pattern("layered", ttl=600, l1_ttl=5),
        rate=20,
        latency=0.0,
        nodes=4,
        writes=0.02,
        faults=(cs.faults.MessageLoss(share=lost),),
        duration=260,
        warmup=10,
    )
    missed = 0.4 * 3 / 4 * lost
    runs = cs.replicate(scenario, n=8).frame
    shares = (runs.stale_reads / runs.reads).to_numpy(dtype=float)
    assert_mean(shares, theory.stale_read_ratio(rate=4.9, heard_rate=0.4 - missed, missed_rate=missed, ttl=5))


def test_who_hears_of_nothing_is_stale_as_often_as_the_older_form_says() -> None:
    """`stale_hit_ratio` is over the hits."""
    held, _ = theory.copy_times(0, 0.1, 5)
    share = theory.stale_read_ratio(3, 0, 0.1, 5)
    assert held == 5
    assert share == pytest.approx(theory.stale_hit_ratio(0.1, 5) * theory.ttl_hit_ratio(3, 5), rel=1e-12)


def test_who_hears_of_everything_is_stale_only_while_messages_travel() -> None:
    assert theory.stale_read_ratio(3, 0.1, 0, 5) == pytest.approx(0, abs=1e-15)
    assert theory.stale_read_ratio(3000, 0.1, 0, 5, delay=0.002) == pytest.approx(0.1 * 0.002, rel=0.3)


def test_a_copy_is_fresh_for_no_longer_than_it_is_held() -> None:
    for heard, missed in [(0.0, 0.4), (0.1, 0.3), (0.3, 0.1)]:
        held, fresh = theory.copy_times(heard, missed, 5)
        assert fresh < held <= 5
