"""A database that is slow, stands still or fails for a while, and answers that meet a paused node."""

from __future__ import annotations

import asyncio
from fractions import Fraction
from functools import partial
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cachesim as cs
from cachesim.world.faults import DatabaseDown, DatabaseErrors, DatabaseSlow, NodePause, resumed
from cachesim.world.nodes import NodeDatabase
from cachesim.world.service import Pace, pace_of
from tests.world.databases import run, timeline

# ── The pace ──────────────────────────────────────────────────────────────────────────────────────────────────────

eighths = st.integers(0, 40).map(lambda n: n / 8)
slow = st.builds(
    DatabaseSlow, start=eighths, duration=st.none() | eighths.map(lambda n: n + 0.5), factor=st.sampled_from([1, 2, 4])
)
down = st.builds(DatabaseDown, start=eighths, duration=eighths.map(lambda n: n + 0.5))
faults = st.lists(slow | down, max_size=4)


def brute(windows: list[DatabaseSlow | DatabaseDown], start: float, end: float) -> float:
    """The work done between two times, an eighth of a second after the other: nothing changes within one."""
    total = Fraction(0)
    for eighth in range(int(start * 8), int(end * 8)):
        covering = [window for window in windows if window.covers(eighth / 8)]
        if not any(isinstance(window, DatabaseDown) for window in covering):
            total += Fraction(1, 8 * int(max((getattr(window, "factor", 1) for window in covering), default=1)))
    return float(total)


@given(faults, eighths, eighths)
def test_work_done_is_the_sum_over_small_steps(
    windows: list[DatabaseSlow | DatabaseDown], start: float, length: float
) -> None:
    assert pace_of(windows).worked(start, start + length) == brute(windows, start, start + length)


@given(faults, eighths, eighths)
def test_work_is_done_as_soon_as_so_much_has_been_worked(
    windows: list[DatabaseSlow | DatabaseDown], start: float, work: float
) -> None:
    pace = pace_of(windows)
    end = pace.done(start, work)
    assert pace.worked(start, end) == work
    assert end == start or pace.worked(start, end - 1 / 32) < work


def test_work_that_would_outlast_an_outage_without_end_is_never_done() -> None:
    pace = pace_of([DatabaseDown(start=3)])
    assert pace.done(1, 2) == 3
    assert pace.done(1, 2.5) == inf


def test_work_that_but_for_rounding_ends_as_an_outage_begins_ends_then() -> None:
    assert 1.2 + 0.8 * 3 > 3.6
    assert Pace(starts=(0, 3.6, 5), factors=(3, inf, 1)).done(1.2, 0.8) == 3.6


# ── A database that is slow or stands still ───────────────────────────────────────────────────────────────────────

OUTAGE = (DatabaseDown(start=1, duration=3),)


@pytest.mark.parametrize("sharing", [False, True])
def test_a_service_rests_while_the_database_is_down(sharing: bool) -> None:
    assert timeline([(0.5, 1)], faults=OUTAGE, processor_sharing=sharing) == [(0.5, 4.5)]
    assert timeline([(0, 1)], faults=OUTAGE, processor_sharing=sharing) == [(0, 1)]


@pytest.mark.parametrize("sharing", [False, True])
def test_a_service_is_slow_for_as_long_as_the_database_is(sharing: bool) -> None:
    slow = (DatabaseSlow(start=1, duration=2, factor=2),)
    assert timeline([(0, 3)], faults=slow, processor_sharing=sharing) == [(0, 4)]
    assert timeline([(2, 1)], faults=slow, processor_sharing=sharing) == [(2, 3.5)]


def test_where_windows_overlap_the_slowest_counts() -> None:
    """1 is done by 1, 1.25 by 2, 1.75 by 3; an outage until 4; 2 by 4.25."""
    slow = DatabaseSlow(start=1, duration=1, factor=4), DatabaseSlow(start=1, duration=2, factor=2)
    assert timeline([(0, 2)], faults=(*slow, DatabaseDown(start=3, duration=1))) == [(0, 4.25)]


def test_queries_that_share_the_processor_rest_together() -> None:
    """Each has had .5 when the outage begins; at 4 a third joins, and they share what is left: .5, .5 and 1."""
    issues = [(0, 1), (0, 1), (2, 1)]
    assert timeline(issues, faults=OUTAGE, processor_sharing=True, connections=None) == [(0, 5.5), (0, 5.5), (4, 6)]


