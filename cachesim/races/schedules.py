"""Schedules: who decides what happens next. By chance, by priorities, by the numbers of a search, or as it once was.

The first of the steps that a schedule is given is what happens if nobody interferes. To take another one is a *switch*;
if the actor at work could have gone on, it is *preempted*.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from cachesim.races.loop import CANCEL, CHANCE, PASS_TIME, Label, Step

__all__ = ["Following", "Numbered", "Priorities", "RandomWalk", "Replayed", "Straight"]

_OFTEN = 0.25
"""How often what is left to chance happens."""
_GOES_ON = 0.95
"""How often who is at work goes on, at most."""
_TIME = 0.08
"""How often time is let pass while something else could happen."""
_LEAVES = 0.03
"""How often a client leaves, where clients leave at all: in every other run."""


class Straight:
    """Nobody interferes: each request runs as far as it can, then the next one."""

    def choose(self, steps: Sequence[Step], place: int) -> int:
        return 0

    def chance(self, place: int) -> bool:
        return False


class RandomWalk:
    """Each step is drawn from all that are possible; time passes, and clients leave, more seldom.

    Who is at work goes on with a probability that differs from run to run: races need few switches, well placed.
    """

    def __init__(self, seed: str) -> None:
        self._rng = random.Random(seed)
        self._leaves = _LEAVES if self._rng.random() < 0.5 else 0.0
        self._goes_on = _GOES_ON * self._rng.random()

    def choose(self, steps: Sequence[Step], place: int) -> int:
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

    `alternatives`: at each place, how many steps were possible, and whether the actor at work could have gone on.
    """

    def __init__(self, numbers: Sequence[int]) -> None:
        self._numbers = numbers
        self.alternatives: list[tuple[int, bool]] = []
        self._actor: int | None = None

    def choose(self, steps: Sequence[Step], place: int) -> int:
        self.alternatives.append((len(steps), steps[0][1] == self._actor))
        index = self._next()
        if steps[index][0] not in (PASS_TIME, CANCEL):
            self._actor = steps[index][1]
        return index

    def chance(self, place: int) -> bool:
        self.alternatives.append((2, True))
        return self._next() == 1

    def _next(self) -> int:
        number = len(self.alternatives) - 1
        return self._numbers[number] if number < len(self._numbers) else 0


class Following:
    """The steps with these labels as far as they are possible; what is not is left out."""

    def __init__(self, labels: Sequence[Label]) -> None:
        self._labels = iter(labels)

    def choose(self, steps: Sequence[Step], place: int) -> int:
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

    def choose(self, steps: Sequence[Step], place: int) -> int:
        label = self._switches.get(place)
        if label is None:
            return 0
        return next((index for index, step in enumerate(steps) if step[:3] == label), 0)

    def chance(self, place: int) -> bool:
        return place in self._switches
