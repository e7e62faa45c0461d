"""From the history of a run to the story that a sequence diagram tells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cachesim.races.asked import Asked
from cachesim.races.history import (
    Acknowledged,
    Arrived,
    Committed,
    Delivered,
    Ended,
    Event,
    Executed,
    History,
    Left,
    LoadBegan,
    LoadEnded,
    Replied,
    TimePassed,
)
from cachesim.races.invariants import Broken
from cachesim.races.story import Arrow, Line, Note, Pause, Story

__all__ = ["name_of", "story_of"]

_CHORUS, _TWICE = 8, 2
_REDIS, _DATABASE = "Redis", "database"


def name_of(actor: int, asked: Sequence[Asked], cast: Sequence[int]) -> str:
    """What an actor is called: the requests in `cast` are counted from 1."""
    if actor in cast:
        return f"{'write' if asked[actor].writes else 'read'} {list(cast).index(actor) + 1}"
    return "the last read" if actor >= len(asked) else "a request"


def story_of(history: History, broken: Broken | None, asked: Sequence[Asked], cast: Sequence[int], nodes: int) -> Story:
    """The story of a run of the requests in `cast` in which a promise was broken."""
    teller = _Teller(_events_told(history, broken, len(asked)), asked, cast, nodes)
    lines = _folded(list(teller.lines(broken)))
    used = {name for line in lines for name in _places(line)}
    return Story(tuple(name for name in (*teller.names.values(), _REDIS, _DATABASE) if name in used), tuple(lines))


def _events_told(history: History, broken: Broken | None, requests: int) -> Sequence[Event]:
    """Without the last reads, where they are not what shows the race."""
    if broken is not None and broken.actor is not None and broken.actor >= requests:
        return history.events
    first = (
        place for place, event in enumerate(history.events) if isinstance(event, Arrived) and event.actor >= requests
    )
    return history.events[: next(first, None)]


def _folded(lines: list[Line]) -> list[Line]:
    """What is the same again and again, as where somebody polls, is told once."""
    folded: list[Line] = []
    place = 0
    while place < len(lines):
        length, times = max(((length, _times(lines, place, length)) for length in range(1, _CHORUS)), key=_saved)
        folded += lines[place : place + length]
        if times > _TWICE:
            folded.append(Pause(f"the same again {times - 1} times"))
        else:
            times = 1
        place += length * times
    return folded


def _times(lines: Sequence[Line], place: int, length: int) -> int:
    """How often the next lines, so many, stand there one after the other."""
    chorus, times = lines[place : place + length], 1
    while lines[place + times * length : place + (times + 1) * length] == chorus:
        times += 1
    return times


def _saved(chorus: tuple[int, int]) -> int:
    length, times = chorus
    return length * (times - 1) if times > _TWICE else 0


def _places(line: Line) -> tuple[str, ...]:
    match line:
        case Arrow():
            return line.source, line.target
        case Note():
            return (line.where,)
    return ()


class _Teller:
    def __init__(self, events: Sequence[Event], asked: Sequence[Asked], cast: Sequence[int], nodes: int) -> None:
        self._events, self._nodes = events, nodes
        self._several = len({key for actor in cast for key in asked[actor].keys}) > 1
        came = [event.actor for event in events if isinstance(event, Arrived)]
        last = [actor for actor in came if actor >= len(asked)]
        self.names = {actor: name_of(actor, asked, cast) for actor in came}
        if len(last) > 1:
            self.names |= {actor: f"last read {number}" for number, actor in enumerate(last, 1)}

    def _name(self, actor: int) -> str:
        return self.names.setdefault(actor, "cache")

    def lines(self, broken: Broken | None) -> Iterator[Line]:
        """Line by line; a question and the answer that follows at once stand on one."""
        events = self._events
        keys = {event.number: event.key for event in events if isinstance(event, LoadBegan)}
        told = set()
        for place, event in enumerate(events):
            if place in told:
                continue
            following = events[place + 1] if place + 1 < len(events) else None
            name = self._name(event.actor) if not isinstance(event, TimePassed) else ""
            match event:
                case Executed() if _answers(event, following):
                    told.add(place + 1)
                    yield Arrow(name, _REDIS, f"{event.command}: {event.reply}", "both")
                case Executed():
                    yield Arrow(name, _REDIS, f"{event.command}: {event.reply}")
                case Replied(error=error) if error:
                    yield Arrow(_REDIS, name, f"{event.command}: {error}", "reply")
                case Replied():
                    yield Arrow(_REDIS, name, f"the reply to {event.command}", "reply")
                case LoadBegan(number=number) if isinstance(following, LoadEnded) and following.number == number:
                    told.add(place + 1)
                    yield Arrow(name, _DATABASE, f"load{self._of(event.key)}: {_version(following.version)}", "both")
                case LoadBegan():
                    yield Arrow(name, _DATABASE, f"load{self._of(event.key)}")
                case LoadEnded(version=None):
                    yield Note(name, f"waits for the load{self._of(keys[event.number])} no more")
                case LoadEnded():
                    yield Arrow(_DATABASE, name, f"{_version(event.version)}{self._of(keys[event.number])}", "reply")
                case Delivered(node=None):
                    yield Arrow(name, _REDIS, event.content)
                case Delivered() if event.content.startswith("message: "):
                    yield Note(_REDIS, f"tells node {event.node} the {event.content}")
                case Delivered():
                    yield Arrow(_REDIS, name, event.content, "reply")
                case _:
                    yield self._noted(event, name, broken if broken is not None and broken.event == place else None)
            if broken is not None and broken.event == place and not isinstance(event, Ended):
                yield Note(name, broken.message, broken=True)
        if broken is not None and broken.event is None:
            where = self._name(broken.actor) if broken.actor is not None else next(iter(self.names.values()))
            yield Note(where, broken.message, broken=True)

    def _noted(self, event: Event, name: str, broken: Broken | None) -> Line:
        match event:
            case Arrived():
                node = f" at node {event.node}" if self._nodes > 1 else ""
                asks = f", asks {', '.join(event.keys)}" if self._several else ""
                return Note(name, f"arrives{node}{asks}")
            case Committed():
                return Arrow(name, _DATABASE, f"write{self._of(event.key)}: version {event.version}")
            case Acknowledged():
                return Note(name, f"the {'write' if event.kept else 'delete'}{self._of(event.key)} is acknowledged")
            case Left():
                return Note(name, "its client leaves")
            case TimePassed():
                return Pause(f"{event.seconds:g} s {'passes' if event.seconds == 1 else 'pass'}")
            case Ended() if broken is not None:
                return Note(name, broken.message, broken=True)
            case Ended(error=None):
                served = "done" if event.version is None else f"is served {_version(event.version)}"
                return Note(name, served + self._of(event.key))
            case Ended():
                return Note(name, f"ends in {type(event.error).__name__}{self._of(event.key)}")
        raise TypeError(event)

    def _of(self, key: str) -> str:
        return f" of {key}" if self._several else ""


def _answers(event: Executed, following: Event | None) -> bool:
    return isinstance(following, Replied) and following[:2] == event[:2] and not following.error


def _version(version: int | None) -> str:
    return "no answer" if version is None else f"version {version}"
