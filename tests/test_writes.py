"""Writes: the share of requests that write through the cache, and writes behind its back."""

from __future__ import annotations

import asyncio
import tomllib
from math import exp
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cachesim as cs
from cachesim.world.writes import Writes


def scenario(**changes: Any) -> cs.Scenario:
    base = cs.Scenario(
        arrivals=cs.arrivals.Poisson(rate=20),
        keys=cs.keys.Zipf(n=10, alpha=1),
        cache=cs.Pattern("none"),
        database=cs.Database(latency=cs.latency.Constant(0)),
        duration=100,
    )
    return base.replace(**changes)


class Timed:
    """A cache that keeps each row for 5 s from its fill."""

    def __init__(self, node: cs.Node) -> None:
        self.node = node
        self.rows: dict[str, tuple[float, Any]] = {}

    async def get(self, key: str) -> Any:
        until, row = self.rows.get(key, (0.0, None))
        if self.node.clock() >= until:
            row = await self.node.database.read(key)
            self.rows[key] = self.node.clock() + 5, row
        return row


# Behind the cache


def test_a_hit_is_stale_as_often_as_the_closed_form_says() -> None:
    """P(stale given hit) = 1-(1-e^{-mu T})/(mu T), writes Poisson(mu), T the lifetime; judged at arrival."""
    mu, lifetime = 0.1, 5
    expected = 1 - (1 - exp(-mu * lifetime)) / (mu * lifetime)
    assert expected == pytest.approx(0.213061, abs=1e-6)
    one_key = scenario(keys=cs.keys.OneKey(), duration=1000, **{"writes.behind": mu})
    runs = cs.replicate(one_key, n=20, cache=Timed).frame
    shares = (runs.stale_reads / runs.hits).to_numpy(dtype=float)
    standard_error = shares.std(ddof=1) / np.sqrt(len(shares))
    assert standard_error < 0.006
    assert abs(shares.mean() - expected) < 4 * standard_error


def test_each_key_is_written_at_the_given_rate_and_its_version_rises() -> None:
    """4,000 writes expected in all, 400 for each key: 4 standard errors are 253 and 80."""
    run = cs.simulate(scenario(duration=200, **{"writes.behind": 2}))
    written = run.metrics["queries"] - run.metrics["loads"]
    assert abs(written - 4000) < 253
    last: list[int] = []

    def factory(node: cs.Node) -> Any:
        async def get(key: str) -> Any:
            row = await node.database.read(key)
            if node.clock() > 199:
                last.append(row["version"])
            return row

        return get

    cs.simulate(scenario(duration=200, keys=cs.keys.Uniform(n=10), **{"writes.behind": 2}), cache=factory)
    assert max(abs(version - 400) for version in last) < 80


def test_writes_behind_the_cache_are_no_requests_and_tell_no_cache() -> None:
    told: list[str] = []

    class Deleting(Timed):
        async def set(self, key: str, value: Any) -> None:
            told.append(key)

        async def delete(self, key: str) -> None:
            told.append(key)

    quiet, written = (cs.simulate(scenario(**{"writes.behind": rate}), cache=Deleting) for rate in (0, 1))
    assert told == []
    assert written.metrics["writes"] == 0
    assert written.metrics["requests"] == quiet.metrics["requests"] == written.metrics["reads"]
    assert written.requests[["time", "key"]].equals(quiet.requests[["time", "key"]])
    assert written.metrics["stale_reads"] > 0
    assert written.metrics["loads"] == quiet.metrics["loads"]


def test_writes_behind_the_cache_take_connections_and_service_times() -> None:
    """Utilization is (reads + writes per second) times the service time over the connections; 4 standard errors."""
    busy = scenario(keys=cs.keys.OneKey(), duration=500, database=cs.Database(latency=cs.latency.Constant(0.01)))
    busy = busy.replace(**{"database.connections": 1, "writes.behind": 30})
    run = cs.simulate(busy)
    assert run.metrics["database_utilization"] == pytest.approx(0.5, abs=4 * 0.01 * (50 * 500) ** 0.5 / 500)
    assert run.metrics["database_wait_mean"] > 0


def test_writes_behind_the_cache_end_with_the_requests() -> None:
    """A request that never ends does not keep them going, and is still found to wait for nothing."""

    class Never(Timed):
        async def get(self, key: str) -> Any:
            await self.node.database.read(key)
            return await asyncio.get_running_loop().create_future()

    run = cs.simulate(scenario(**{"writes.behind": 0.01}), cache=Never)
    assert [type(failure) for failure in run.failures] == [cs.DeadlockError]


