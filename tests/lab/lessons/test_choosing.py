"""What 12 teaches: take the simplest that meets the goals, and mind what outlasts its cause."""

from __future__ import annotations

import asyncio

import pytest

import cachesim as cs
from cachesim.lab.demonstrations import choosing
from cachesim.lab.exercises.choosing import survives, trial
from cachesim.lab.explorer import simulated
from cachesim.lab.explorers.metastable import CAPACITY, Metastable, explore
from cachesim.scenario import bundled

WRONG = {
    "healing": 400 / 3,
    "let_through": 100,
    "survives": cs.Pattern("cache-aside", ttl=600),
}

GOALS = {"latency_p99": "<= 0.15", "database_utilization": "<= 0.4", "staleness_max": "<= 6"}
SHOP = cs.Scenario(
    arrivals=cs.arrivals.Poisson(rate=60),
    keys=cs.keys.Zipf(n=1000, alpha=0.9),
    writes=0.02,
    cache=cs.Pattern("none"),
    redis=cs.Redis(round_trip=0.001),
    database=cs.Database(latency=cs.latency.LogNormal(0.05, cv=0.5), connections=4),
    nodes=3,
    warmup=30,
    duration=75,
)


@pytest.fixture(scope="module")
def told():
    caches = {
        "none": cs.Pattern("none"),
        "in-process, 30 s": cs.Pattern("in-process", ttl=30),
        "in-process, 5 s": cs.Pattern("in-process", ttl=5),
        "cache-aside, 30 s": cs.Pattern("cache-aside", ttl=30),
        "layered, 30 s": cs.Pattern("layered", ttl=30, l1_ttl=5),
    }
    comparison = cs.compare(SHOP, caches, n=3)
    return comparison, choosing.verdicts(comparison, GOALS).map(lambda text: str(text).split()[-1])


class TestTheShop:
    """The steps of the notebook fare as its text says."""

    def test_each_step_meets_or_misses_its_goals(self, told):
        _, verdicts = told
        assert verdicts["database_utilization <= 0.4"].tolist() == ["missed", "met", "missed", "met", "met"]
        assert verdicts["staleness_max <= 6"].tolist() == ["met", "missed", "met", "met", "met"]
        assert verdicts["latency_p99 <= 0.15"].tolist()[1:] == ["met"] * 4

    def test_a_second_layer_saves_round_trips_and_no_loads(self, told):
        comparison, _ = told
        added = comparison.differences("cache-aside, 30 s").loc["layered, 30 s"]
        trips = comparison.mean("redis_round_trips")
        assert trips["layered, 30 s"] < 0.85 * trips["cache-aside, 30 s"]
        assert added.loc["load_rate", "low"] <= 0 <= added.loc["load_rate", "high"]
        assert abs(added.loc["latency_p99", "difference"]) < 0.001

    def test_advice_is_of_the_reads_alone(self):
        result = cs.simulate(SHOP.replace(warmup=0, duration=60, writes=0.5))
        advice = choosing.advice_on(result)
        assert advice.observed.reads == (result.requests["outcome"] != "write").sum()


def test_a_verdict_is_open_when_the_interval_holds_both():
    scenario = cs.Scenario(
        arrivals=cs.arrivals.Poisson(rate=10),
        keys=cs.keys.OneKey(),
        cache=cs.Pattern("none"),
        database=cs.Database(latency=cs.latency.Constant(0.1)),
        duration=20,
    )
    found = cs.compare(scenario, {"none": scenario.cache, "aside": cs.Pattern("cache-aside", ttl=60)}, n=4)
    rate = found.mean("load_rate")["none"]
    told = choosing.verdicts(found, {"load_rate": f"<= {rate}", "requests": ">= 1", "hits": ">= 1e6"})
    assert [str(text).split()[-1] for text in told.loc["none"]] == ["open", "met", "missed"]


class TestExplorer:
    @pytest.mark.parametrize(
        ("settings", "told"),
        [
            ({}, "Stuck: "),
            ({"outage": 0}, "Without an outage all goes well at 10 requests/s."),
            ({"rate": 4, "outage": 6}, "Healed: "),
            ({"retries": 0, "outage": 6}, "Healed: "),
        ],
    )
    def test_says_what_becomes_of_the_storm(self, settings, told):
        moved = Metastable(**settings)
        finding = explore().sketch.draw(moved, simulated(moved, 500, lambda share: None))
        assert finding.sentence.startswith(told)
        assert ("it never ends" in finding.sentence) == (moved.asked_when_stuck > CAPACITY)

    def test_a_storm_asks_each_request_twice_and_serves_nobody(self):
        settings = Metastable()
        (result,) = simulated(settings, 500, lambda share: None).values()
        after = result.requests[result.requests["time"] > settings.end]
        assert set(after["outcome"]) == {"error"}
        assert set(after["attempts"]) == {2}


def test_the_bundled_flush_recovers_with_single_flight_alone():
    flush = cs.load(bundled()["cache-flush"]).replace(warmup=0, duration=16, **{"faults.0.start": 5, "faults.1.at": 8})
    last = cs.simulate(flush.replace(**{"cache.single_flight": "process"})).series()["hit_ratio"].iloc[-3:]
    assert last.min() > 0.85
    assert cs.simulate(flush).series()["hit_ratio"].iloc[-1] < 0.05


class TestTheDesignQuestion:
    """What goes wrong with the other answers is what the exercise says of them."""

    def test_a_write_given_up_by_its_client_is_never_deleted(self):
        said = survives.check(cs.Pattern("cache-aside", ttl=600)).text
        assert "staleness_max" in said
        assert "nobody deletes the old value" in said

    def test_a_short_life_leaves_much_to_load_in_the_outage(self):
        assert "error_ratio" in survives.check(cs.Pattern("cache-aside", ttl=30)).text

    def test_another_seed_gives_the_same_verdict(self):
        good = cs.simulate(trial.replace(cache=cs.Pattern("write-through", ttl=600), seed=2)).metrics
        assert all(goal.met(good[goal.metric]) for goal in trial.expectations)

    def test_a_pattern_is_asked_for(self):
        assert "A pattern is asked for" in survives.check("cache-aside").text


class TestLive:
    def test_a_query_is_worked_off_though_its_client_has_gone(self):
        async def given_up():
            database = choosing.NarrowDatabase(service_time=0.02)
            for retries in (0, 1):
                with pytest.raises(TimeoutError):
                    await choosing.ask_again(lambda: database.read("a"), timeout=0.001, retries=retries)
            left = len(database._under_way)
            await database.aclose()
            return database.queries, left

        assert asyncio.run(given_up()) == (3, 3)

    def test_an_answer_in_time_is_returned(self):
        async def asked():
            database = choosing.NarrowDatabase(service_time=0)
            return await choosing.ask_again(lambda: database.read("a"), timeout=10, retries=1)

        assert asyncio.run(asked()) == {"key": "a"}

    def test_the_share_that_is_answered(self):
        async def outage(rate):
            database = choosing.NarrowDatabase(service_time=0.001)
            return await choosing.answered_after_outage(
                lambda: database.read("a"), database, rate=rate, timeout=5, retries=0
            )

        assert asyncio.run(outage(30)) == 1.0  # all of them wait
