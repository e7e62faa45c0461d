"""Clients that give up, ask again, leave or are ignored; in an open loop and in a closed one."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

import cachesim as cs


def one(latency: float, *, clients: cs.Clients, cache: str = "none", **changes: Any) -> cs.Scenario:
    """A request each 10 s for one key; the database takes so long for each."""
    scenario = cs.Scenario(
        arrivals=cs.arrivals.Constant(rate=0.1),
        keys=cs.keys.OneKey(),
        cache=cs.Pattern(cache) if cache == "none" else cs.Pattern(cache, ttl=100),
        database=cs.Database(latency=cs.latency.Constant(latency)),
        clients=clients,
        duration=10,
    )
    return scenario.replace(**changes)


# ── Time-outs and retries ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("disconnect", ["cancel", "ignore"])
def test_without_an_answer_in_time_a_request_is_an_error(disconnect: str) -> None:
    result = cs.simulate(one(3.0, clients=cs.Clients(timeout=1), **{"clients.disconnect": disconnect}))
    (row,) = result.requests.itertuples()
    assert (row.outcome, row.latency, row.attempts) == ("error", 1.0, 1)
    assert result.errors == {"TimeoutError": (1, "no answer within 1 s")}
    assert result.loads.status.tolist() == ["finished"]  # a query once issued is worked off
    assert result.failures == []


def test_each_attempt_has_its_own_time_and_its_own_load() -> None:
    """Attempts at 0, 1.5 and 3.5 s: one second each, waits of .5 s and then twice as long."""
    result = cs.simulate(one(3.0, clients=cs.Clients(timeout=1, retries=2, backoff=0.5)))
    (row,) = result.requests.itertuples()
    assert (row.outcome, row.latency, row.attempts) == ("error", 4.5, 3)
    assert result.loads.start.tolist() == [0.0, 1.5, 3.5]


def test_a_wait_before_a_retry_can_be_drawn() -> None:
    clients = cs.Clients(timeout=1, retries=1, backoff=cs.latency.Uniform(2, high=3))
    starts = cs.simulate(one(3.0, clients=clients, duration=1000)).loads.start.to_numpy()
    waits = starts[1::2] - starts[::2] - 1
    assert len(waits) == 100
    assert 2 <= waits.min() < 2.1 < 2.9 < waits.max() <= 3


def test_an_answer_at_the_second_attempt_is_an_answer() -> None:
    """The node works on for a client that has left, and keeps what it loaded: its second attempt finds the flight."""
    clients = cs.Clients(timeout=2, retries=1, disconnect="ignore")
    result = cs.simulate(one(3.0, clients=clients, cache="in-process"))
    (row,) = result.requests.itertuples()
    assert (row.outcome, row.latency, row.attempts) == ("miss", 3.0, 2)  # it was this request that started the load
    assert len(result.loads) == 1


def test_a_node_that_notices_cancels_the_load_and_nothing_is_kept() -> None:
    result = cs.simulate(one(3.0, clients=cs.Clients(timeout=2, retries=1), cache="in-process"))
    (row,) = result.requests.itertuples()
    assert (row.outcome, row.latency, row.attempts) == ("error", 4.0, 2)
    assert result.loads.start.tolist() == [0.0, 2.0]
    assert len(result.entries) == 0


def test_a_node_that_is_slow_to_notice_does_not_keep_its_client() -> None:
    def factory(node: cs.Node) -> Any:
        async def get(key: str) -> Any:
            try:
                await asyncio.sleep(3)
            except asyncio.CancelledError:
                await asyncio.sleep(2)
                raise

        return get

    result = cs.simulate(one(1.0, clients=cs.Clients(timeout=1)), cache=factory)
    assert result.requests.latency.tolist() == [1.0]
    assert result.failures == []


def test_an_error_is_tried_again_too() -> None:
    def factory(node: cs.Node) -> Any:
        calls = 0

        async def get(key: str) -> Any:
            nonlocal calls
            calls += 1
            await asyncio.sleep(0.25)
            if calls < 3:
                raise ValueError("not yet")
            return await node.database.read(key)

        return get

    patient = cs.simulate(one(0.25, clients=cs.Clients(retries=2)), cache=factory)
    (row,) = patient.requests.itertuples()
    assert (row.outcome, row.latency, row.attempts) == ("miss", 1.0, 3)
    assert patient.metrics["errors"] == 0
    hasty = cs.simulate(one(0.25, clients=cs.Clients(retries=1)), cache=factory)
    assert hasty.errors == {"ValueError": (1, "not yet")}


def test_an_attempt_given_up_does_not_change_what_the_next_one_is() -> None:
    """The first attempt is served stale after its client has gone; the second is served fresh."""

    def factory(node: cs.Node) -> Any:
        calls = 0

        async def get(key: str) -> Any:
            nonlocal calls
            calls += 1
            if calls == 1:
                await asyncio.sleep(1.5)
                from cachesim.patterns import Event

                node.observe(Event("stale", key))
            row = await node.database.read(key)
            await asyncio.sleep(1 if calls == 1 else 0.75)
            return row

        return get

    clients = cs.Clients(timeout=1, retries=1, disconnect="ignore")
    (row,) = cs.simulate(one(0.0, clients=clients), cache=factory).requests.itertuples()
    assert (row.outcome, row.latency) == ("miss", 1.75)


def test_a_late_error_of_an_attempt_given_up_is_nobodys_failure() -> None:
    def factory(node: cs.Node) -> Any:
        async def get(key: str) -> Any:
            await asyncio.sleep(2)
            raise ValueError("too late")

        return get

    result = cs.simulate(one(0.0, clients=cs.Clients(timeout=1, disconnect="ignore")), cache=factory, strict=True)
    assert result.errors == {"TimeoutError": (1, "no answer within 1 s")}


def test_what_a_simulation_cannot_do_ends_it_at_once() -> None:
    def factory(node: cs.Node) -> Any:
        async def get(key: str) -> Any:
            await asyncio.get_running_loop().create_connection(asyncio.Protocol, "localhost", 80)

        return get

    with pytest.raises(cs.SimulationError):
        cs.simulate(one(0.0, clients=cs.Clients(timeout=1, retries=3)), cache=factory)


def test_a_batch_is_tried_again_as_one() -> None:
    clients = cs.Clients(timeout=1, retries=1)
    scenario = one(
        0.5,
        clients=clients,
        batch=3,
        keys=cs.keys.Scan(n=5),
        database=cs.Database(latency=cs.latency.Constant(0.5), connections=1),
    )
    result = cs.simulate(scenario)
    assert result.requests.outcome.tolist() == ["error"] * 3
    assert result.requests.attempts.tolist() == [2] * 3
    assert result.requests.latency.tolist() == [2.0] * 3
    assert len(result.loads) == 6


def test_a_write_is_tried_again_and_counts_once() -> None:
    """Two attempts are two writes in the database, and one request."""
    clients = cs.Clients(timeout=1, retries=1, disconnect="ignore")
    result = cs.simulate(one(3.0, clients=clients, writes=1.0))
    assert result.metrics["requests"] == result.metrics["errors"] == 1
    assert result.metrics["queries"] == 2
    assert result.metrics["reads"] == 0


@pytest.mark.parametrize(("balance", "nodes"), [("round-robin", [0, 1, 2]), ("key", [2, 2, 2])])
def test_a_retry_goes_to_the_next_node_or_to_that_of_its_key(balance: str, nodes: list[int]) -> None:
    clients = cs.Clients(timeout=1, retries=2)
    result = cs.simulate(one(5.0, clients=clients, nodes=3, balance=balance))
    assert result.loads.sort_values("start").node.tolist() == nodes
    assert result.requests.node.tolist() == nodes[-1:]  # the node of a request is that of its last attempt


def test_retries_at_random_go_to_every_node() -> None:
    clients = cs.Clients(timeout=1, retries=1)
    loads = cs.simulate(one(2.0, clients=clients, nodes=4, duration=8000)).loads.sort_values("start")
    first, second = loads.node.to_numpy()[::2], loads.node.to_numpy()[1::2]
    assert np.bincount(4 * first + second, minlength=16).min() > 50 - 4 * 50**0.5 / 1.02  # 800 pairs, 16 kinds


def test_patience_that_is_never_needed_changes_nothing() -> None:
    scenario = one(0.1, clients=cs.Clients(), cache="cache-aside", arrivals=cs.arrivals.Poisson(rate=50))
    scenario = scenario.replace(keys=cs.keys.Zipf(n=50, alpha=0.8), nodes=3, writes=0.1, batch=2)
    patient = cs.simulate(scenario.replace(clients=cs.Clients(timeout=50, retries=3, backoff=1.0)))
    plain = cs.simulate(scenario)
    assert (
        patient.requests.sort_values(["time", "key"])
        .reset_index(drop=True)
        .equals(plain.requests.sort_values(["time", "key"]).reset_index(drop=True))
    )
    assert patient.metrics == pytest.approx(plain.metrics, nan_ok=True)


# ── A closed loop ─────────────────────────────────────────────────────────────────────────────────────────────────


def users(n: int, think: Any, latency: Any, *, cache: cs.Pattern | None = None, **changes: Any) -> cs.Scenario:
    scenario = cs.Scenario(
        arrivals=cs.arrivals.ClosedLoop(users=n, think=think),
        keys=cs.keys.Zipf(n=20, alpha=0.5),
        cache=cache or cs.Pattern("none"),
        database=cs.Database(latency=latency),
        duration=100,
    )
    return scenario.replace(**changes)


def test_a_user_asks_again_when_the_answer_is_there_and_thought_about() -> None:
    result = cs.simulate(users(1, 2.0, cs.latency.Constant(0.5), duration=10))
    assert result.requests.time.tolist() == [2.0, 4.5, 7.0, 9.5]
    assert result.requests.latency.tolist() == [0.5] * 4


def test_users_are_the_machine_repair_model() -> None:
    """M/M/1//N: 10 users who think 1 s, one connection of .2 s: throughput from the birth-death chain; 4 s.e."""
    think, service, n = 1.0, 0.2, 10
    weights = [1.0]
    for busy in range(n):
        weights.append(weights[-1] * (n - busy) * service / think)
    throughput = (1 - weights[0] / sum(weights)) / service
    scenario = users(n, cs.latency.Exponential(think), cs.latency.Exponential(service), duration=600, warmup=50)
    runs = cs.replicate(scenario.replace(**{"database.connections": 1}), n=12)
    rate = runs.frame.requests.to_numpy() / 550
    assert abs(rate.mean() - throughput) < 4 * rate.std(ddof=1) / len(rate) ** 0.5 < 0.1
    response = n / throughput - think  # the interactive response time law
    assert abs(runs.mean("latency_mean") - response) < 4 * runs.standard_error("latency_mean") + 0.01


