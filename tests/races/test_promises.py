"""Our patterns keep what they promise under every schedule that is tried; each pitfall with a race is found to have it.

All invariants that can be held against one and the same run are: so 100,000 schedules for each are two searches.
"""

from typing import Any

import pytest

import cachesim as cs
from cachesim.patterns import PATTERNS
from cachesim.races import INVARIANTS, Broken, History, Invariant, find_race, search
from cachesim.races.history import Ended
from cachesim.races.promises import promised
from tests.races.scenes import in_turn

ONE_NODE, TWO_NODES = 1, 2
TTL: dict[str, Any] = {"ttl": 10}
STALE: dict[str, Any] = {"fresh_for": 0.15, "stale_for": 5}
PROCESS, CLUSTER = {"single_flight": "process"}, {"single_flight": "cluster"}


def all_at_once(names: list[str]) -> Invariant:
    """Several invariants, held against the same runs."""
    invariants = [INVARIANTS[name] for name in names]

    def check(history: History) -> Broken | None:
        for invariant in invariants:
            if (broken := invariant.check(history)) is not None:
                return Broken(f"{invariant.name}: {broken.message}", broken.actor, broken.event)
        return None

    return Invariant(
        " and ".join(names),
        "",
        check,
        writing=any(invariant.writing for invariant in invariants),
        absent=any(invariant.absent for invariant in invariants),
        to_rest=any(invariant.to_rest for invariant in invariants),
    )


def survives(given: cs.Scenario, names: tuple[str, ...], schedules: int) -> None:
    """No schedule of so many breaks any of these invariants."""
    with_rows = [name for name in names if not INVARIANTS[name].absent]
    without = [name for name in names if INVARIANTS[name].absent]
    for invariant in (all_at_once(kind) for kind in (with_rows, without) if kind):
        found = search(given, invariant=invariant, schedules=schedules)
        assert found.race is None, str(found.race)
        assert found.schedules == schedules


KEPT: list[tuple[str, dict[str, Any], int]] = [
    ("in-process", TTL | PROCESS, ONE_NODE),
    ("cache-aside", TTL | CLUSTER, TWO_NODES),
    ("write-through", TTL | CLUSTER, TWO_NODES),
    ("early-recompute", TTL | CLUSTER | {"beta": 2.0}, TWO_NODES),
    ("stale-while-revalidate", STALE | CLUSTER, TWO_NODES),
    ("batch", TTL | PROCESS, ONE_NODE),
    ("layered", TTL | PROCESS, ONE_NODE),
    ("conditional", {}, TWO_NODES),
]
"""Each pattern once, where it promises most."""
KEPT_TOO: list[tuple[str, dict[str, Any], int]] = [
    ("none", {}, TWO_NODES),
    ("in-process", TTL | {"single_flight": "none", "size": 1}, ONE_NODE),
    ("in-process", TTL | PROCESS, TWO_NODES),
    ("cache-aside", TTL | PROCESS, ONE_NODE),
    ("cache-aside", TTL | PROCESS, TWO_NODES),
    ("write-through", TTL | PROCESS, TWO_NODES),
    ("write-through", TTL | PROCESS | {"write_around": True}, TWO_NODES),
    ("early-recompute", TTL | PROCESS | {"beta": 2.0}, TWO_NODES),
    ("early-recompute", TTL | CLUSTER | {"beta": 2.0, "background": True}, TWO_NODES),
    ("stale-while-revalidate", STALE | PROCESS, TWO_NODES),
    ("batch", TTL | CLUSTER, TWO_NODES),
    ("layered", TTL | CLUSTER, TWO_NODES),
    ("layered", TTL | PROCESS | {"invalidation": "stream"}, TWO_NODES),
]


@pytest.mark.parametrize(("pattern", "options", "nodes"), KEPT + KEPT_TOO, ids=str)
def test_a_pattern_keeps_what_it_promises(pattern, options, nodes):
    given = given_for(pattern, options, nodes)
    survives(given, promised(given.cache, nodes=nodes), schedules=20)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pattern", "options", "nodes", "schedules"),
    [*((*row, 100_000) for row in KEPT), *((*row, 5_000) for row in KEPT_TOO)],
    ids=str,
)
def test_a_pattern_keeps_what_it_promises_under_very_many_schedules(pattern, options, nodes, schedules):
    given = given_for(pattern, options, nodes)
    survives(given, promised(given.cache, nodes=nodes), schedules=schedules)


