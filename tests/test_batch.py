"""Batches: several keys asked at once, each of them a request of its own."""

from __future__ import annotations

import asyncio
import gc
import tomllib
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

import cachesim as cs
from cachesim.patterns.events import Event


def scenario(**changes: Any) -> cs.Scenario:
    """Ten batches of four keys, one a second; a query takes 0.1 s."""
    base = cs.Scenario(
        arrivals=cs.arrivals.Constant(rate=1),
        keys=cs.keys.Uniform(n=1000),
        cache=cs.Pattern("none"),
        database=cs.Database(latency=cs.latency.Constant(0.1)),
        batch=4,
        duration=10,
    )
    return base.replace(**changes)


def asking(tmp_path: Path, keys: str, **changes: Any) -> cs.Scenario:
    """A scenario that asks these keys, a letter each, in their order."""
    path = tmp_path / "keys.txt"
    path.write_text("\n".join(keys))
    return scenario(keys=cs.keys.Recorded(path=str(path)), **changes)


class Memory:
    """A cache for ever, which asks the database once for all that it lacks."""

    def __init__(self, node: cs.Node) -> None:
        self.database = node.database
        self.rows: dict[str, Any] = {}

    async def get(self, key: str) -> Any:
        raise AssertionError("a batch is asked with `get_many`")

    async def get_many(self, keys: list[str]) -> list[Any]:
        lacking = [key for key in dict.fromkeys(keys) if key not in self.rows]
        self.rows.update(zip(lacking, await self.database.read_many(lacking), strict=True))
        return [self.rows[key] for key in keys]


class Many:
    """A cache with nothing but this `get_many`."""

    def __init__(self, get_many: Any) -> None:
        self.get_many = get_many

    async def get(self, key: str) -> Any:
        raise AssertionError("a batch is asked with `get_many`")


def outcomes(run: cs.Result) -> list[str]:
    """In order of the keys asked."""
    return run.requests.sort_values("time", kind="stable").outcome.tolist()


def test_each_key_is_a_request_of_its_own_with_the_same_time_node_and_latency() -> None:
    run = cs.simulate(scenario(nodes=3), cache=Memory)
    assert run.metrics["requests"] == run.metrics["reads"] == len(run.requests) == 40
    batches = run.requests.groupby("time")
    assert len(batches) == 10
    assert (batches.size() == 4).all()
    assert (batches[["node", "latency"]].nunique() == 1).all(axis=None)
    assert run.requests.key.nunique() > 30


def test_batches_ask_the_same_keys_in_the_same_order_as_single_requests() -> None:
    many, single = (cs.simulate(scenario(batch=n)).requests.sort_values("time", kind="stable") for n in (4, 1))
    assert many.key.tolist()[:10] == single.key.tolist()


def test_without_get_many_the_keys_are_got_all_at_once_and_the_slowest_counts() -> None:
    """A get takes as long as its key says; none waits for another."""

    def factory(node: cs.Node) -> Any:
        async def get(key: str) -> Any:
            await asyncio.sleep(int(key) / 1000)
            return await node.database.read(key)

        return get

    run = cs.simulate(scenario(), cache=factory)
    for _, batch in run.requests.groupby("time"):
        assert batch.latency.tolist() == pytest.approx([max(map(int, batch.key)) / 1000 + 0.1] * 4)
    assert run.metrics["queries"] == run.metrics["loads"] == run.metrics["misses"] == 40


def test_one_query_for_many_keys_is_a_load_for_each_that_belongs_to_the_request_of_its_key(tmp_path: Path) -> None:
    run = cs.simulate(asking(tmp_path, "abcdabxy"), cache=Memory)
    assert outcomes(run) == ["miss"] * 4 + ["hit", "hit", "miss", "miss"]
    assert run.loads.key.tolist() == list("abcdxy")
    assert run.metrics["queries"] == 2
    assert run.requests.latency.tolist() == pytest.approx([0.1] * 8)