def test_two_that_share_the_processor_and_end_as_the_outage_begins_both_end() -> None:
    outage = (DatabaseDown(start=2, duration=3),)
    assert timeline([(0, 1), (0, 1)], faults=outage, processor_sharing=True, connections=None) == [(0, 2), (0, 2)]


def test_what_is_issued_during_an_outage_is_served_at_its_end_first_come_first_served() -> None:
    issues = [(1, 1), (2, 1), (3, 1)]
    assert timeline(issues, faults=OUTAGE, connections=1) == [(4, 5), (5, 6), (6, 7)]
    assert timeline(issues, faults=OUTAGE, connections=2) == [(4, 5), (4, 5), (5, 6)]
    assert timeline(issues, faults=OUTAGE, connections=None) == [(4, 5)] * 3


def test_no_service_begins_during_an_outage_though_a_connection_gets_free() -> None:
    """The first ends as the outage begins; the second waits for the end of both outages."""
    outages = (*OUTAGE, DatabaseDown(start=3, duration=2))
    assert timeline([(0, 1), (0, 1)], faults=outages, connections=1) == [(0, 1), (5, 6)]


def test_a_slow_down_with_load_counts_those_that_rest() -> None:
    assert timeline([(0.5, 1), (2, 1)], faults=OUTAGE, connections=None, slowdown=1.0) == [(0.5, 4.5), (4, 6)]


def test_a_connection_held_during_an_outage_is_busy() -> None:
    async def program(database: NodeDatabase) -> None:
        await asyncio.gather(database.read("a"), database.read("b"))

    _, loop, recorder = run(program, faults=(DatabaseDown(start=0.5, duration=3),), works=[2, 1])
    assert recorder.totals.busy == loop.time() == 6


@pytest.mark.parametrize("start", [0.0, 0.5])
def test_an_outage_without_end_answers_nobody(start: float) -> None:
    async def program(database: NodeDatabase) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(50):
                await database.read("a")

    _, loop, recorder = run(program, faults=(DatabaseDown(start=start),))
    recorder.finish()
    assert loop.time() == 50
    assert recorder.load_columns()["status"].tolist() == ["in flight"]


