"""What the recorder remembers: bounded where no tables are kept, and enough to judge every value that is served."""

from __future__ import annotations

import asyncio
import tracemalloc
from bisect import bisect_right
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cachesim as cs
from cachesim.world.commits import Commits


def world(cache: cs.Pattern, **changes: Any) -> cs.Scenario:
    scenario = cs.Scenario(
        arrivals=cs.arrivals.Poisson(rate=500),
        keys=cs.keys.Zipf(n=50, alpha=0.9),
        cache=cache,
        database=cs.Database(latency=cs.latency.Exponential(0.02)),
        redis=cs.Redis(round_trip=0.001),
        nodes=2,
        duration=20,
    )
    return scenario.replace(**changes)


# ── Commits ───────────────────────────────────────────────────────────────────────────────────────────────────────

STEPS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([0, 0.5, 1, 7]), st.booleans()), max_size=60)


@given(STEPS, st.integers(2, 20), st.integers(0, 40))
def test_what_was_committed_since_the_oldest_open_request_is_judged_as_if_nothing_were_forgotten(
    steps: list[tuple[str, float, bool]], most: int, open_for: int
) -> None:
    """And what is older is judged no worse than it was. Nobody is behind by more than the commits there have been."""
    commits, now = Commits(most), 0.0
    times: dict[str, list[float]] = {}
    writes: dict[str, dict[int, tuple[int, float]]] = {}
    for number, (key, gap, is_write) in enumerate(steps, 1):
        now += gap
        version = commits.add(key, now, number if is_write else None)
        times.setdefault(key, []).append(now)
        if is_write:
            writes.setdefault(key, {})[number] = len(times[key]), now
        assert version == commits.version_of(key) == len(times[key])
        oldest_open = now - open_for
        if commits.are_too_many:
            commits.forget(oldest_open)
        for name, history in commits.items():
            for asked in (oldest_open, now - open_for / 2, now):
                committed = bisect_right(times[name], asked)
                for served in range(len(times[name]) + 1):
                    lag = max(0, committed - served)
                    staleness = asked - times[name][served] if lag else 0.0
                    found = commits.judged(name, served, asked)
                    assert found == (staleness, lag) or (served < history.forgotten and 0 <= found[0] <= staleness)
                    assert found[1] == lag
            for write, (made, when) in writes.get(name, {}).items():
                known = commits.of_write(name, write)
                forgotten = made <= history.forgotten
                assert known == ((history.forgotten, -float("inf")) if forgotten else (made, when))


def test_a_write_that_is_not_committed_has_no_version_however_much_is_forgotten() -> None:
    commits = Commits(most=10)
    for number in range(1, 40, 2):
        commits.add("key", float(number), number)
        if commits.are_too_many:
            commits.forget(before=float(number))
    assert commits["key"].forgotten > 0
    assert commits.of_write("key", 38) is None
    assert commits.of_write("another key", 1) is None


def test_writes_that_commit_in_another_order_than_they_were_made_keep_their_versions() -> None:
    commits = Commits()
    for time, write in enumerate((2, 5, 1, 4), 1):
        commits.add("key", float(time), write)
    assert [commits.of_write("key", write) for write in (1, 2, 3, 4, 5)] == [
        (3, 3.0),
        (1, 1.0),
        None,
        (4, 4.0),
        (2, 2.0),
    ]


@pytest.mark.parametrize("keys", [1, 1000])
def test_a_million_commits_take_no_more_room_than_a_quarter_of_them(keys: int) -> None:
    commits, most = Commits(), 2**17
    for n in range(1_000_000):
        commits.add(str(n % keys), float(n), n)
        if commits.are_too_many:
            commits.forget(before=float(n))
            assert most / 2 <= sum(len(history.times) for history in commits.values()) <= most / 2 + keys
    assert sum(len(history) for history in commits.values()) == 1_000_000
    assert sum(len(history.times) for history in commits.values()) <= most + keys
    assert sum(len(history.writes) for history in commits.values()) <= most + keys


WRITING = {
    "cache-aside": world(cs.Pattern("cache-aside", ttl=2), writes=0.1),
    "behind": world(cs.Pattern("cache-aside", ttl=2), **{"writes.behind": 2.0}),
    "write-through": world(cs.Pattern("write-through", ttl=5), writes=0.3),
    "write-through and behind": world(
        cs.Pattern("write-through", ttl=1), **{"writes.share": 0.1, "writes.behind": 1.0}
    ),
    "write-through without order": world(cs.Pattern("pitfall:write-through", ttl=1), writes=0.3),
    "layered": world(cs.Pattern("layered", ttl=2, l1_ttl=1), writes=0.1),
    "batch": world(cs.Pattern("batch", ttl=2), writes=0.1, batch=3, duration=8),
}