def test_caches_compared_meet_the_same_keys_and_think_times() -> None:
    scenario = users(5, cs.latency.Exponential(1), cs.latency.Constant(0.5))
    none = cs.simulate(scenario).requests.sort_values("time").key.tolist()
    cached = cs.simulate(scenario.replace(cache=cs.Pattern("in-process", ttl=10))).requests.sort_values("time")
    assert len(cached) > len(none)
    assert cached.key.tolist()[: len(none)] == none


def test_users_end_with_a_recorded_stream(tmp_path: Any) -> None:
    path = tmp_path / "keys.txt"
    path.write_text("a\nb\na\nc\n")
    scenario = users(2, 1.0, cs.latency.Constant(0.25), keys=cs.keys.Recorded(path=str(path)))
    unbounded = cs.Scenario(**{k: v for k, v in scenario.table().items() if k != "duration"})
    for chosen in (scenario, unbounded):
        assert sorted(cs.simulate(chosen).requests.key) == ["a", "a", "b", "c"]


def test_users_who_never_think_are_limited_by_the_answers() -> None:
    result = cs.simulate(users(3, 0.0, cs.latency.Constant(0.5), duration=5))
    assert result.metrics["requests"] == 3 * 10


def test_users_who_never_think_and_never_wait_are_told() -> None:
    with pytest.raises(cs.SimulationError, match="without think times"):
        cs.simulate(users(1, 0.0, cs.latency.Constant(0.0)), record="summary")