@pytest.mark.parametrize(("on_cancel", "statuses"), [("finish", ["finished"] * 3), ("withdraw", ["finished"] * 2)])
def test_a_query_whose_caller_has_gone_can_be_withdrawn_during_an_outage(on_cancel: str, statuses: list[str]) -> None:
    """Not the one in service: it rests, and is served to the end."""

    async def program(database: NodeDatabase) -> None:
        tasks = [asyncio.create_task(database.read("a"))]
        await asyncio.sleep(2)
        tasks += [asyncio.create_task(database.read(key)) for key in "bc"]
        await asyncio.sleep(0.5)
        tasks[0].cancel()
        tasks[1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(5)

    outage = DatabaseDown(start=0.5, duration=3)
    _, _, recorder = run(program, faults=(outage,), connections=None, on_cancel=on_cancel)
    recorder.finish()
    rows = {
        row[0]: row[1:] for row in zip(*(recorder.load_columns()[c] for c in ("key", "end", "status")), strict=True)
    }
    assert rows["a"] == (4.0, "finished")
    assert rows["b"] == ((4.5, "finished") if on_cancel == "finish" else (2.5, "cancelled"))
    assert rows["c"] == (4.5, "finished")
    assert recorder.totals.services == len(statuses)


def test_a_write_that_rests_is_committed_at_its_end() -> None:
    async def program(database: NodeDatabase) -> list[int]:
        write = asyncio.create_task(database.write("k", "value"))
        await asyncio.sleep(2)
        during = asyncio.create_task(database.read("k"))
        return [await write, (await during)["version"], (await database.read("k"))["version"]]

    outage = DatabaseDown(start=0.5, duration=3)
    assert run(program, faults=(outage,), connections=2)[0] == [1, 0, 1]


@pytest.mark.parametrize("database", [{}, {"processor_sharing": True}, {"slowdown": 0.2}, {"errors": 0.3}])
def test_a_database_in_trouble_is_never_busier_than_it_has_connections(database: dict[str, float]) -> None:
    scenario = cs.Scenario(
        arrivals=cs.arrivals.Poisson(rate=30),
        keys=cs.keys.OneKey(),
        cache=cs.Pattern("none"),
        database=cs.Database(latency=cs.latency.Exponential(0.1), connections=2, **database),  # type: ignore[arg-type]
        faults=[
            DatabaseDown(start=3, duration=4),
            DatabaseSlow(start=5, duration=5, factor=3),
            DatabaseErrors(share=0.2, start=1, duration=6),
        ],
        warmup=2,
        duration=12,
    )
    metrics = cs.simulate(scenario).metrics
    assert 0.9 < metrics["database_utilization"] <= 1 + 1e-12
    assert metrics["loads"] == metrics["requests"]
    assert metrics["errors"] > 0


# ── Errors in a window ────────────────────────────────────────────────────────────────────────────────────────────


def test_queries_that_end_in_a_window_of_errors_fail() -> None:
    """Services end at 1, 2, 3 and 4; the window lasts from 2 until just before 4."""

    async def program(database: NodeDatabase) -> list[bool]:
        answers = await asyncio.gather(*map(database.read, "abcd"), return_exceptions=True)
        return [isinstance(answer, cs.DatabaseError) for answer in answers]

    errors = DatabaseErrors(share=1.0, start=2, duration=2)
    answers, _, recorder = run(program, faults=(errors,))
    recorder.finish()
    assert answers == [False, True, True, False]
    assert recorder.load_columns()["status"].tolist() == ["finished", "failed", "failed", "finished"]


def test_reasons_to_fail_are_independent() -> None:
    """1 - .5 * .6 * .7 = .79; standard error of 2000 queries: .009."""

    async def program(database: NodeDatabase) -> int:
        queries = (database.read("k") for _ in range(2000))
        answers = await asyncio.gather(*queries, return_exceptions=True)
        return sum(isinstance(answer, cs.DatabaseError) for answer in answers)

    windows = (DatabaseErrors(share=0.4), DatabaseErrors(share=0.3, duration=10), DatabaseErrors(share=1.0, start=5))
    failed, *_ = run(program, errors=0.5, faults=windows, connections=None)
    assert failed / 2000 == pytest.approx(0.79, abs=0.036)


# ── A node that pauses ────────────────────────────────────────────────────────────────────────────────────────────

PAUSED = partial(resumed, [NodePause(start=0.5, duration=2)])


def test_an_answer_reaches_a_paused_node_when_it_resumes_and_the_database_goes_on() -> None:
    async def program(database: NodeDatabase) -> list[tuple[int, float]]:
        async def told(query: asyncio.Task[int]) -> tuple[int, float]:
            return await query, asyncio.get_running_loop().time()

        writes = [asyncio.create_task(database.write("k", number)) for number in range(4)]
        return await asyncio.gather(*map(told, writes))

    answers, _, recorder = run(program, awake=PAUSED)
    assert answers == [(1, 2.5), (2, 2.5), (3, 3.0), (4, 4.0)]
    assert list(recorder.commits["k"].times) == [1, 2, 3, 4]


def test_a_load_ends_when_its_service_does_though_its_node_pauses() -> None:
    assert timeline([(0, 1), (0, 1)], awake=PAUSED) == [(0, 1), (1, 2)]


def test_an_error_reaches_a_paused_node_when_it_resumes() -> None:
    async def program(database: NodeDatabase) -> float:
        with pytest.raises(cs.DatabaseError):
            await database.read("k")
        return asyncio.get_running_loop().time()

    assert run(program, awake=PAUSED, errors=1.0)[0] == 2.5


def test_a_caller_that_goes_before_its_answer_is_handed_over_counts_nothing_twice() -> None:
    async def program(database: NodeDatabase) -> None:
        task = asyncio.create_task(database.read("k"))
        await asyncio.sleep(1.5)
        task.cancel()
        await asyncio.sleep(5)
        assert task.cancelled()

    _, _, recorder = run(program, awake=PAUSED, on_cancel="withdraw")
    recorder.finish()
    assert recorder.totals.queries == 1
    assert recorder.load_columns()["status"].tolist() == ["finished"]
