"""Invariants: what a cache promises whatever the order of things, each held against the history of a run.

Each takes a `History` and says in one sentence how it was broken, or None. They are written so as never to accuse
wrongly: where it is open what a cache may do, it may.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from cachesim.races.history import (
    Acknowledged,
    Arrived,
    Ended,
    History,
    Left,
    LoadBegan,
    LoadEnded,
)

__all__ = ["INVARIANTS", "Broken", "Invariant"]


@dataclass(frozen=True)
class Broken:
    """An invariant is broken: by which event of the history, and how; `actor` is who shows it (None: nobody)."""

    message: str
    actor: int | None = None
    event: int | None = None


Check = Callable[[History], Broken | None]


@dataclass(frozen=True)
class Invariant:
    """A promise, and how it is checked.

    `writing`: without a request that writes it cannot be broken. `absent`: it is about rows that are not there.
    `to_rest`: it is about what is left when nothing happens any more.
    """

    name: str
    promise: str
    check: Check
    writing: bool = False
    absent: bool = False
    to_rest: bool = False


def _no_stale_read_after_delete(history: History) -> Broken | None:
    return _stale_read(history, kept=False, since="the delete of {key!r} was acknowledged at version {version}")


def _no_lost_update(history: History) -> Broken | None:
    return _stale_read(history, kept=True, since="version {version} of {key!r} was written and acknowledged")


def _stale_read(history: History, *, kept: bool, since: str) -> Broken | None:
    """A read that arrives after an acknowledgement, and is served an older version than it says."""
    floors: dict[str, int] = {}
    due: dict[tuple[int, str], int] = {}
    for place, event in enumerate(history.events):
        if isinstance(event, Acknowledged) and event.kept == kept:
            floors[event.key] = max(floors.get(event.key, 0), event.version)
        elif isinstance(event, Arrived) and not event.writes:
            due |= {(event.actor, key): floors.get(key, 0) for key in event.keys}
        elif isinstance(event, Ended) and event.version is not None:
            version = due.get((event.actor, event.key), 0)
            if event.version < version:
                before = since.format(key=event.key, version=version)
                return Broken(f"came after {before}, and is served version {event.version}", event.actor, place)
    return None


def _single_flight(history: History) -> Broken | None:
    return _second_load(history, everywhere=False)


def _cluster_single_flight(history: History) -> Broken | None:
    return _second_load(history, everywhere=True)


def _second_load(history: History, *, everywhere: bool) -> Broken | None:
    """A load beside one that it should have joined: both are of callers who came since the last write was over."""
    came: dict[tuple[int, str], int] = {}
    writing: dict[tuple[int, str], None] = {}
    written: dict[str, int] = {}
    under_way: dict[int, tuple[LoadBegan, int]] = {}
    for place, event in enumerate(history.events):
        if isinstance(event, Arrived):
            came |= {(event.actor, key): place for key in event.keys}
            writing |= {(event.actor, key): None for key in event.keys if event.writes}
        elif isinstance(event, Ended) and (event.actor, event.key) in writing:
            if event.error is None:  # one that failed may have left something on its way
                del writing[event.actor, event.key]
            written[event.key] = place
        elif isinstance(event, Ended) and event.error is not None:  # who leaves may take the load along
            under_way = {number: load for number, load in under_way.items() if load[0].actor != event.actor}
        elif isinstance(event, LoadEnded):
            under_way.pop(event.number, None)
        elif isinstance(event, LoadBegan):
            since = came.get((event.actor, event.key), place)
            if not any(key == event.key for _, key in writing):
                for other, other_since in under_way.values():
                    beside = other.key == event.key and (everywhere or other.node == event.node)
                    if beside and min(since, other_since) > written.get(event.key, -1):
                        where = "" if other.node == event.node else f" at node {other.node}"
                        message = f"loads {event.key!r} beside a load of it{where} that it could have joined"
                        return Broken(message, event.actor, place)
            under_way[event.number] = event, since
    return None


def _no_cancelled_follower(history: History) -> Broken | None:
    left = set()
    for place, event in enumerate(history.events):
        if isinstance(event, Left):
            left.add(event.actor)
        elif isinstance(event, Ended) and event.actor not in left and isinstance(event.error, asyncio.CancelledError):
            return Broken("ends in CancelledError, though its own client has not left", event.actor, place)
    return None


def _every_request_ends(history: History) -> Broken | None:
    if not history.open:
        return None
    actor = history.open[0]
    return Broken("is never answered: nothing that is left to happen would end its wait", actor)


def _tables_empty(history: History) -> Broken | None:
    if history.held <= 0:
        return None
    return Broken(f"at rest, when every request has ended, {history.held} lock(s), flight(s) or task(s) are still held")


def _nothing_is_a_value(history: History) -> Broken | None:
    """A load at a node that has just given None to somebody, at the same moment and with nothing written."""
    answered: dict[tuple[int, str], float] = {}
    nodes: dict[int, int] = {}
    came: dict[int, int] = {}
    answers: dict[tuple[int, str], int] = {}
    for place, event in enumerate(history.events):
        if isinstance(event, Arrived):
            nodes[event.actor], came[event.actor] = event.node, place
            if event.writes:
                return None
        elif isinstance(event, Ended) and event.error is None:
            answered[nodes[event.actor], event.key] = event.time
            answers[nodes[event.actor], event.key] = place
        elif isinstance(event, LoadBegan):
            at = (event.node, event.key)
            answered = {place: time for place, time in answered.items() if place[1] == event.key}  # it makes room
            if answered.get(at) == event.time and came.get(event.actor, -1) > answers[at]:
                message = f"loads {event.key!r}, which was answered with None at the same node, at the same moment"
                return Broken(message, event.actor, place)
    return None


INVARIANTS: dict[str, Invariant] = {
    invariant.name: invariant
    for invariant in (
        Invariant(
            "no_stale_read_after_delete",
            "No read that arrives after a delete was acknowledged is served a version older than was committed then.",
            _no_stale_read_after_delete,
            writing=True,
        ),
        Invariant(
            "no_lost_update",
            "No read that arrives after a write through the cache was acknowledged is served an older version.",
            _no_lost_update,
            writing=True,
        ),
        Invariant(
            "single_flight",
            "No process loads a key twice at once, unless it is written meanwhile.",
            _single_flight,
        ),
        Invariant(
            "cluster_single_flight",
            "No two processes load a key at once, unless it is written meanwhile.",
            _cluster_single_flight,
        ),
        Invariant(
            "no_cancelled_follower",
            "Nobody is cancelled but by their own client.",
            _no_cancelled_follower,
        ),
        Invariant(
            "no_lock_held_for_ever",
            "Every request is answered in the end, also one that comes when all others are over.",
            _every_request_ends,
            to_rest=True,
        ),
        Invariant(
            "tables_empty",
            "When nothing is under way, no table holds a lock, a flight or a task.",
            _tables_empty,
            to_rest=True,
        ),
        Invariant(
            "nothing_is_a_value",
            "None, a row that is not there, is kept as any other value.",
            _nothing_is_a_value,
            absent=True,
        ),
    )
}
"""Every invariant, by name."""