def test_a_user_gives_up_and_thinks_again() -> None:
    clients = cs.Clients(timeout=1, retries=1)
    result = cs.simulate(users(1, 1.0, cs.latency.Constant(5.0), clients=clients, duration=10))
    assert result.requests.time.tolist() == [1.0, 4.0, 7.0]
    assert set(result.requests.outcome) == {"error"}


# ── Nodes that restart or stand still ─────────────────────────────────────────────────────────────────────────────


def test_a_node_that_restarts_forgets_what_it_held() -> None:
    scenario = one(
        0.1,
        clients=cs.Clients(),
        cache="in-process",
        nodes=2,
        balance="round-robin",
        arrivals={"type": "constant", "rate": 1},
    )
    deploy = cs.faults.Deploy(at=4.5, every=2)
    result = cs.simulate(scenario.replace(faults=(deploy,), duration=12))
    assert result.loads.start.tolist() == [0.0, 1.0, 6.0, 7.0]  # node 0 restarts at 4.5, node 1 at 6.5
    assert result.loads.node.tolist() == [0, 1, 0, 1]
    ended = result.entries.dropna(subset=["ended"])
    assert list(zip(ended.place, ended.ended, ended.reason, strict=True)) == [
        ("node 0", 4.5, "deleted"),
        ("node 1", 6.5, "deleted"),
    ]