def test_of_a_key_that_stands_twice_in_a_batch_one_is_the_miss_and_one_the_delayed_hit(tmp_path: Path) -> None:
    run = cs.simulate(asking(tmp_path, "abaa"), cache=Memory)
    assert outcomes(run) == ["miss", "miss", "delayed_hit", "delayed_hit"]
    assert run.metrics["loads"] == 2


def test_a_key_that_is_loaded_twice_for_a_batch_is_two_misses(tmp_path: Path) -> None:
    run = cs.simulate(asking(tmp_path, "abaa"), cache=lambda node: Many(node.database.read_many))
    assert outcomes(run) == ["miss"] * 4
    assert run.metrics["loads"] == 4


def test_a_load_of_a_key_that_nobody_asked_belongs_to_nobody(tmp_path: Path) -> None:
    def factory(node: cs.Node) -> Many:
        async def get_many(keys: list[str]) -> list[Any]:
            rows = await node.database.read_many(["z", *keys[1:]])
            return [rows[1], *rows[1:]]

        return Many(get_many)

    run = cs.simulate(asking(tmp_path, "abcd"), cache=factory)
    assert outcomes(run) == ["delayed_hit", "miss", "miss", "miss"]
    assert run.loads.key.tolist() == list("zbcd")


def test_what_an_observer_is_told_of_a_key_concerns_the_requests_for_it(tmp_path: Path) -> None:
    """The first batch loads; of the second "a" is said to be stale and "b" to be recomputed early."""

    class Told(Memory):
        def __init__(self, node: cs.Node) -> None:
            super().__init__(node)
            self.observe = node.observe

        async def get_many(self, keys: list[str]) -> list[Any]:
            if "b" in self.rows:
                self.observe(Event("stale", "a"))
                self.observe(Event("early", "b"))
                del self.rows["b"]
            return await super().get_many(keys)

    run = cs.simulate(asking(tmp_path, "abcdabac"), cache=Told)
    assert outcomes(run) == ["miss"] * 4 + ["stale_hit", "early", "stale_hit", "hit"]
    assert run.metrics["loads_early"] == 1


@pytest.mark.parametrize("many", [True, False])
def test_if_a_batch_raises_all_of_its_requests_are_errors(tmp_path: Path, many: bool) -> None:
    def factory(node: cs.Node) -> Any:
        async def get(key: str) -> Any:
            if key == "x":
                raise ValueError("no x")
            return await node.database.read(key)

        async def get_many(keys: list[str]) -> list[Any]:
            return [await get(key) for key in keys]

        return Many(get_many) if many else get

    run = cs.simulate(asking(tmp_path, "abcdabxy"), cache=factory)
    assert outcomes(run) == ["miss"] * 4 + ["error"] * 4
    assert run.errors == {"ValueError": (4, "no x")}
    assert run.failures == []


@pytest.mark.parametrize("batch", [1, 4])
def test_requests_without_an_outcome_are_errors_whenever_garbage_is_collected(batch: int) -> None:
    """Nobody but the run holds a task that waits for an event of its own."""

    class Never(Memory):
        async def get(self, key: str) -> Any:
            gc.collect()
            await asyncio.Event().wait()

        async def get_many(self, keys: list[str]) -> list[Any]:
            return [await self.get(key) for key in keys]

    run = cs.simulate(scenario(batch=batch), cache=Never)
    assert run.errors == {"no outcome in time": (10 * batch, "")}
    assert [type(failure) for failure in run.failures] == [cs.DeadlockError]


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("fails", [True, False])
def test_requests_that_end_while_the_caches_are_closed_end_unseen(
    batch: int, fails: bool, caplog: pytest.LogCaptureFixture
) -> None:
    class Slow(Memory):
        async def get(self, key: str) -> Any:
            await asyncio.sleep(35)
            return 1 / 0 if fails else key

        async def get_many(self, keys: list[str]) -> list[Any]:
            return [await self.get(key) for key in keys[:1]] * 4

        async def aclose(self) -> None:
            await asyncio.sleep(100)

    run = cs.simulate(scenario(batch=batch), cache=Slow)
    gc.collect()
    assert run.errors == {"no outcome in time": (10 * batch, "")}
    assert (run.failures, caplog.messages) == ([], [])


