"""Schedules: who decides what happens next. By chance in three ways, by the numbers of a search, or as it once was.

The first of the steps that a schedule is given is what happens if nobody interferes. To take another one is a *switch*;
if the actor at work could have gone on, it is *preempted*.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from cachesim.races.loop import ARRIVE, CANCEL, CHANCE, OPERATE, PASS_TIME, RUN, Label, Step
from cachesim.world.database import Query
from cachesim.world.handles import Timer

__all__ = ["Bursts", "Following", "Numbered", "Priorities", "RandomWalk", "Replayed"]

_OFTEN = 0.25
"""How often what is left to chance happens."""
_GOES_ON = 0.95
"""How often who is at work goes on, at most."""
_TIME = 0.08
"""How often time is let pass while something else could happen."""
_STRAYS = 0.2
"""How often a burst is interrupted, at most."""
_LEAVES = 0.03
"""How often a client leaves, where clients leave at all: in every other run."""


class RandomWalk:
    """Each step is drawn from all that are possible; time passes, and clients leave, more seldom.

    Who is at work goes on with a probability that differs from run to run: races need few switches, well placed.
    """

    def __init__(self, seed: str) -> None:
        self._rng = random.Random(seed)
        self._leaves = _LEAVES if self._rng.random() < 0.5 else 0.0
        self._goes_on = _GOES_ON * self._rng.random()

    def choose(self, steps: Sequence[Step], place: int, at_work: int) -> int:
        ordinary = len(steps)
        while ordinary and steps[ordinary - 1][0] == CANCEL:
            ordinary -= 1
        draw = self._rng.random
        if ordinary < len(steps) and draw() < self._leaves:
            return ordinary + int(draw() * (len(steps) - ordinary))
        if ordinary and steps[ordinary - 1][0] == PASS_TIME:
            if ordinary == 1 or draw() < _TIME:
                return ordinary - 1
            ordinary -= 1
        return self._among(steps, ordinary) if ordinary else 0

    def _among(self, steps: Sequence[Step], ordinary: int) -> int:
        draw = self._rng.random
        return 0 if draw() < self._goes_on else int(draw() * ordinary)

    def chance(self, place: int) -> bool:
        return self._rng.random() < _OFTEN


class Bursts:
    """One thing happens from outside, a request arrives, a load ends, a client leaves; then everything else runs.

    Nearly: now and then any other step comes first. What needs several things to happen in the midst of a load is found
    sooner like this, for nothing is drawn meanwhile.
    """

    def __init__(self, seed: str) -> None:
        self._rng = random.Random(seed)
        self._leaves = self._rng.random() < 0.5
        self._strays = _STRAYS * self._rng.random()
        self._slow = (Query, Timer) if self._rng.random() < 0.5 else (Query,)

    def choose(self, steps: Sequence[Step], place: int, at_work: int) -> int:
        draw = self._rng.random
        outside = []
        for index, step in enumerate(steps):
            if step[0] == RUN or (step[0] == OPERATE and not self._is_slow(step[3][2])):
                return index if draw() >= self._strays else int(draw() * len(steps))
            if step[0] in (ARRIVE, OPERATE) or (step[0] == CANCEL and self._leaves):
                outside.append(index)
            elif step[0] == PASS_TIME and (len(steps) == 1 or draw() < _TIME):
                return index
        return outside[int(draw() * len(outside))] if outside else 0

    def _is_slow(self, operation: Any) -> bool:
        """Whether it comes from outside: a load, and in every other run what is on its way over a connection."""
        return isinstance(operation, self._slow) and getattr(operation, "reads", True)

    def chance(self, place: int) -> bool:
        return self._rng.random() < _OFTEN


class Priorities(RandomWalk):
    """The possible step of the actor with the highest priority is next; now and then the one at work loses its own.

    Actors have priorities in random order, and at `depth` - 1 random steps of about `length` the one about to move
    falls behind all others: of n actors, a race that needs `depth` things in order is found with probability
    1 / (n length^(depth - 1)) or more (Burckhardt, Kothari, Musuvathi, Nagarakatte, ASPLOS 2010).
    """

    def __init__(self, seed: str, *, depth: int, length: int) -> None:
        super().__init__(seed)
        self._ranks: dict[int, float] = {}
        self._steps = 0
        self._falls = {int(self._rng.random() * length) for _ in range(depth - 1)}

    def _among(self, steps: Sequence[Step], ordinary: int) -> int:
        self._steps += 1
        best = self._first(steps, ordinary)
        if self._steps in self._falls:
            self._ranks[steps[best][1]] = -self._steps
            best = self._first(steps, ordinary)
        return best

    def _first(self, steps: Sequence[Step], ordinary: int) -> int:
        ranks = self._ranks
        best, highest = 0, float("-inf")
        for index in range(ordinary):
            actor = steps[index][1]
            rank = ranks.get(actor)
            if rank is None:
                rank = ranks[actor] = self._rng.random()
            if rank > highest:
                best, highest = index, rank
        return best


class Numbered:
    """The steps with these numbers, at each place where there is a choice; from then on nobody interferes.

    `costs`: for each place, and each step possible there, the preemptions that it costs: one if the actor at work could
    have gone on, or if a client leaves, or if time passes before it must.
    """

    def __init__(self, numbers: Sequence[int]) -> None:
        self._numbers = numbers
        self.costs: list[Sequence[int]] = []

    def choose(self, steps: Sequence[Step], place: int, at_work: int) -> int:
        first = steps[0][1]
        self.costs.append(
            [
                int(step[0] in (CANCEL, PASS_TIME) or (first == at_work and step[1] != at_work)) if number else 0
                for number, step in enumerate(steps)
            ]
        )
        return self._next()

    def chance(self, place: int) -> bool:
        self.costs.append((0, 1))
        return self._next() == 1

    def _next(self) -> int:
        number = len(self.costs) - 1
        return self._numbers[number] if number < len(self._numbers) else 0


class Following:
    """The steps with these labels as far as they are possible; what is not is left out."""

    def __init__(self, labels: Sequence[Label]) -> None:
        self._labels = iter(labels)

    def choose(self, steps: Sequence[Step], place: int, at_work: int) -> int:
        possible = {step[:3]: index for index, step in enumerate(steps)}
        for label in self._labels:
            if label in possible:
                return possible[label]
        return 0

    def chance(self, place: int) -> bool:
        return next(self._labels, None) == (CHANCE, 1, 0)


class Replayed:
    """At some places the step of that label, if it is possible; otherwise nobody interferes."""

    def __init__(self, switches: Mapping[int, Label]) -> None:
        self._switches = switches

    def choose(self, steps: Sequence[Step], place: int, at_work: int) -> int:
        label = self._switches.get(place)
        if label is None:
            return 0
        return next((index for index, step in enumerate(steps) if step[:3] == label), 0)

    def chance(self, place: int) -> bool:
        return place in self._switches
