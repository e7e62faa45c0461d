"""The simulated database: who is served when, and what is seen of writes."""

from __future__ import annotations

import asyncio
from collections import deque
from fractions import Fraction
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cachesim as cs
from cachesim.world.database import Query
from cachesim.world.nodes import NodeDatabase
from tests.world.databases import run, timeline


def test_queries_wait_for_a_connection_first_come_first_served() -> None:
    async def program(database: NodeDatabase) -> list[tuple[str, float]]:
        done: list[tuple[str, float]] = []

        async def read(key: str) -> None:
            await database.read(key)
            done.append((key, asyncio.get_running_loop().time()))

        await asyncio.gather(*map(read, "abcde"))
        return done

    assert run(program, connections=2)[0] == [("a", 1), ("b", 1), ("c", 2), ("d", 2), ("e", 3)]


def test_a_read_sees_what_was_committed_when_its_service_starts() -> None:
    """One begins at the very instant of the commit, and sees it; one begun before does not."""

    async def program(database: NodeDatabase) -> list[int]:
        early = asyncio.create_task(database.read("k"))
        version = asyncio.create_task(database.write("k", {"any": "value"}))
        late = asyncio.create_task(database.read("k"))
        assert await version == 1
        return [(await early)["version"], (await late)["version"]]

    assert run(program)[0] == [0, 1]


@pytest.mark.parametrize("value", [None, 0, "", {}, []])
def test_any_value_can_be_written(value: Any) -> None:
    async def program(database: NodeDatabase) -> list[int]:
        return [await database.write("k", value), await database.write("k", value)]

    assert run(program)[0] == [1, 2]


def test_read_many_is_one_query_in_order_and_nothing_costs_nothing() -> None:
    async def program(database: NodeDatabase) -> list[str]:
        assert await database.read_many([]) == []
        return [row["key"] for row in await database.read_many(["b", "a", "b"])]

    keys, loop, recorder = run(program)
    assert keys == ["b", "a", "b"]
    assert loop.time() == 1
    assert recorder.totals.queries == 1
    assert sum(recorder.totals.loads.values()) == 3


@pytest.mark.parametrize(("on_cancel", "queries", "end"), [("finish", 3, 3.0), ("withdraw", 2, 2.0)])
def test_a_query_whose_caller_has_gone_is_worked_off_or_withdrawn(on_cancel: str, queries: int, end: float) -> None:
    """Withdrawn only while it waits: once served it is served to the end."""

    async def program(database: NodeDatabase) -> float:
        tasks = [asyncio.create_task(database.read(key)) for key in "abc"]
        await asyncio.sleep(0.5)
        for task in tasks[:2]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return asyncio.get_running_loop().time()

    ended, _, recorder = run(program, on_cancel=on_cancel)
    assert ended == end
    assert recorder.totals.services == queries


# ── Load makes it slow ────────────────────────────────────────────────────────────────────────────────────────────


def test_two_equal_queries_that_share_the_processor_take_twice_as_long() -> None:
    assert timeline([(0, 1), (0, 1)], processor_sharing=True, connections=None) == [(0, 2), (0, 2)]


def test_each_query_progresses_at_its_share_of_the_processor() -> None:
    """b joins a at 1, c both at 2; at 3.5 b is done, and a and c are left with 1 and 1.5."""
    issues = [(0, 3), (1, 1), (2, 2)]
    assert timeline(issues, processor_sharing=True, connections=None) == [(0, 5.5), (1, 3.5), (2, 6)]


def test_at_most_as_many_share_the_processor_as_have_a_connection() -> None:
    """a and b share until b ends at 2, then a and c until a ends at 5."""
    issues = [(0, 2.5), (0, 1), (0, 2)]
    assert timeline(issues, processor_sharing=True, connections=2) == [(0, 5), (0, 2), (2, 5.5)]


def test_sharing_is_as_exact_in_a_late_busy_period_as_in_the_first() -> None:
    """Services that no binary fraction holds; what was given to others before leaves no trace."""
    starts = [1.1 * number for number in range(200)]
    issues = [(start, 0.1) for start in starts for _ in range(10)]
    expected = [(start, start + 1) for start, _ in issues]
    assert timeline(issues, processor_sharing=True, connections=None) == expected


def test_time_does_not_go_back_when_a_query_joins_at_the_instant_in_which_others_end() -> None:
    """A third of .15 s is, in floats, more than .05. The query is one past the cache: it joins before they end."""
    together = 0.05 * 3
    assert together / 3 > 0.05

    async def program(database: NodeDatabase) -> float:
        loop = asyncio.get_running_loop()
        loop.call_at(together, partial(Query, database._database, ("k",), -1, written=None))
        await asyncio.gather(*map(database.read, "abc"))
        return loop.time()

    assert run(program, works=[0.05] * 3 + [1], processor_sharing=True, connections=None)[0] == together


Issues = list[tuple[float, float]]

eighths = st.integers(0, 40).map(lambda n: n / 8)
issued = st.lists(st.tuples(eighths, eighths), min_size=1, max_size=12).map(sorted)


