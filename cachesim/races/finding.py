"""`find_race`: one small scenario under many schedules, until one breaks an invariant."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Literal, get_args

from cachesim.races.asked import few_requests
from cachesim.races.history import History
from cachesim.races.invariants import INVARIANTS, Broken, Invariant
from cachesim.races.loop import ARRIVE, Schedule
from cachesim.races.race import Race
from cachesim.races.schedules import Bursts, Following, Numbered, Priorities, RandomWalk, Replayed
from cachesim.races.shrinking import Shown, shrunk, switches
from cachesim.races.stage import Stage
from cachesim.races.story import Story
from cachesim.races.telling import name_of, story_of
from cachesim.races.tokens import Token, check, digest
from cachesim.scenario import Scenario
from cachesim.world.apart import where_no_loop_runs
from cachesim.world.loop import SimulationError
from cachesim.world.nodes import Factory

__all__ = ["DivergedError", "Search", "find_race", "search"]

Strategy = Literal["mixed", "random", "priorities", "exhaustive"]
STRATEGIES = get_args(Strategy)
_PREEMPTIONS = 2
_OWN_CHANCE = "the cache draws chance or time from elsewhere, where `node.rng` and `node.clock` are the same each time"
_DEPTHS = (2, 3, 4, 5)
"""Of the priorities: in how many places a race needs a switch."""


class DivergedError(SimulationError):
    """A schedule cannot be replayed: the code is not what it was; the message says where it went another way."""


@dataclass(frozen=True)
class Search:
    """What came of a search: a race or none, after so many `schedules`.

    `complete`: every schedule was tried that preempts nobody more often than was asked; there is no other.
    """

    race: Race | None
    schedules: int
    complete: bool = False


def find_race(
    scenario: Scenario,
    *,
    cache: Factory | None = None,
    invariant: str | Invariant | Callable[[History], str | None],
    schedules: int = 1000,
    seed: int = 1,
    strategy: Strategy = "mixed",
    preemptions: int = _PREEMPTIONS,
    replay: str | None = None,
) -> Race | None:
    """A race in which a few requests of a scenario break an invariant of its cache; None if none was found.

    The same requests (`few_requests`: all of them if they are at most 8) run under so many `schedules`, which vary what
    takes how long, the order of what is ready, and where clients leave (unless the server works on when they do:
    `disconnect="ignore"`); faults are those of the scenario. What is found is shrunk. `cache`: your own, as for
    `simulate`.

    `invariant`: a name (`INVARIANTS`), or a function that is given the `History` of a run and says how it was broken,
    or None. `strategy`: "random", walks and bursts; "priorities", as in PCT; "mixed", all of them; "exhaustive", every
    schedule with at most so many `preemptions`, the fewest first. `replay`: the `schedule` of a race, to see it again;
    raises `DivergedError` if the code does not do any more what it did.

    Raises `ScenarioError`, `SimulationError` for what a simulation cannot do, and `ValueError` for other arguments.

    >>> import cachesim as cs
    >>> scenario = cs.Scenario(
    ...     arrivals=cs.arrivals.Constant(rate=10), keys=cs.keys.OneKey(), writes=0.3, duration=0.8,
    ...     cache=cs.Pattern("pitfall:cache-aside", ttl=10), database=cs.Database(latency=cs.latency.Constant(0.1)),
    ... )
    >>> race = find_race(scenario, invariant="no_stale_read_after_delete")
    >>> len(race.requests)
    3
    >>> print(race.message)
    read 3 came after the delete of '0' was acknowledged at version 1, and is served version 0
    """
    if replay is not None:
        return _replayed(scenario, cache, _invariant(invariant), replay)
    return search(
        scenario,
        cache=cache,
        invariant=invariant,
        schedules=schedules,
        seed=seed,
        strategy=strategy,
        preemptions=preemptions,
    ).race


def search(
    scenario: Scenario,
    *,
    cache: Factory | None = None,
    invariant: str | Invariant | Callable[[History], str | None],
    schedules: int = 1000,
    seed: int = 1,
    strategy: Strategy = "mixed",
    preemptions: int = _PREEMPTIONS,
    progress: Callable[[int], None] = lambda tried: None,
) -> Search:
    """What `find_race` does, and how far it came; `progress` is told how many schedules have been tried."""
    if strategy not in STRATEGIES:
        raise ValueError(f"strategy: {strategy!r} is not allowed; {', '.join(STRATEGIES)}")
    _whole("schedules", schedules, least=1)
    _whole("preemptions", preemptions, least=0)
    promise = _invariant(invariant)
    stage = _stage(scenario, cache, promise)
    if strategy == "exhaustive":
        runs = _exhaustively(stage, promise, preemptions)
    else:
        runs = _by_chance(stage, promise, seed, strategy)

    def work() -> Search:
        with stage.open():
            tried, complete = 0, True
            for shown in runs:
                tried += 1
                progress(tried)
                if shown is not None:
                    best = shrunk(stage, promise, shown)
                    return Search(_race(stage, scenario, promise, best, tried), tried)
                if tried == schedules:
                    complete = False
                    break
            return Search(None, tried, complete)

    return where_no_loop_runs(work, stage.stop)


def _whole(name: str, value: object, *, least: int) -> None:
    if type(value) is not int or value < least:
        raise ValueError(f"{name}: {value!r} is not allowed; a whole number from {least} on")


def _invariant(invariant: str | Invariant | Callable[[History], str | None]) -> Invariant:
    if isinstance(invariant, Invariant):
        return invariant
    if isinstance(invariant, str):
        if invariant not in INVARIANTS:
            raise ValueError(f"invariant: {invariant!r} is unknown; known: {', '.join(INVARIANTS)}")
        return INVARIANTS[invariant]
    if not callable(invariant):
        raise ValueError(f"invariant: {invariant!r} is not allowed; a name, or a function of a History")

    def check(history: History) -> Broken | None:
        message = invariant(history)
        return None if message is None else Broken(message)

    return Invariant(getattr(invariant, "__name__", "invariant"), invariant.__doc__ or "", check)


def _stage(scenario: Scenario, cache: Factory | None, invariant: Invariant) -> Stage:
    if invariant.absent:  # what is lost by a fault has to be loaded again
        scenario = scenario.model_copy(update={"faults": ()})
    asked = few_requests(scenario, writing=invariant.writing)
    return Stage(scenario, cache, asked, absent=invariant.absent, to_rest=invariant.to_rest)


# One schedule after the other: what each shows, or None


def _by_chance(stage: Stage, invariant: Invariant, seed: int, strategy: Strategy) -> Iterator[Shown | None]:
    cast, steps = range(len(stage.asked)), 1
    for number in count():
        name = f"{seed}/{number}"
        schedule: Schedule
        if strategy == "priorities" or (strategy == "mixed" and number % 4 == 3):
            schedule = Priorities(name, depth=_DEPTHS[number // 4 % len(_DEPTHS)], length=steps)
        else:
            schedule = (Bursts, RandomWalk)[number % 2](name)
        yield _shows(stage, invariant, schedule, cast, number)
        steps = max(steps, len(stage.taken))


def _exhaustively(stage: Stage, invariant: Invariant, preemptions: int) -> Iterator[Shown | None]:
    """Schedules without a preemption, then those with one, and so on; each is its numbers up to the last switch."""
    cast = range(len(stage.asked))
    waiting: list[deque[tuple[int, ...]]] = [deque() for _ in range(preemptions + 1)]
    waiting[0].append(())
    for cost, level in enumerate(waiting):
        while level:
            numbers = level.popleft()
            schedule = Numbered(numbers)
            yield _shows(stage, invariant, schedule, cast, 0)
            chosen = numbers + (0,) * (len(schedule.costs) - len(numbers))
            for place in range(len(numbers), len(chosen)):
                for number, more in enumerate(schedule.costs[place]):
                    if number and cost + more <= preemptions:
                        waiting[cost + more].append((*chosen[:place], number))


def _shows(stage: Stage, invariant: Invariant, schedule: Schedule, cast: Sequence[int], seed: int) -> Shown | None:
    history = stage.play(schedule, cast, seed=seed)
    return None if invariant.check(history) is None else Shown(tuple(cast), seed, tuple(stage.taken))


# What is told of a race


def _race(stage: Stage, scenario: Scenario, invariant: Invariant, shown: Shown, found: int) -> Race:
    came = [actor for kind, actor, _ in shown.taken if kind == ARRIVE and actor in shown.cast]
    cast = tuple(dict.fromkeys((*came, *shown.cast)))  # in order of arrival, so that the diagram reads from the left
    stage.play(Following(shown.taken), cast, seed=shown.seed)
    taken = list(stage.taken)
    places = {place: taken[place] for place in stage.switched}
    checks = {place: check(taken[:place]) for place in places}
    token = Token(cast, shown.seed, places, checks, "")
    broken, story = _seen(stage, scenario, invariant, token)
    if broken is None:
        raise SimulationError(f"{invariant.name} was broken, but not again by the same schedule; {_OWN_CHANCE}")
    return _told(stage, invariant, token._replace(digest=digest(story)), broken, story, found)


def _seen(stage: Stage, scenario: Scenario, invariant: Invariant, token: Token) -> tuple[Broken | None, Story]:
    """A run as a token says, and its story."""
    history = stage.play(Replayed(token.switches), token.cast, seed=token.seed, traced=True)
    broken = invariant.check(history)
    return broken, story_of(history, broken, stage.asked, token.cast, scenario.nodes)


def _told(stage: Stage, invariant: Invariant, token: Token, broken: Broken, story: Story, found: int) -> Race:
    who = "" if broken.actor is None else f"{name_of(broken.actor, stage.asked, token.cast)} "
    schedule = str(token)
    return Race(
        invariant=invariant.name,
        message=who + broken.message,
        requests=tuple(stage.asked[actor] for actor in token.cast),
        switches=switches(stage.taken),
        found=found,
        schedule=schedule,
        replay=f"cs.find_race(scenario{_given(stage.cache)}, invariant={invariant.name!r}, replay={schedule!r})",
        story=story,
    )


def _given(cache: Factory | None) -> str:
    name = getattr(cache, "__name__", "cache")
    return "" if cache is None else f", cache={name if name.isidentifier() else 'cache'}"


def _replayed(scenario: Scenario, cache: Factory | None, invariant: Invariant, schedule: str) -> Race:
    token = Token.parse(schedule)
    stage = _stage(scenario, cache, invariant)
    if max(token.cast) >= len(stage.asked):
        raise ValueError(f"{schedule!r} is a schedule of other requests: this scenario has {len(stage.asked)}")

    def work() -> Race:
        with stage.open():
            broken, story = _seen(stage, scenario, invariant, token)
            if broken is None or digest(story) != token.digest:
                kept = "" if broken is not None else f"{invariant.name} is kept now: "
                raise DivergedError(kept + _where_it_diverged(stage, token))
            return _told(stage, invariant, token, broken, story, found=1)

    return where_no_loop_runs(work, stage.stop)


def _where_it_diverged(stage: Stage, token: Token) -> str:
    taken, before = stage.taken, 0
    for place, label in token.switches.items():
        if place >= len(taken):
            return f"the run ended after {len(taken)} steps, where the one to replay switched at step {place}"
        if check(taken[:place]) != token.checks[place]:
            return f"the run went another way between step {before} and step {place} of the one to replay"
        if taken[place] != label:
            who = "time" if label[1] < 0 else name_of(label[1], stage.asked, token.cast)
            return f"at step {place} the run to replay went on with {who}, which is not possible now"
        before = place
    return f"the run took the same way until step {before}, the last switch of the one to replay, and then another"