@pytest.mark.parametrize("name", WRITING)
def test_a_memory_for_commits_longer_than_any_lifetime_forgets_nothing_that_is_asked_for(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 1,000 to 3,000 commits the last 300 to 600 are known, and the last one of each key."""
    scenario = WRITING[name]
    everything = cs.simulate(scenario)
    forgotten: list[float] = []

    class Few(Commits):
        def __init__(self) -> None:
            super().__init__(most=600)

        def forget(self, before: float) -> None:
            super().forget(before)
            forgotten.append(before)

    monkeypatch.setattr("cachesim.world.recorder.Commits", Few)
    for record in ("tables", "summary"):
        run = cs.simulate(scenario, record=record)
        assert run.digest == everything.digest
        assert forgotten
        forgotten.clear()


@pytest.mark.parametrize("pattern", ["cache-aside", "write-through"])
def test_what_is_older_than_the_memory_is_stale_for_at_least_so_long(
    pattern: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writes pass the cache by, and its values live for the whole run."""
    scenario = world(cs.Pattern(pattern, ttl=1000), **{"writes.share": 0.05, "writes.behind": 1.0})
    exact = cs.simulate(scenario).requests
    monkeypatch.setattr("cachesim.world.recorder.Commits", partial(Commits, 50))
    found, summary = cs.simulate(scenario), cs.simulate(scenario, record="summary")
    assert found.digest == summary.digest
    requests = found.requests
    same = ["time", "key", "outcome", "latency"]
    assert requests[same].equals(exact[same])
    stale = exact.version_lag > 0
    assert (stale == (requests.version_lag > 0)).all()
    assert (requests.staleness[stale] <= exact.staleness[stale]).all()
    assert (requests.staleness[stale] < exact.staleness[stale]).mean() > 0.1
    assert (requests.version_lag[stale] <= exact.version_lag[stale]).all()
    if pattern == "cache-aside":  # every value comes from a load, and names its version
        assert requests.version_lag.equals(exact.version_lag)


# ── A summary's memory ────────────────────────────────────────────────────────────────────────────────────────────


def most_memory(scenario: cs.Scenario) -> int:
    """Bytes at the peak of a run that keeps no tables."""
    tracemalloc.start()
    try:
        cs.simulate(scenario, record="summary")
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "cache",
    [
        cs.Pattern("in-process", ttl=0.05),
        *(
            pytest.param(cache, marks=pytest.mark.slow)
            for cache in (
                cs.Pattern("none"),
                cs.Pattern("cache-aside", ttl=0.05, single_flight="cluster"),
                cs.Pattern("early-recompute", ttl=0.05),
                cs.Pattern("stale-while-revalidate", fresh_for=0.05, stale_for=0.05),
                cs.Pattern("write-through", ttl=0.05),
                cs.Pattern("layered", ttl=0.05, l1_ttl=0.02),
            )
        ),
    ],
    ids=lambda cache: cache.pattern,
)
def test_without_tables_a_run_of_three_times_the_requests_takes_no_more_memory(cache: cs.Pattern) -> None:
    """The shorter one is long enough to fill what waits to be counted: blocks of 4,096 requests and 4,096 loads."""
    scenario = world(cache, duration=45)
    cs.simulate(scenario.replace(duration=1), record="summary")  # what is imported late is there from now on
    assert most_memory(scenario.replace(duration=135)) < 1.1 * most_memory(scenario)


def test_loads_that_nobody_can_still_be_served_as_new_are_forgotten_while_a_request_waits_for_ever() -> None:
    """One request hangs from the start; the loads since are kept, and only those."""
    loads = []

    class Once:
        def __init__(self, node: cs.Node) -> None:
            self.node, self.asked = node, 0

        async def get(self, key: str) -> Any:
            self.asked += 1
            if self.asked == 1:
                return await asyncio.get_running_loop().create_future()
            loads.append(key)
            return await self.node.database.read(key)

    run = cs.simulate(world(cs.Pattern("none"), nodes=1, duration=5), cache=Once, record="summary")
    assert run.metrics["misses"] == len(loads)
    assert run.metrics["errors"] == 1
