"""The few requests of a scenario: all of them if they are few, else the first that ask the hottest key."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cachesim as cs
from cachesim.races.asked import Asked, few_requests
from cachesim.world.latency import Constant
from cachesim.world.requests import Batch, Client, Request
from tests.races.scenes import scenario


def recorded(folder: Path, times: str, keys: str) -> dict[str, Any]:
    (folder / "times").write_text(times.replace(" ", "\n") + "\n")
    (folder / "keys").write_text(keys.replace(" ", "\n") + "\n")
    return {
        "arrivals": cs.arrivals.Recorded(path=str(folder / "times")),
        "keys": cs.keys.Recorded(path=str(folder / "keys")),
        "writes": 0,
        "duration": 100,
    }


def test_of_eight_all_are_taken_as_they_come(tmp_path):
    few = few_requests(scenario("none", **recorded(tmp_path, "0 1 2 3 4 5 6 7", "a b c d e f g h")), writing=False)
    assert few == tuple(Asked(float(time), (key,), 0, writes=False) for time, key in enumerate("abcdefgh"))


def test_of_more_the_first_four_that_read_the_hottest_key(tmp_path):
    small = scenario("none", **recorded(tmp_path, "0 1 2 3 4 5 6 7 8", "b a a c a b a a c"))
    assert [(one.time, one.keys) for one in few_requests(small, writing=False)] == [
        (1.0, ("a",)),
        (2.0, ("a",)),
        (4.0, ("a",)),
        (6.0, ("a",)),
    ]


def test_of_more_the_first_two_that_write():
    many = scenario("none", duration=60)
    few = few_requests(many, writing=False)
    assert Counter(one.writes for one in few) == {False: 4, True: 2}
    assert [one.time for one in few] == sorted(one.time for one in few)
    everything = few_requests(scenario("none", duration=0.8), writing=False)
    assert few[:3] == everything[:3]


def test_where_one_has_to_write_and_none_does_the_second_writes():
    for duration in (0.8, 0.3, 60):
        plain = few_requests(scenario("none", writes=0, duration=duration), writing=False)
        few = few_requests(scenario("none", writes=0, duration=duration), writing=True)
        assert not any(one.writes for one in plain)
        assert [one.writes for one in few] == [index == 1 for index in range(len(plain))]
        assert [one._replace(writes=False) for one in few] == list(plain)


def test_where_one_writes_already_nothing_is_changed():
    assert few_requests(scenario("none"), writing=True) == few_requests(scenario("none"), writing=False)


@pytest.mark.parametrize("duration", [0.1, 0.2])
def test_of_one_or_two_that_only_read_three_are_made(duration):
    """A read, a write and a read after it."""
    few = few_requests(scenario("none", writes=0, duration=duration), writing=True)
    assert [(one.keys, one.writes) for one in few] == [(("0",), False), (("0",), True), (("0",), False)]
    assert len(few_requests(scenario("none", writes=0, duration=duration), writing=False)) == round(duration * 10)


def test_a_scenario_in_which_nothing_is_asked_is_refused_in_one_line():
    quiet = scenario("none", arrivals=cs.arrivals.Poisson(rate=0.001), duration=0.1)
    with pytest.raises(cs.ScenarioError, match="no request arrives by then") as raised:
        few_requests(quiet, writing=False)
    assert "\n" not in str(raised.value)


def test_a_file_that_is_not_there_is_a_scenario_error(tmp_path):
    missing = scenario("none", arrivals=cs.arrivals.Recorded(path=str(tmp_path / "none")))
    with pytest.raises(cs.ScenarioError) as raised:
        few_requests(missing, writing=False)
    assert "\n" not in str(raised.value)


def test_nodes_batches_and_clients_are_those_of_the_scenario():
    small = scenario("batch", nodes=3, balance="round-robin", batch=2, keys=cs.keys.Uniform(n=5))
    few = few_requests(small, writing=False)
    assert [one.node for one in few] == [0, 1, 2, 0, 1, 2, 0, 1]
    assert all(one.batch and len(one.keys) == 2 for one in few)
    few = few_requests(scenario("conditional", clients=cs.Clients(n=2)), writing=False)
    assert {one.client for one in few} <= {0, 1}
    assert few[0].client == 0  # counted as they come
    assert all(one.client is None for one in few_requests(scenario(), writing=False))


def test_users_of_a_closed_loop_ask_at_once():
    closed = scenario("none", arrivals=cs.arrivals.ClosedLoop(users=3, think=Constant(0.2)), duration=60)
    few = few_requests(closed, writing=True)
    assert {one.time for one in few} == {0.0}
    assert Counter(one.writes for one in few) == {False: 4, True: 2}


def test_they_are_those_that_a_simulation_meets():
    for seed in (1, 2, 3):
        small = scenario("none", arrivals=cs.arrivals.Poisson(rate=4), keys=cs.keys.Uniform(n=3), seed=seed, duration=1)
        table = cs.simulate(small).requests.sort_values("time")
        few = few_requests(small, writing=False)
        assert [(one.time, one.keys[0], one.node) for one in few] == [
            (row.time, row.key, row.node) for row in table.itertuples()
        ]
        assert [one.writes for one in few] == [row.outcome == "write" for row in table.itertuples()]


def test_what_comes_during_the_warm_up_is_asked_too():
    assert few_requests(scenario("none", warmup=0.4), writing=False) == few_requests(scenario("none"), writing=False)


def test_a_long_scenario_is_looked_at_in_part():
    """Ten thousand requests: more would take long for nothing."""
    long = scenario("none", arrivals=cs.arrivals.Constant(rate=1_000), duration=100_000)
    assert len(few_requests(long, writing=False)) == 6


@settings(max_examples=40)
@given(
    n=st.integers(1, 5),
    rate=st.sampled_from([3, 9, 40]),
    batch=st.integers(1, 3),
    share=st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    nodes=st.integers(1, 3),
    writing=st.booleans(),
    seed=st.integers(1, 50),
)
def test_they_are_few_in_order_and_ask_one_key_in_common_if_they_are_chosen(
    n, rate, batch, share, nodes, writing, seed
):
    small = scenario(
        "none",
        keys=cs.keys.Uniform(n=n),
        arrivals=cs.arrivals.Constant(rate=rate),
        batch=batch,
        writes=share,
        nodes=nodes,
        seed=seed,
        duration=1,
    )
    few = few_requests(small, writing=writing)
    assert 1 <= len(few) <= 8
    assert [one.time for one in few] == sorted(one.time for one in few)
    assert {one.node for one in few} <= {*range(nodes)}
    assert not writing or any(one.writes for one in few)
    if rate > 8:
        assert set.intersection(*(set(one.keys) for one in few))
        assert len(few) <= 6
    assert few == few_requests(small, writing=writing)


def test_an_asked_request_on_its_way():
    clients: dict[int, Client] = {}
    one = Asked(3.0, ("a",), 1, writes=True, client=5).request(7.0, clients)
    assert isinstance(one, Request)
    assert (one.time, one.key, one.node, one.writes, one.client) == (7.0, "a", 1, True, clients[5])
    other = Asked(3.0, ("a", "a"), 0, writes=False, batch=True, client=5).request(8.0, clients)
    assert isinstance(other, Batch)
    assert [(request.time, request.key, request.client) for request in other.requests] == [(8.0, "a", clients[5])] * 2
    assert len(clients) == 1