def test_writes_behind_the_cache_are_repeated_from_the_seed_and_leave_other_chance_alone() -> None:
    written = scenario(**{"writes.behind": 1, "writes.share": 0.2})
    assert cs.simulate(written, cache=Timed).digest == cs.simulate(written, cache=Timed, record="summary").digest
    requests, without = (cs.simulate(s, cache=Timed).requests for s in (written, scenario(writes=0.2)))
    assert (requests.outcome == "write").equals(without.outcome == "write")
    assert requests[["time", "key"]].equals(without[["time", "key"]])


# Through the cache


def test_a_cache_with_set_is_given_what_is_written_and_no_delete() -> None:
    calls: list[tuple[str, str, Any]] = []

    class Told(Timed):
        async def set(self, key: str, value: Any) -> None:
            calls.append(("set", key, value))
            await self.node.database.write(key, value)

        async def delete(self, key: str) -> None:
            calls.append(("delete", key, None))

    run = cs.simulate(scenario(writes=0.1, duration=10), cache=Told)
    assert [name for name, _, _ in calls] == ["set"] * int(run.metrics["writes"])
    assert [value for _, _, value in calls] == [{"key": key, "write": n} for n, (_, key, _) in enumerate(calls, 1)]


# What a scenario says


def test_a_number_is_the_share_and_a_table_says_both() -> None:
    assert scenario(writes=0.1).writes == 0.1
    assert scenario(writes=cs.Writes(share=0.1)) == scenario(writes=0.1)
    assert scenario(writes=cs.Writes()) == scenario()
    assert scenario(writes=0.1).replace(**{"writes.behind": 1}).writes == cs.Writes(share=0.1, behind=1)
    assert scenario(writes=0.1).replace(**{"writes.share": 0.2}).writes == 0.2
    assert scenario(writes=1, **{"writes.behind": 2}).writes == cs.Writes(share=1, behind=2)
    assert scenario(**{"writes.behind": 2}).replace(**{"writes.behind": 0}) == scenario()


@pytest.mark.parametrize("writes", [0.0, 0.1, 1, Writes(behind=2), Writes(share=0.1, behind=0.5)])
def test_writes_go_to_a_file_and_back_without_loss(tmp_path: Path, writes: Any) -> None:
    path = tmp_path / "scenario.toml"
    path.write_text(scenario(writes=writes).to_toml())
    assert cs.load(path) == scenario(writes=writes)


def test_a_file_may_have_a_number_or_a_table_of_writes() -> None:
    head = scenario().to_toml()
    assert cs.Scenario(**tomllib.loads("writes = 0.1\n" + head)).writes == 0.1
    assert cs.Scenario(**tomllib.loads(head + "\n[writes]\nshare = 0.1\nbehind = 2.0\n")).writes == cs.Writes(
        share=0.1, behind=2
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"writes": -0.1}, "writes: -0.1 is not allowed; 0 or more"),
        ({"writes.share": 2, "writes.behind": 1}, "writes.share: 2 is not allowed; 1 or less"),
        ({"writes.behind": -1}, "writes.behind: -1 is not allowed; 0 or more"),
        ({"writes.behind": "1"}, "writes.behind: '1' is not allowed; a number"),
        ({"writes.before": 1}, "writes.before: unknown field; known: share, behind"),
        (
            {"writes.behind": 2, "keys": cs.keys.Documentation()},
            "writes.behind: 2.0 is not allowed; 0 with recorded keys, which are not known beforehand",
        ),
        (
            {"writes.behind": 2, "keys": cs.keys.Recorded(path="keys.txt")},
            "writes.behind: 2.0 is not allowed; 0 with recorded keys, which are not known beforehand",
        ),
    ],
)
def test_a_refusal_names_the_field_the_value_and_what_is_allowed(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(cs.ScenarioError) as caught:
        scenario(**changes)
    assert str(caught.value) == message


@pytest.mark.parametrize("keys", [cs.keys.OneKey(), cs.keys.Uniform(n=5), cs.keys.Zipf(n=5, alpha=0)])
def test_the_population_of_keys_is_all_that_are_asked_and_no_more(keys: Any) -> None:
    stream = keys.stream(np.random.default_rng(1))
    assert {next(stream) for _ in range(1000)} == set(keys.population())
