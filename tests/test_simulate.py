"""What a run promises: outcomes, tables that agree with metrics, conservation, and room for anybody's cache."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import cachesim as cs
from cachesim.scenario import bundled
from cachesim.world.metrics import METRICS


def scenario(**changes: Any) -> cs.Scenario:
    base = cs.Scenario(
        arrivals=cs.arrivals.Poisson(rate=50),
        keys=cs.keys.OneKey(),
        cache=cs.Pattern("cache-aside", ttl=2),
        database=cs.Database(latency=cs.latency.Constant(0.2)),
        duration=20,
    )
    return base.replace(**changes)


latencies = st.sampled_from(
    [cs.latency.Constant(0.0), cs.latency.Constant(0.1), cs.latency.Exponential(0.05), cs.latency.LogNormal(0.1, cv=1)]
)
patterns = st.one_of(
    st.just(cs.Pattern("none")),
    st.builds(
        lambda name, ttl, flight, stale, limit: cs.Pattern(
            name, ttl=ttl, single_flight=flight, stale_if_error=stale, load_timeout=limit
        ),
        st.sampled_from(["in-process", "cache-aside"]),
        st.sampled_from([0.05, 0.5, 3]),
        st.sampled_from(["none", "process"]),
        st.sampled_from([None, 1]),
        st.sampled_from([None, 0.05]),
    ),
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    pattern=patterns,
    latency=latencies,
    connections=st.sampled_from([None, 1, 5]),
    trip=st.sampled_from([0.0, 0.002, cs.latency.Exponential(0.01)]),
    writes=st.sampled_from([0.0, 0.2]),
    nodes=st.integers(1, 3),
    balance=st.sampled_from(["random", "round-robin", "key"]),
    warmup=st.sampled_from([0.0, 1.0]),
    on_cancel=st.sampled_from(["finish", "withdraw"]),
    arrivals=st.sampled_from([cs.arrivals.Poisson(rate=60), cs.arrivals.Constant(rate=60)]),
    seed=st.integers(0, 2**32),
)
def test_conservation(
    pattern: cs.Pattern,
    latency: cs.latency.Latency,
    connections: int | None,
    trip: Any,
    writes: float,
    nodes: int,
    balance: Any,
    warmup: float,
    on_cancel: Any,
    arrivals: Any,
    seed: int,
) -> None:
    """Nothing is lost or made up, and tables and metrics say the same."""
    run = cs.simulate(
        cs.Scenario(
            arrivals=arrivals,
            keys=cs.keys.Zipf(n=20, alpha=0.8),
            cache=pattern,
            database=cs.Database(latency=latency, connections=connections, on_cancel=on_cancel),
            redis=cs.Redis(round_trip=trip),
            writes=writes,
            nodes=nodes,
            balance=balance,
            warmup=warmup,
            duration=4,
            seed=seed,
        )
    )
    m, requests, loads, entries = run.metrics, run.requests, run.loads, run.entries
    assert not run.failures
    assert tuple(m) == METRICS
    assert m["requests"] == len(requests)
    parts = ("hits", "stale_hits", "delayed_hits", "misses", "earlies", "errors", "writes")
    assert m["requests"] == sum(m[name] for name in parts)
    assert m["loads"] == len(loads) == loads.status.isin(["finished", "failed", "cancelled", "in flight"]).sum()
    assert m["redundant_loads"] == m["loads"] - m["load_episodes"]
    assert not (m["database_utilization"] > 1 + 1e-9)
    assert requests.time.between(warmup, 4, inclusive="left").all()
    assert (requests.latency >= 0).all()
    assert (requests.node < nodes).all()
    judged = requests.dropna(subset=["version_lag"])
    assert (judged.version_lag >= 0).all()
    assert (judged.staleness <= judged.time).all()
    ended = loads.dropna(subset=["end"])
    served = ended.dropna(subset=["service_start"])
    assert (served.start <= served.service_start).all()
    assert (served.service_start <= served.end).all()
    over = entries.dropna(subset=["ended"])
    assert (over.stored <= over.ended).all()
    assert (over.ended <= over.expires + 1e-9).all()
    if pattern.pattern == "cache-aside" and isinstance(trip, float):
        assert (requests[requests.outcome != "error"].latency >= trip - 1e-12).all()
    assert (
        episodes(loads) == (m["load_episodes"], m["stampedes"], m["largest_stampede"])
        or (loads.start == loads.end).any()
    )


def episodes(loads: pd.DataFrame) -> tuple[int, int, int]:
    """Episodes, stampedes and the largest, from the table alone: maximal intervals with a load of one key in flight."""
    sizes: list[int] = []
    for _, rows in loads.fillna({"end": np.inf}).sort_values("start", kind="stable").groupby("key"):
        until = -np.inf
        for start, end in zip(rows.start, rows.end, strict=True):
            if start >= until:
                sizes.append(0)
            sizes[-1] += 1
            until = max(until, end)
    return len(sizes), sum(size > 1 for size in sizes), max(sizes, default=0)


def test_outcomes_of_a_hand_made_case() -> None:
    """A request every 0.1 s, loads of 0.25 s, TTL 0.4 s from the fill: one misses, two join, hits until the expiry."""
    run = cs.simulate(
        scenario(
            arrivals=cs.arrivals.Constant(rate=10),
            duration=1,
            **{"cache": cs.Pattern("in-process", ttl=0.4), "database.latency.value": 0.25},
        )
    )
    by_time = run.requests.sort_values("time")
    expected = ["miss", "delayed_hit", "delayed_hit", "hit", "hit", "hit", "hit", "miss", "delayed_hit", "delayed_hit"]
    assert by_time.outcome.tolist() == expected
    assert by_time.latency.round(9).tolist() == [0.25, 0.15, 0.05, 0, 0, 0, 0, 0.25, 0.15, 0.05]
    assert run.loads[["start", "end"]].round(9).to_numpy().tolist() == [[0.0, 0.25], [0.7, 0.95]]
    assert run.metrics["peak_concurrent_loads"] == 1


def test_a_load_that_ends_at_the_instant_of_an_arrival_ends_before_it() -> None:
    run = cs.simulate(scenario(arrivals=cs.arrivals.Constant(rate=4), duration=1, **{"database.latency.value": 0.25}))
    assert run.requests.outcome.tolist() == ["miss", "hit", "hit", "hit"]


def test_series_averages_what_the_tables_hold() -> None:
    run = cs.simulate(scenario(warmup=1))
    series = run.series(bin=0.5)
    assert len(series) == 38
    assert series.index[0] == 1
    assert (series.request_rate * 0.5).sum() == pytest.approx(run.metrics["requests"])
    assert (series.load_rate * 0.5).sum() == pytest.approx(run.metrics["loads"])
    in_flight = (run.loads.end.clip(upper=20) - run.loads.start).sum()
    assert (series.loads_in_flight * 0.5).sum() == pytest.approx(in_flight)
    assert (series["queue"] == 0).all()
    with pytest.raises(ValueError, match="bin"):
        run.series(bin=0)


def test_series_count_no_load_that_starts_after_the_end() -> None:
    result = cs.simulate(cs.load(bundled()["retry-storm"]))
    assert (result.loads["start"] >= result.duration).sum() > 100  # of requests that are still asked again
    assert result.series()["load_rate"].sum() == (result.loads["start"] < result.duration).sum()


def test_entries_tell_lives_of_values() -> None:
    run = cs.simulate(scenario(writes=0.005, nodes=2))
    assert set(run.entries.place) == {"redis"}
    assert set(run.entries.reason) <= {"expired", "deleted", "replaced", ""}
    lives = run.entries[run.entries.reason == "expired"]
    assert len(lives) > 3
    assert (lives.ended - lives.stored).to_numpy() == pytest.approx(2)
    small = cs.simulate(scenario(keys=cs.keys.Uniform(n=50), cache=cs.Pattern("in-process", ttl=2, size=10)))
    assert set(small.entries.place) == {"node 0"}
    assert "evicted" in set(small.entries.reason)


def test_a_write_is_seen_by_the_next_read() -> None:
    """Cache-aside deletes on write; with an instant database and Redis nothing stale is ever served."""
    run = cs.simulate(scenario(writes=0.3, **{"database.latency.value": 0.0}))
    assert run.metrics["writes"] > 100
    assert run.metrics["stale_reads"] == 0
    assert run.metrics["reads"] + run.metrics["writes"] == run.metrics["requests"]


def test_staleness_is_judged_against_what_was_committed_at_the_arrival() -> None:
    """A cache that never forgets: staleness is the time since the first newer commit."""

    def factory(node: cs.Node) -> Any:
        kept: dict[str, Any] = {}

        async def get(key: str) -> Any:
            if key not in kept:
                kept[key] = await node.database.read(key)
            return kept[key]

        return get

    run = cs.simulate(scenario(writes=0.1, **{"database.latency.value": 0.0}), cache=factory)
    first_write = run.requests[run.requests.outcome == "write"].time.iloc[0]
    hits = run.requests[run.requests.outcome == "hit"]
    late = hits[hits.time > first_write]
    assert (late.version_lag > 0).all()
    assert (late.time - late.staleness).to_numpy() == pytest.approx(first_write)
    assert run.metrics["staleness_max"] == late.staleness.max()


def test_a_value_of_unknown_origin_has_no_version_but_an_outcome() -> None:
    """A cache that hides the row: a load of its own makes a miss, anything else a hit."""

    def factory(node: cs.Node) -> Any:
        kept: dict[str, str] = {}

        async def get(key: str) -> str:
            if key not in kept:
                await node.database.read(key)
                kept[key] = "opaque"
            return kept[key]

        return get

    run = cs.simulate(scenario(), cache=factory)
    assert set(run.requests.outcome) == {"miss", "hit"}
    assert run.requests.version_lag.isna().all()
    assert np.isnan(run.metrics["staleness_mean"])


def test_an_object_with_set_and_delete_and_aclose_is_used_for_all_of_them() -> None:
    calls: list[str] = []

    class Mine:
        def __init__(self, node: cs.Node) -> None:
            self.node = node

        async def get(self, key: str) -> Any:
            return await self.node.database.read(key)

        async def set(self, key: str, value: Any) -> None:
            calls.append("set")
            assert await self.node.database.write(key, value) >= 1

        async def aclose(self) -> None:
            calls.append("aclose")

    cs.simulate(scenario(writes=0.5, nodes=2, duration=1), cache=Mine)
    assert calls.count("set") > 5
    assert calls[-2:] == ["aclose", "aclose"]


def test_a_write_that_fails_is_an_error_and_no_read() -> None:
    class Broken:
        def __init__(self, node: cs.Node) -> None:
            self.get = node.database.read

        async def set(self, key: str, value: Any) -> None:
            raise OSError("disk full")

    run = cs.simulate(scenario(writes=0.5), cache=Broken)
    assert run.metrics["writes"] == 0
    assert run.metrics["errors"] + run.metrics["reads"] == run.metrics["requests"]
    assert run.metrics["errors"] > 100


def test_errors_reach_the_table_with_an_example() -> None:
    def factory(node: cs.Node) -> Any:
        async def get(key: str) -> Any:
            raise LookupError("no such row")

        return get

    run = cs.simulate(scenario(duration=1), cache=factory)
    assert run.metrics["error_ratio"] == 1
    assert run.errors == {"LookupError": (int(run.metrics["requests"]), "no such row")}


def test_a_request_without_outcome_at_twice_the_duration_is_an_error() -> None:
    run = cs.simulate(scenario(duration=1, **{"database.latency.value": 30.0}))
    assert run.metrics["errors"] == run.metrics["requests"]
    assert set(run.loads.status) == {"in flight"}
    assert set(run.errors) == {"no outcome in time"}
    assert run.failures == []  # slow is not stuck


def test_a_cache_that_waits_for_ever_leaves_errors_and_names_of_what_waits() -> None:
    def factory(node: cs.Node) -> Any:
        lock = asyncio.Lock()

        async def get(key: str) -> Any:
            await lock.acquire()
            return await node.database.read(key)

        return get

    run = cs.simulate(scenario(duration=1), cache=factory)
    assert run.metrics["errors"] == run.metrics["requests"] - 1
    (failure,) = run.failures
    assert isinstance(failure, cs.DeadlockError)
    assert "in Lock.acquire" in str(failure)
    with pytest.raises(cs.DeadlockError):
        cs.simulate(scenario(duration=1), cache=factory, strict=True)


@pytest.mark.parametrize("answer", [3, None, "factory"])
def test_a_factory_that_returns_no_cache_is_told_what_it_must_return(answer: Any) -> None:
    with pytest.raises(cs.SimulationError, match=r"async get\(key\)"):
        cs.simulate(scenario(), cache=lambda node: answer)


def test_a_get_that_is_not_async_is_told_so() -> None:
    with pytest.raises(cs.SimulationError, match="must be `async def get"):
        cs.simulate(scenario(), cache=lambda node: lambda key: "value")


def test_strict_raises_what_nobody_took() -> None:
    def factory(node: cs.Node) -> Any:
        async def fail() -> None:
            raise ArithmeticError("in the background")

        async def get(key: str) -> Any:
            asyncio.get_running_loop().create_task(fail())
            return await node.database.read(key)

        return get

    run = cs.simulate(scenario(duration=1), cache=factory)
    assert {type(error) for error in run.failures} == {ArithmeticError}
    with pytest.raises(ArithmeticError):
        cs.simulate(scenario(duration=1), cache=factory, strict=True)


def test_a_simulation_inside_a_running_loop_uses_a_thread_and_leaves_real_time_alone() -> None:
    seen: list[str] = []

    def factory(node: cs.Node) -> Any:
        seen.append(threading.current_thread().name)
        return node.database.read

    async def inside() -> float:
        cs.simulate(scenario(duration=1), cache=factory)
        return asyncio.get_running_loop().time()

    assert asyncio.run(inside()) > 1
    assert seen[0].startswith("cachesim")


def test_summary_mode_keeps_no_tables_and_says_so() -> None:
    run = cs.simulate(scenario(), record="summary")
    with pytest.raises(ValueError, match='record="tables"'):
        _ = run.requests
    with pytest.raises(ValueError, match='"tables" or "summary"'):
        cs.simulate(scenario(), record="sumary")  # type: ignore[arg-type]


def test_nodes_share_the_requests_as_the_balance_says() -> None:
    keys = cs.keys.Uniform(n=1000)
    turns = cs.simulate(scenario(nodes=4, balance="round-robin", keys=keys)).requests.sort_values("time").node.tolist()
    assert turns == [turn % 4 for turn in range(len(turns))]
    by_key = cs.simulate(scenario(nodes=4, balance="key", keys=keys)).requests
    assert (by_key.groupby("key").node.nunique() == 1).all()
    assert by_key.node.nunique() == 4
    drawn = cs.simulate(scenario(nodes=4, keys=keys)).requests.node.value_counts(normalize=True)
    assert drawn.to_numpy() == pytest.approx(0.25, abs=4 * (0.25 * 0.75 / 1000) ** 0.5)


def test_single_flight_in_process_does_not_reach_across_nodes() -> None:
    """With one flight per node, k nodes load at most k times per expiry."""
    run = cs.simulate(scenario(nodes=5, duration=60))
    assert 1 < run.metrics["largest_stampede"] <= 5


def test_replications_give_a_student_t_interval() -> None:
    runs = cs.replicate(scenario(duration=5), n=5)
    values = runs.frame["hit_ratio"].to_numpy()
    low, high = runs.interval("hit_ratio", 0.95)
    half = 2.7764451 * values.std(ddof=1) / 5**0.5  # t(4) at .975
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half))
    assert runs.frame["seed"].is_unique
    alone = cs.simulate(scenario(duration=5, seed=int(runs.frame["seed"][2])))
    assert alone.metrics["hit_ratio"] == values[2]
    with pytest.raises(KeyError, match="unknown metric"):
        runs.mean("hitratio")
    with pytest.raises(ValueError, match="n: 0"):
        cs.replicate(scenario(), n=0)


def test_recorded_times_and_keys_run_to_their_end(tmp_path: Any) -> None:
    (tmp_path / "times.txt").write_text("100.0\n100.5\n101.0\n104.0\n")
    (tmp_path / "keys.txt").write_text("a\nb\na\na\n")
    times = cs.arrivals.Recorded(path=str(tmp_path / "times.txt"))
    keys = cs.keys.Recorded(path=str(tmp_path / "keys.txt"))
    run = cs.simulate(
        cs.Scenario(
            arrivals=times,
            keys=keys,
            cache=cs.Pattern("in-process", ttl=2),
            database=cs.Database(latency=cs.latency.Constant(0.2), connections=1),
        )
    )
    by_time = run.requests.sort_values("time")
    assert by_time.time.tolist() == [0.0, 0.5, 1.0, 4.0]
    assert by_time.outcome.tolist() == ["miss", "miss", "hit", "miss"]
    assert run.duration == 4
    assert run.metrics["load_rate"] == pytest.approx(3 / 4)
    assert run.metrics["database_utilization"] == pytest.approx(0.4 / 4)