def test_a_batch_that_writes_writes_each_of_its_keys(tmp_path: Path) -> None:
    run = cs.simulate(asking(tmp_path, "abcaabca", writes=1))
    assert run.metrics["writes"] == run.metrics["requests"] == run.metrics["queries"] == 8
    assert run.requests.latency.tolist() == pytest.approx([0.1] * 8)
    stored: list[tuple[str, Any]] = []

    class Through(Memory):
        async def set(self, key: str, value: Any) -> None:
            stored.append((key, await self.database.write(key, value)))

    cs.simulate(asking(tmp_path, "abcaabca", writes=1), cache=Through)
    assert stored == [("a", 1), ("b", 1), ("c", 1), ("a", 2), ("a", 3), ("b", 2), ("c", 2), ("a", 4)]


def test_a_batch_goes_to_the_node_of_its_first_key() -> None:
    run = cs.simulate(scenario(balance="key", nodes=5), cache=Memory)
    firsts = run.requests.groupby("time").first()
    assert firsts.node.tolist() == [crc32(key.encode()) % 5 for key in firsts.key]
    assert firsts.node.nunique() > 1


def test_the_last_batch_of_a_recorded_stream_may_be_smaller(tmp_path: Path) -> None:
    run = cs.simulate(asking(tmp_path, "abcdef"), cache=Memory)
    assert run.requests.key.tolist() == list("abcdef")


@pytest.mark.parametrize(
    ("get_many", "message"),
    [
        (lambda keys: [], r"`get_many` returned \[\]; it must be `async def get_many\(keys\)`"),
        (lambda keys: asyncio.sleep(0, [1]), r"`get_many` of 4 keys returned \[1\]; it must be a list of 4 values"),
        (lambda keys: asyncio.sleep(0, None), "`get_many` of 4 keys returned None; it must be a list of 4 values"),
    ],
)
def test_a_get_many_that_returns_anything_but_a_value_for_each_key_stops_the_run(get_many: Any, message: str) -> None:
    with pytest.raises(cs.SimulationError, match=message):
        cs.simulate(scenario(), cache=lambda node: Many(get_many))


def test_the_limit_of_requests_counts_keys() -> None:
    with pytest.raises(
        cs.ScenarioError, match=r"^duration: .* about 1.2e\+10 requests would arrive, at most 1e10 may$"
    ):
        scenario(duration=3e9)
    assert scenario(duration=3e9, batch=3).batch == 3


def test_a_batch_is_a_whole_number_of_keys_in_files_too() -> None:
    text = scenario().to_toml()
    assert tomllib.loads(text)["batch"] == 4
    assert cs.Scenario(**tomllib.loads(text)) == scenario()
    assert "batch" not in scenario(batch=1).to_toml()
    for value in (0, 2.0, True, "4", None):
        with pytest.raises(cs.ScenarioError, match=r"^batch: .* is not allowed; (a whole number|1 or more)$"):
            scenario(batch=value)


def test_batches_of_a_race_of_ties_and_chance_repeat_from_the_seed_in_both_modes() -> None:
    """Batches that write, wait for connections and go to several nodes."""
    busy = scenario(
        arrivals=cs.arrivals.Poisson(rate=50),
        keys=cs.keys.Zipf(n=50, alpha=0.9),
        database=cs.Database(latency=cs.latency.Exponential(0.05), connections=20),
        writes=0.1,
        nodes=3,
        warmup=1,
    )
    tables, summary = cs.simulate(busy, cache=Memory), cs.simulate(busy, cache=Memory, record="summary")
    assert tables.digest == summary.digest
    assert tables.metrics["requests"] == summary.metrics["requests"] == len(tables.requests)
    parts = ("hits", "stale_hits", "delayed_hits", "misses", "earlies", "errors", "writes")
    assert tables.metrics["requests"] == sum(tables.metrics[name] for name in parts)
