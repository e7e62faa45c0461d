"""What 06 teaches: one by one a page waits for every key, in a batch for two round trips and one query."""

from __future__ import annotations

import asyncio

import pytest

import cachesim as cs
from cachesim import patterns, pitfalls, plots
from cachesim.lab.demonstrations.distance import Distant
from cachesim.lab.demonstrations.shop import Shop
from cachesim.lab.explorers.batch import OneByOne, Page, explore, simulated

WRONG = {
    "one_by_one": 30 * 0.5 + 3 * 8,
    "complete_pages": 0.98,
    "rows_in_place": lambda products, rows: [name for _, name in rows],
}

PAGE = ["1", "99", "2", "2", "4"]
RIGHT = ["tea", None, "cup", "cup", "pot"]


def shop() -> Shop:
    return Shop({"1": "tea", "2": "cup", "4": "pot"})


async def seen_twice(cache: pitfalls.Batch | patterns.Batch) -> list[list[str | None]]:
    products = shop()
    await cache.set("1", "tea")
    return [await cache.get_or_set_many(PAGE, products.read_many) for _ in range(2)]


def test_the_printed_code_puts_rows_under_the_wrong_products_and_keeps_them_there() -> None:
    first, second = asyncio.run(seen_twice(pitfalls.Batch(Distant(seconds=0).redis, ttl=10)))
    assert first == ["tea", "cup", "pot", None, None]
    assert second == ["tea", "cup", "pot", "pot", "pot"]


def test_the_pattern_does_not() -> None:
    assert asyncio.run(seen_twice(patterns.Batch(Distant(seconds=0).redis, ttl=10))) == [RIGHT, RIGHT]


def test_a_batch_is_two_round_trips_and_one_query_whatever_the_number_of_keys() -> None:
    async def costs(n: int) -> tuple[int, int]:
        far, products = Distant(seconds=0), Shop({str(number): "" for number in range(n)})
        cache = patterns.Batch(far.redis, ttl=10)
        told = await far.told(cache.get_or_set_many([str(number) for number in range(n)], products.read_many))
        assert told.startswith(f"{far.round_trips} round trips, ")
        return far.round_trips, products.queries

    assert {asyncio.run(costs(n)) for n in (1, 5, 50)} == {(2, 1)}


def test_greetings_of_a_connection_are_no_round_trips() -> None:
    async def first_command() -> int:
        far = Distant(seconds=0)
        await far.redis.get("a")
        return far.round_trips

    assert asyncio.run(first_command()) == 1


def test_the_explorer_says_what_the_page_waits_for() -> None:
    explorer = explore()
    assert explorer.finding.html == (
        "One by one this page waits 105 ms, in a batch 12 ms; theory says 105 ms and 11.94 ms on average."
    )
    assert explorer.picture.alt == (
        "What each key of a page of 50 waits for, 5 of them missing: one by one: 105 ms, 55 round trips, 5 queries; "
        "all at once: 22 ms, 55 round trips, 5 queries; batch: 12 ms, 2 round trips, 1 query."
    )
    explorer.controls["hit_ratio"].value = 100
    assert "One by one this page waits 50 ms, in a batch 1 ms;" in explorer.finding.html


@pytest.mark.parametrize("settings", [Page(), Page(keys=80, hit_ratio=60, connections=1), Page(keys=5, round_trip=5.0)])
def test_the_three_ways_meet_the_same_pages(settings: Page) -> None:
    results = simulated(settings, 300, lambda share: None)
    asked = {way: result.requests["key"].tolist() for way, result in results.items()}
    assert asked["one by one"] == asked["all at once"] == asked["batch"]
    trips = {way: result.metrics["redis_round_trips"] for way, result in results.items()}
    assert trips["one by one"] == trips["all at once"] > 2 * trips["batch"]


def test_the_picture_does_not_change_when_the_longer_run_comes() -> None:
    """The page that is shown is the same, whatever the length of the run."""
    short, long = (simulated(Page(), requests, lambda share: None)["batch"].requests for requests in (450, 4000))
    assert short["outcome"][:50].tolist() == long["outcome"][:50].tolist()


def test_the_loop_asks_one_after_the_other() -> None:
    scenario = Page().scenarios(300)["all at once"]
    loop, at_once = cs.simulate(scenario, cache=OneByOne), cs.simulate(scenario)
    assert loop.metrics["peak_concurrent_loads"] == 1 < at_once.metrics["peak_concurrent_loads"]


def test_without_jitter_what_was_filled_together_expires_together() -> None:
    front = cs.Scenario(
        arrivals=cs.arrivals.Constant(rate=5),
        keys=cs.keys.Scan(n=50),
        cache=cs.Pattern("batch", ttl=10, jitter=0),
        database=cs.Database(latency=cs.latency.Constant(0.01)),
        batch=50,
        duration=60,
        warmup=5,
    )
    together, apart = (cs.simulate(front.replace(**{"cache.jitter": jitter})).metrics for jitter in (0, 1))
    assert together["peak_concurrent_loads"] == 50
    assert apart["peak_concurrent_loads"] < 35
    assert together["queries"] < apart["queries"]


def test_a_table_of_answers_marks_what_is_wrong() -> None:
    axes = plots.answers({"product": PAGE, "right": RIGHT, "page": ["tea", "cup", "cup", "cup", None]}, "right")
    assert axes.get_title(loc="left") == "2 of 5 answers are wrong"
    assert [text.get_text() for text in axes.texts if text.get_text().startswith("✗")] == ["✗ cup", "✗ –"]
