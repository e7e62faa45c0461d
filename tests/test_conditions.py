"""Caches under conditions: what each condition makes of a scenario, and that it tells caches apart."""

from __future__ import annotations

import asyncio
from math import isnan, sqrt
from typing import Any

import pytest

import cachesim as cs
from cachesim.conditions import CONDITIONS, Cell, under_conditions
from cachesim.world.metrics import METRICS

RATE, LOADING, TTL = 100, 0.5, 10
IN_PROCESS, CACHE_ASIDE = cs.Pattern("in-process", ttl=TTL), cs.Pattern("cache-aside", ttl=TTL)
UNPROTECTED = cs.Pattern("in-process", ttl=TTL, single_flight="none")


def scenario(**changes: Any) -> cs.Scenario:
    """A hot key."""
    base = cs.Scenario(
        title="A hot key",
        arrivals=cs.arrivals.Poisson(rate=RATE),
        keys=cs.keys.OneKey(),
        cache=CACHE_ASIDE,
        database=cs.Database(latency=cs.latency.Constant(LOADING)),
        faults=[cs.faults.Flush(at=7)],
        expect={"loads": "<= 1"},
        duration=120,
        warmup=1,
    )
    return base.replace(**changes)


def run(condition: str, cache: Any, **changes: Any) -> Cell:
    (cell,) = under_conditions(scenario(**changes), {"it": cache}, conditions=[condition]).cells
    return cell


def near(value: float, mean: float) -> bool:
    """Whether a count of independent arrivals is within 4 standard errors of its mean."""
    return abs(value - mean) <= 4 * sqrt(mean)


# What a condition makes of a scenario


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("calm", {"duration": 8.0}),
        ("expiry", {"duration": 44.0}),
        ("cancellation", {"duration": 44.0, "clients": cs.Clients(timeout=0.25)}),
        ("redis-outage", {"duration": 8.0, "faults": [cs.faults.RedisDown(start=4 + 4 / 3, duration=4 / 3)]}),
        ("deploy", {"duration": 8.0, "faults": [cs.faults.Deploy(at=4.4, every=0.8)]}),
    ],
)
def test_one_trouble_takes_the_place_of_the_scenarios_own(name, changes):
    own = scenario(nodes=4)
    assert CONDITIONS[name].of(own) == own.replace(**{"warmup": 4.0, "faults": [], "expect": {}, **changes})


@pytest.mark.parametrize(
    ("changes", "lifetime"),
    [
        ({"cache": cs.Pattern("stale-while-revalidate", fresh_for=5, stale_for=60)}, 5),
        ({"cache": cs.Pattern("none")}, 24),  # a fifth of the duration
        ({"cache.ttl": 3600}, 120),  # no longer than the scenario itself
    ],
)
def test_a_lifetime_is_the_one_of_the_scenarios_cache(changes, lifetime):
    found = under_conditions(scenario(**changes), {}, conditions=["calm"])
    assert found.lifetime == lifetime
    assert found.scenarios["calm"].warmup == 0.4 * lifetime


@pytest.mark.parametrize(
    ("changes", "timeout"),
    [
        ({"redis.round_trip": 0.01}, 0.27),  # a hit must not take longer
        ({"database.latency": {"type": "exponential", "mean": 0.02}}, 0.01),
        ({"clients.timeout": 0.1, "clients.retries": 3, "clients.disconnect": "ignore"}, 0.1),
        ({"clients.timeout": 0.3}, 0.25),
        ({"database.latency.value": 0.0}, None),  # nobody is there in the midst of a load
    ],
)
def test_clients_leave_in_the_midst_of_a_load(changes, timeout):
    assert CONDITIONS["cancellation"].of(scenario(**changes)).clients == cs.Clients(timeout=timeout)


def test_a_recorded_stream_lasts_as_long_as_it_does(tmp_path):
    (tmp_path / "keys.txt").write_text("a\nb\n" * 500)
    recorded = scenario(keys=cs.keys.Recorded(path=str(tmp_path / "keys.txt"))).table()
    del recorded["duration"]
    found = under_conditions(cs.Scenario(**recorded, seed=3), {"it": CACHE_ASIDE}, conditions=["calm"])
    assert found.lifetime == pytest.approx(10, rel=0.2)  # 1,000 requests at 100 a second
    assert near(found.frame["requests"][0], 400)