def test_a_request_that_is_open_at_a_restart_is_answered_and_then_the_old_cache_is_closed() -> None:
    closed: list[tuple[int, float]] = []
    made = 0

    def factory(node: cs.Node) -> Any:
        nonlocal made
        made += 1

        class Cache:
            number = made

            async def get(self, key: str) -> Any:
                return await node.database.read(key)

            async def aclose(self) -> None:
                closed.append((self.number, asyncio.get_running_loop().time()))

        return Cache()

    scenario = one(2.0, clients=cs.Clients(), arrivals={"type": "constant", "rate": 1}, duration=5)
    result = cs.simulate(scenario.replace(faults=(cs.faults.Deploy(at=1.5),)), cache=factory)
    assert result.metrics["errors"] == 0
    assert closed == [(1, 3.0), (2, 6.0)]


def test_requests_at_a_node_that_stands_still_are_held_until_it_goes_on() -> None:
    scenario = one(0.25, clients=cs.Clients(), arrivals={"type": "constant", "rate": 1}, duration=5)
    pause = cs.faults.NodePause(start=0.125, duration=2)
    result = cs.simulate(scenario.replace(faults=(pause,)))
    assert result.requests.sort_values("time").latency.tolist() == pytest.approx([2.125, 1.375, 0.375, 0.25, 0.25])


def test_a_client_does_not_wait_for_a_node_that_stands_still_for_ever() -> None:
    scenario = one(0.25, clients=cs.Clients(timeout=1, retries=1), arrivals={"type": "constant", "rate": 1}, nodes=2)
    result = cs.simulate(scenario.replace(balance="round-robin", faults=(cs.faults.NodePause(node=0),)))
    assert result.metrics["errors"] == 0
    assert sorted(set(result.requests.latency)) == [0.25, 1.25]
    assert result.failures == []


def test_an_answer_to_nobody_is_no_304_and_is_not_kept() -> None:
    """Each client gives up before the answer comes; the node works on, and has nobody to send it to."""
    clients = cs.Clients(timeout=0.5, disconnect="ignore", n=1, validators=True)
    scenario = one(1.0, clients=clients, arrivals={"type": "constant", "rate": 0.5})
    metrics = cs.simulate(scenario.replace(cache=cs.Pattern("conditional"))).metrics
    assert metrics["errors"] == metrics["requests"] == 5
    assert metrics["not_modified"] == metrics["bytes_sent"] == metrics["bytes_saved"] == 0


@pytest.mark.parametrize("disconnect", ["cancel", "ignore"])
def test_of_a_batch_that_ends_in_an_error_no_answer_counts(disconnect: str) -> None:
    """Of three requests for one key some are answered 304 before the batch as a whole comes too late."""
    clients = cs.Clients(timeout=0.2, n=3, validators=True)
    scenario = one(0.15, clients=clients, batch=3, arrivals={"type": "poisson", "rate": 2}, duration=40)
    scenario = scenario.replace(
        cache=cs.Pattern("conditional"), **{"database.slowdown": 0.3, "clients.disconnect": disconnect}
    )
    metrics = cs.simulate(scenario).metrics
    assert metrics["errors"] == metrics["requests"] > 100
    assert metrics["not_modified"] == metrics["bytes_sent"] == metrics["bytes_saved"] == 0