def shared(issues: Issues, connections: int) -> list[tuple[float, float]]:
    """Processor sharing from one event to the next, in exact numbers."""
    now, begun, ended = Fraction(0), dict[int, Fraction](), dict[int, Fraction]()
    coming, waiting, left = deque(enumerate(issues)), deque[tuple[int, float]](), dict[int, Fraction]()
    while coming or left:
        ends = now + min(left.values()) * len(left) if left else None
        later = min(time for time in (ends, Fraction(coming[0][1][0]) if coming else None) if time is not None)
        left = {number: work - (later - now) / len(left) for number, work in left.items()}
        now = later
        while coming and coming[0][1][0] == now:
            number, (_, work) = coming.popleft()
            waiting.append((number, work))
        for number in [number for number, work in left.items() if work == 0]:
            ended[number] = now
            del left[number]
        while waiting and len(left) < connections:
            number, work = waiting.popleft()
            begun[number], left[number] = now, Fraction(work)
    return [(float(begun[number]), float(ended[number])) for number in range(len(issues))]


@given(issued, st.sampled_from([1, 2, 3, None]))
def test_processor_sharing_is_that_of_an_event_by_event_model(issues: Issues, connections: int | None) -> None:
    found = timeline(issues, processor_sharing=True, connections=connections)
    for times, expected in zip(found, shared(issues, connections or len(issues)), strict=True):
        assert times == pytest.approx(expected, rel=1e-12, abs=1e-12)


def busy_periods(issues: Issues, **options: Any) -> list[tuple[float, float]]:
    """From when to when there is any query at the database; those of no length left out."""
    periods: list[tuple[float, float]] = []
    for (start, _), (_, end) in zip(issues, timeline(issues, **options), strict=True):
        if end > start:
            if periods and start <= periods[-1][1] + 1e-9:
                periods[-1] = periods[-1][0], max(periods[-1][1], end)
            else:
                periods.append((start, end))
    return periods


@given(issued)
def test_no_work_is_lost_whoever_is_served_first(issues: Issues) -> None:
    """Busy periods are those of one connection, and as long together as all work."""
    periods = busy_periods(issues, connections=1)
    sharing = busy_periods(issues, processor_sharing=True, connections=None)
    assert sharing == [pytest.approx(period, rel=1e-12) for period in periods]
    assert sum(end - start for start, end in periods) == sum(work for _, work in issues)


def test_a_service_takes_longer_for_each_one_that_is_in_service_when_it_begins() -> None:
    """Four at once with room for three, then one alone."""
    issues = [(0, 1), (0, 1), (0, 1), (0, 1), (9, 1)]
    expected = [(0, 1), (0, 1.5), (0, 2), (1, 3), (9, 10)]
    assert timeline(issues, slowdown=0.5, connections=3) == expected
    assert timeline(issues[:3], slowdown=0.5, connections=None) == expected[:3]


def test_a_database_is_slow_in_one_way() -> None:
    with pytest.raises(cs.ScenarioError, match=r"^slowdown: 0.5 is not allowed; 0 with processor_sharing$"):
        cs.Database(latency=cs.latency.Constant(1.0), processor_sharing=True, slowdown=0.5)


# ── Errors ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_query_that_fails_raises_after_its_service_and_commits_nothing() -> None:
    async def program(database: NodeDatabase) -> list[float]:
        times = []
        for query in (database.read("k"), database.read_many(["a", "b"]), database.write("k", "value")):
            with pytest.raises(cs.DatabaseError):
                await query
            times.append(asyncio.get_running_loop().time())
        return times

    times, _, recorder = run(program, errors=1.0)
    recorder.finish()
    assert times == [1, 2, 3]
    assert recorder.commits.version_of("k") == 0
    assert recorder.load_columns()["status"].tolist() == ["failed"] * 3
    assert recorder.totals.queries == 3


def test_a_share_of_the_queries_fails() -> None:
    """Standard error of 2000 queries: .01 of .3."""

    async def program(database: NodeDatabase) -> int:
        queries = (database.read("k") for _ in range(2000))
        answers = await asyncio.gather(*queries, return_exceptions=True)
        return sum(isinstance(answer, cs.DatabaseError) for answer in answers)

    assert run(program, errors=0.3, connections=None)[0] / 2000 == pytest.approx(0.3, abs=0.04)


def test_a_query_that_fails_after_its_caller_has_gone_is_a_failed_load() -> None:
    async def program(database: NodeDatabase) -> None:
        task = asyncio.create_task(database.read("k"))
        await asyncio.sleep(0.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(1)

    _, loop, recorder = run(program, errors=1.0)
    recorder.finish()
    assert recorder.load_columns()["status"].tolist() == ["failed"]
    assert loop.failures == []


def test_a_caller_that_is_cancelled_at_the_instant_of_an_error_is_cancelled() -> None:
    async def program(database: NodeDatabase) -> bool:
        task = asyncio.create_task(database.read("k"))
        asyncio.get_running_loop().call_at(1.0, task.cancel)  # ahead in the queue of the end of the service
        await asyncio.wait([task])
        return task.cancelled()

    assert run(program, errors=1.0)[0]