# What it tells of caches


def test_when_all_is_calm_a_warm_cache_loads_nothing():
    for cache in (IN_PROCESS, UNPROTECTED, CACHE_ASIDE):
        metrics = run("calm", cache).metrics
        assert (metrics["loads"], metrics["errors"], metrics["latency_max"]) == (0, 0, 0)


def test_each_value_expires_four_times():
    """An expiry without single flight is 1 + λD loads: the first, and as many as arrive in 0.5 s."""
    assert run("expiry", IN_PROCESS).metrics["loads"] == 4
    assert near(run("expiry", UNPROTECTED).metrics["loads"] - 4, 4 * RATE * LOADING)


def shielded(node: cs.Node) -> Any:
    """A load goes on whoever leaves."""
    kept: dict[str, tuple[float, asyncio.Task[Any]]] = {}

    async def get(key: str) -> Any:
        if key not in kept or node.clock() >= kept[key][0] + TTL:
            kept[key] = node.clock(), asyncio.create_task(node.database.read(key))
        return await asyncio.shield(kept[key][1])

    return get


def tied(node: cs.Node) -> Any:
    """A load goes with the one who asked first."""
    kept: dict[str, tuple[float, Any]] = {}
    lock = asyncio.Lock()

    async def get(key: str) -> Any:
        async with lock:
            if key not in kept or node.clock() >= kept[key][0] + TTL:
                kept[key] = node.clock(), await node.database.read(key)
            return kept[key][1]

    return get


@pytest.mark.parametrize("cache", [shielded, IN_PROCESS, CACHE_ASIDE], ids=["shielded", "in-process", "cache-aside"])
def test_where_a_load_goes_on_only_those_fail_who_leave_before_its_end(cache):
    """Those who come in its first half; the one who starts it always does."""
    found = run("cancellation", cache)
    assert found.metrics["loads"] == 4
    assert near(found.metrics["errors"] - 4, 4 * RATE * LOADING / 2)
    assert set(found.errors) == {"TimeoutError"}


@pytest.mark.parametrize("cache", [tied, UNPROTECTED], ids=["tied", "unprotected"])
def test_where_a_load_leaves_with_its_client_everybody_fails(cache):
    found = run("cancellation", cache)
    assert found.metrics["errors"] == found.metrics["requests"]


def test_an_outage_of_redis_lasts_a_third_of_the_time_and_memory_does_not_notice():
    def careless(node: cs.Node) -> Any:
        async def get(key: str) -> Any:
            await node.redis.get(key)
            return {}

        return get

    found = run("redis-outage", careless)
    assert near(found.metrics["errors"], RATE * TTL * 0.4 / 3)
    assert found.errors == {"ConnectionError": found.metrics["errors"]}
    assert run("redis-outage", UNPROTECTED).metrics["loads"] == 0
    ours = run("redis-outage", CACHE_ASIDE).metrics
    assert (ours["errors"], ours["largest_stampede"]) == (0, 1)
    assert ours["loads"] > 1


def test_a_deploy_empties_the_memory_of_each_node_once():
    assert run("deploy", IN_PROCESS, nodes=3).metrics["loads"] == 3
    assert run("deploy", CACHE_ASIDE, nodes=3).metrics["loads"] == 0


# The table


def test_there_is_a_row_for_each_cache_and_condition_and_all_meet_the_same_requests():
    caches: dict[str, Any] = {"one": IN_PROCESS, "other": CACHE_ASIDE, "own": shielded}
    told: list[int] = []
    found = under_conditions(scenario(), caches, progress=told.append)
    frame = found.frame
    assert list(frame.columns) == ["condition", "cache", *METRICS, "failure"]
    rows = list(frame[["condition", "cache"]].itertuples(index=False, name=None))
    assert rows == [(condition, cache) for condition in CONDITIONS for cache in caches]
    assert (frame.groupby("condition")[["requests", "reads"]].nunique() == 1).all(axis=None)
    assert told == list(range(1, 16))
    alone = cs.simulate(found.scenarios["deploy"].replace(cache=IN_PROCESS), record="summary").metrics
    assert found.cells[12].metrics == pytest.approx(alone, rel=0, abs=0, nan_ok=True)


