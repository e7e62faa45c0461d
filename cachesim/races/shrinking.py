"""A race with as few requests and switches as still show it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from cachesim.races.invariants import Invariant
from cachesim.races.loop import ARRIVE, CANCEL, CHANCE, OPERATE, PASS_TIME, RUN, Label, Schedule
from cachesim.races.schedules import Bursts, Following, Numbered, RandomWalk
from cachesim.races.stage import Stage

__all__ = ["Shown", "shrunk", "switches"]

_FRESH = 300
"""Schedules that are tried on fewer requests, when the one at hand does not do."""
_ONE_SWITCH = 500
_MOST = 3_000
"""Runs that shrinking may take."""


class Shown(NamedTuple):
    """A run that shows a race: its requests by number, the seed of the caches, and the steps it took."""

    cast: tuple[int, ...]
    seed: int
    taken: tuple[Label, ...]

    @property
    def cost(self) -> tuple[int, int, int]:
        return len(self.cast), switches(self.taken), len(self.taken)


def switches(taken: Sequence[Label]) -> int:
    """How often the work goes from one actor to another, time passes, a client leaves, or chance has its way."""
    at_work = [label[1] for label in taken if label[0] in (RUN, OPERATE, ARRIVE)]
    changes = sum(one != other for one, other in pairwise(at_work))
    return changes + sum(label[0] in (PASS_TIME, CANCEL) or label[:2] == (CHANCE, 1) for label in taken)


def shrunk(stage: Stage, invariant: Invariant, shown: Shown) -> Shown:
    """A run of no more requests, and of those with no more switches; what is found first is taken."""
    return _Shrinking(stage, invariant).of(shown)


class _Shrinking:
    def __init__(self, stage: Stage, invariant: Invariant) -> None:
        self._stage, self._invariant, self._left = stage, invariant, _MOST

    def of(self, shown: Shown) -> Shown:
        shown = self._fewer_requests(shown)
        shown = self._first_that_improves(shown, iter([(Following(shown.taken), 0)]))
        shown = self._one_switch(self._no_more_than_needed(shown))
        while (better := self._first_that_improves(shown, self._variants(shown))) != shown:
            shown = better
        return self._no_more_than_needed(shown)

    def _try(self, schedule: Schedule, cast: Sequence[int], seed: int) -> Shown | None:
        """What a run shows; nothing if it keeps the promise."""
        self._left -= 1
        history = self._stage.play(schedule, cast, seed=seed)
        if self._invariant.check(history) is None:
            return None
        return Shown(tuple(cast), seed, tuple(self._stage.taken))

    def _fewer_requests(self, shown: Shown) -> Shown:
        for actor in reversed(shown.cast):
            rest = tuple(other for other in shown.cast if other != actor)
            if rest and (fewer := self._of_these(rest, shown)) is not None:
                return self._fewer_requests(fewer)
        return shown

    def _of_these(self, cast: tuple[int, ...], shown: Shown) -> Shown | None:
        """The race among these requests alone: in the same order of things, or in a new one."""
        if (found := self._try(Following(shown.taken), cast, shown.seed)) is not None:
            return found
        for number in range(min(_FRESH, self._left)):
            schedule = (Bursts, RandomWalk)[number % 2](f"{cast}/{number}")
            if (found := self._try(schedule, cast, shown.seed)) is not None:
                return found
        return None

    def _no_more_than_needed(self, shown: Shown) -> Shown:
        """The race after which nobody interferes any more: the shortest beginning of its steps that leads to it."""
        taken, too_few, enough = shown.taken, -1, len(shown.taken)
        while enough - too_few > 1:
            middle = (too_few + enough) // 2
            found = self._try(Following(taken[:middle]), shown.cast, shown.seed)
            if found is None:
                too_few = middle
            else:
                enough, shown = middle, found
        return shown

    def _one_switch(self, shown: Shown) -> Shown:
        """The race with one switch, should there be such."""
        straight = Numbered(())
        if (found := self._try(straight, shown.cast, shown.seed)) is not None:
            return found
        tried = 0
        for place, costs in enumerate(straight.costs):
            for number in range(1, len(costs)):
                tried += 1
                if tried > _ONE_SWITCH or self._left < 0:
                    return shown
                found = self._try(Numbered([0] * place + [number]), shown.cast, shown.seed)
                if found is not None and found.cost < shown.cost:
                    shown = found
        return shown

    def _first_that_improves(self, shown: Shown, schedules: Iterator[tuple[Schedule, int]]) -> Shown:
        for schedule, seed in schedules:
            if self._left < 0:
                break
            found = self._try(schedule, shown.cast, seed)
            if found is not None and (found.cost < shown.cost or seed < shown.seed):
                return found
        return shown

    def _variants(self, shown: Shown) -> Iterator[tuple[Schedule, int]]:
        """The same with a step left out that need not be, or with two stretches of an actor put together."""
        taken = shown.taken
        for place, label in enumerate(taken):
            if label[0] in (PASS_TIME, CANCEL, CHANCE):
                yield Following(taken[:place] + taken[place + 1 :]), shown.seed
        stretches = list(_stretches(taken))
        for first, (begin, end) in enumerate(stretches):
            for later_begin, later_end in stretches[first + 1 :]:
                if taken[begin][1] == taken[later_begin][1]:
                    before, one, between = taken[:begin], taken[begin:end], taken[end:later_begin]
                    other, rest = taken[later_begin:later_end], taken[later_end:]
                    yield Following(before + one + other + between + rest), shown.seed
                    yield Following(before + between + one + other + rest), shown.seed


def _stretches(taken: Sequence[Label]) -> Iterator[tuple[int, int]]:
    """Where each stretch of steps of one actor begins and ends."""
    begin = 0
    for place in range(1, len(taken) + 1):
        if place == len(taken) or taken[place][1] != taken[begin][1]:
            yield begin, place
            begin = place