def given_for(pattern: str, options: dict[str, Any], nodes: int) -> cs.Scenario:
    changes: dict[str, dict[str, Any]] = {
        "conditional": {"clients": cs.Clients(n=2, validators=True)},
        "batch": {"keys": cs.keys.Uniform(n=3), "batch": 2},
    }
    return in_turn(pattern, nodes, options=options, **changes.get(pattern, {}))


def test_every_pattern_names_what_it_keeps():
    for name, pattern in PATTERNS.items():
        assert {*pattern.keeps, *pattern.keeps_alone} <= {*INVARIANTS}, name
        assert "tables_empty" in pattern.keeps, name


def test_what_a_process_alone_can_promise_is_more():
    """Others do not hear of a delete at once, and single flight in each process is none among them."""
    more = set(promised(cs.Pattern("in-process", **TTL))) - set(promised(cs.Pattern("in-process", **TTL), nodes=2))
    assert more == {"no_stale_read_after_delete", "cluster_single_flight"}


RACES: list[tuple[str, dict[str, Any], int, str]] = [
    ("in-process", TTL, ONE_NODE, "no_stale_read_after_delete"),
    ("in-process", TTL, ONE_NODE, "tables_empty"),
    ("cache-aside", TTL, ONE_NODE, "no_stale_read_after_delete"),
    ("cache-aside", TTL, ONE_NODE, "nothing_is_a_value"),
    ("cache-aside", TTL, ONE_NODE, "single_flight"),
    ("cache-aside", TTL | PROCESS, ONE_NODE, "no_stale_read_after_delete"),
    ("cache-aside", TTL | PROCESS, ONE_NODE, "tables_empty"),
    ("cache-aside", TTL | PROCESS, TWO_NODES, "cluster_single_flight"),
    ("write-through", TTL, TWO_NODES, "no_lost_update"),
    ("early-recompute", TTL, ONE_NODE, "no_stale_read_after_delete"),
    ("early-recompute", TTL | PROCESS, ONE_NODE, "tables_empty"),
    ("stale-while-revalidate", STALE, ONE_NODE, "no_stale_read_after_delete"),
    ("stale-while-revalidate", STALE, ONE_NODE, "single_flight"),
    ("batch", TTL, ONE_NODE, "no_stale_read_after_delete"),
    ("batch", TTL, ONE_NODE, "single_flight"),
    ("batch", TTL, ONE_NODE, "nothing_is_a_value"),
    ("layered", TTL, ONE_NODE, "no_stale_read_after_delete"),
    ("layered", TTL, TWO_NODES, "no_stale_read_after_delete"),
    ("layered", TTL, ONE_NODE, "single_flight"),
]


@pytest.mark.parametrize(("pitfall", "options", "nodes", "invariant"), RACES, ids=str)
def test_the_race_of_a_pitfall_is_found_with_its_diagram(pitfall, options, nodes, invariant):
    """Within 1,000 schedules, from the first seed; the slow lane asks for ten."""
    _found(pitfall, options, nodes, invariant, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 12))
@pytest.mark.parametrize(("pitfall", "options", "nodes", "invariant"), RACES, ids=str)
def test_the_race_of_a_pitfall_is_found_from_any_seed(pitfall, options, nodes, invariant, seed):
    _found(pitfall, options, nodes, invariant, seed)


def _found(pitfall: str, options: dict[str, Any], nodes: int, invariant: str, seed: int) -> None:
    given = in_turn(f"pitfall:{pitfall}", nodes, options=options)
    race = find_race(given, invariant=invariant, schedules=1000, seed=seed)
    assert race is not None
    assert len(race.requests) <= 3
    assert "✗" in race.diagram
    assert find_race(given, invariant=invariant, replay=race.schedule).diagram == race.diagram  # type: ignore[union-attr]


def test_a_stale_refresh_for_each_stale_hit_is_found():
    """Two reads that were both served a stale value load it: what the pitfall is known for."""

    def one_refresh(history: History) -> str | None:
        broken = INVARIANTS["single_flight"].check(history)
        if broken is None or broken.event is None:
            return None
        served = {event.actor for event in history.events[: broken.event] if isinstance(event, Ended)}
        return broken.message if broken.actor in served else None

    given = in_turn("pitfall:stale-while-revalidate", ONE_NODE, options=STALE, writes=0.0)
    race = find_race(given, invariant=one_refresh, schedules=1000)
    assert race is not None
    assert (
        find_race(in_turn("stale-while-revalidate", ONE_NODE, options=STALE, writes=0.0), invariant=one_refresh) is None
    )