def test_its_text_is_aligned_and_no_wider_than_a_terminal():
    long = "cachesim:stale-while-revalidate+stale_for=60"
    cache = cs.Pattern("stale-while-revalidate", fresh_for=10, stale_for=60)
    text = str(under_conditions(scenario(), {long: cache, "tied": tied}, conditions=["calm", "cancellation"]))
    head, _, _, names, *rows = text.splitlines()
    assert head == "The same caches under conditions, a run each; a lifetime is 10 s"
    assert names.split() == ["loads", "stampede", "p99", "reads", "errors"]
    assert rows[0] == "calm: 403 requests in 4 s"
    assert rows[1].split() == [long, "0", "0", "0", "s", "0", "0"]
    assert rows[3] == "cancellation: 3,998 requests in 40 s"
    assert rows[5].split()[-4:] == ["ms", "0", "3,998", "TimeoutError"]
    assert rows[5].index("  TimeoutError") == len(names)
    assert max(map(len, rows[:6])) <= 100


def failing_at_its_restart() -> Any:
    made: list[cs.Node] = []

    def factory(node: cs.Node) -> Any:
        made.append(node)
        if len(made) > 1 and node.clock() > 0:
            raise ValueError("no second time")
        return node.database.read

    return factory


def leaving(node: cs.Node) -> Any:
    raise SystemExit("gone")


def waiting_for_ever(node: cs.Node) -> Any:
    async def get(key: str) -> Any:
        await asyncio.get_running_loop().create_future()

    return get


def test_a_run_that_fails_is_told_in_its_cell_and_the_others_are_complete():
    own = {"restart": failing_at_its_restart(), "leaves": leaving, "waits": waiting_for_ever}
    caches: dict[str, Any] = {**own, "ours": CACHE_ASIDE}
    found = under_conditions(scenario(), caches, conditions=["calm", "deploy"])
    failures = found.frame.set_index(["condition", "cache"])["failure"].to_dict()
    assert failures["calm", "restart"] == failures["calm", "ours"] == failures["deploy", "ours"] == ""
    assert failures["deploy", "restart"].startswith("ValueError: no second time (test_conditions.py:")
    assert failures["calm", "leaves"].startswith("SystemExit: gone (test_conditions.py:")
    assert failures["calm", "waits"].startswith("DeadlockError: ")
    frame = found.frame
    assert (frame["requests"].isna() == (frame["failure"] != "")).all()
    table, _, rest = str(found).partition("\n\nFailed\n")
    assert table.count("  failed         –") == 5
    assert "  restart, deploy: ValueError: no second time (test_conditions.py:" in rest


def test_of_several_kinds_of_errors_the_most_frequent_is_named():
    def mixed(node: cs.Node) -> Any:
        asked: list[str] = []

        async def get(key: str) -> Any:
            asked.append(key)
            raise KeyError(key) if len(asked) % 3 == 0 else ConnectionError

        return get

    found = under_conditions(scenario(), {"mixed": mixed}, conditions=["calm"])
    (cell,) = found.cells
    assert sum(cell.errors.values()) == cell.metrics["errors"] == cell.metrics["requests"] == 403
    assert cell.errors["ConnectionError"] > cell.errors["KeyError"]
    assert "403  ConnectionError, …\n" in str(found)


def test_users_of_a_closed_loop_ask_more_of_a_fast_cache():
    loop = scenario(arrivals=cs.arrivals.ClosedLoop(users=2, think=0.5))
    found = under_conditions(loop, {"none": cs.Pattern("none"), "ours": CACHE_ASIDE}, conditions=["calm"])
    assert "\ncalm: 8 to 16 requests in 4 s" in str(found)


def test_where_nothing_is_asked_there_is_no_percentile():
    found = under_conditions(scenario(**{"arrivals.rate": 1e-6}), {"ours": CACHE_ASIDE}, conditions=["calm"])
    assert isnan(found.frame["latency_p99"][0])
    assert str(found).splitlines()[5].split() == ["ours", "0", "0", "–", "0", "0"]


def test_what_is_unknown_or_cannot_be_read_is_no_caches_fault():
    with pytest.raises(KeyError, match="'clam'"):
        under_conditions(scenario(), {"ours": CACHE_ASIDE}, conditions=["clam"])
    with pytest.raises(cs.ScenarioError, match="no such file"):
        under_conditions(scenario(keys=cs.keys.Recorded(path="nowhere.txt")), {"ours": CACHE_ASIDE})
