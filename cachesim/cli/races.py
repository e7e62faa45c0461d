"""`cachesim races`: the few requests of a scenario under many schedules, and the diagram of each race among them."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from cachesim.cli.caches import LibraryCache, cache_named
from cachesim.cli.naming import room_for_code, scenario_named, without_logs
from cachesim.console import BAD_INPUT, DONE, FAILED, Stop, progress, require_writable, show, tell, write
from cachesim.formatting import aligned
from cachesim.messages import told

if TYPE_CHECKING:
    from cachesim.races import Invariant, Race, Search
    from cachesim.races.asked import Asked
    from cachesim.races.story import Story
    from cachesim.scenario import Scenario
    from cachesim.world.nodes import Factory

__all__ = ["STRATEGIES", "races_command"]

_EXAMPLES = """\b
Examples:
  cachesim races stale-set --invariant no_stale_read_after_delete --svg race.svg
  cachesim races stale-set-leases --schedules 100 --check
  cachesim races hot-key --cache cashews:lock --invariant no_cancelled_follower
  cachesim races storm.toml --cache in-process --invariant single_flight --strategy exhaustive --preemptions 0
  cachesim races storm.toml --cache my_cache:factory --schedules 100 --json - | jq '.invariants[].race.message'
"""

STRATEGIES = ("mixed", "random", "priorities", "exhaustive")
"""A copy, so that help is quick; a test holds it to what there is."""


@click.command("races", epilog=_EXAMPLES)
@click.argument("scenario")
@click.option("--cache", metavar="CACHE", help="Another cache in the place of the scenario's.")
@click.option(
    "--invariant",
    "invariants",
    metavar="INVARIANT",
    multiple=True,
    help="What must never happen. Repeatable.  [default: what the pattern promises; all, of what promises nothing]",
)
@click.option(
    "--schedules",
    metavar="N",
    type=click.IntRange(1, 10**9),
    default=1000,
    show_default=True,
    help="How many to try for each invariant.",
)
@click.option(
    "--seed", metavar="N", type=click.IntRange(min=0), default=1, show_default=True, help="The seed of the schedules."
)
@click.option("--set", "changes", metavar="FIELD=VALUE", multiple=True, help="Change a field: nodes=2. Repeatable.")
@click.option(
    "--strategy",
    type=click.Choice(STRATEGIES),
    default="mixed",
    show_default=True,
    help="By chance: walks, priorities, both in turn. Or one schedule after the other.",
)
@click.option(
    "--preemptions",
    metavar="N",
    type=click.IntRange(0, 100),
    default=2,
    show_default=True,
    help="How often exhaustive schedules interrupt who could go on, at most.",
)
@click.option("--replay", metavar="SCHEDULE", help="See a race again, by the line that it ended with.")
@click.option("--json", "json_file", metavar="FILE", help="Write JSON; '-' for standard output, instead of the text.")
@click.option("--svg", "svg_file", metavar="FILE", help="Draw the first race: .svg.")
@click.option("--check", is_flag=True, help="Exit with status 1 if an invariant is broken.")
def races_command(
    scenario: str,
    cache: str | None,
    invariants: Sequence[str],
    schedules: int,
    seed: int,
    changes: Sequence[str],
    strategy: str,
    preemptions: int,
    replay: str | None,
    json_file: str | None,
    svg_file: str | None,
    check: bool,
) -> int:
    """Look for a schedule of the requests of SCENARIO, a file or a bundled one, that breaks an invariant of its cache.

    The same few requests run under many schedules, which vary what takes how long, the order of what is ready, and
    where clients leave. What breaks an invariant is shrunk to few requests and switches, and shown as a sequence
    diagram with the command that repeats it.

    A CACHE is a pattern by name (with options, as in early-recompute+beta=2), LIBRARY:VARIANT for a released
    library's, or MODULE:FACTORY for your own.
    """
    chosen = scenario_named(scenario, changes, None)
    require_writable("--json", None if json_file == "-" else json_file)
    require_writable("--svg", svg_file, (".svg",))
    options = {"strategy": strategy, "seed": seed, "schedules": schedules, "preemptions": preemptions}
    with room_for_code(), without_logs():
        question = _question(scenario, chosen, cache, invariants, changes)
        found = _searched(question, options) if replay is None else _replayed(question, replay)
    answer = _Answer(question, found, None if replay else options, replay)
    if json_file == "-":
        show(_json(answer))
    else:
        show("\n".join(_text(answer)))
        if json_file is not None:
            write("--json", json_file, _json(answer) + b"\n")
    if svg_file is not None:
        _draw(answer, svg_file)
    return _verdict(answer) if check else DONE


# What is asked


@dataclass(frozen=True)
class _Question:
    """Which invariants of which cache; `promised`: what it promises; `command`: what was typed, to be repeated."""

    name: str
    scenario: Scenario
    cache: str | None
    factory: Factory | None
    invariants: Sequence[Invariant]
    promised: Sequence[str]
    command: Sequence[str]

    def asked(self, *, writing: bool) -> tuple[Asked, ...]:
        """The few requests, one of them `writing` if it has to be."""
        from cachesim.races.asked import few_requests
        from cachesim.settings import ScenarioError

        try:
            return few_requests(self.scenario, writing=writing)
        except ScenarioError as error:
            raise Stop(BAD_INPUT, f"{self.name}: {error}") from None


def _question(
    name: str, scenario: Scenario, cache: str | None, invariants: Sequence[str], changes: Sequence[str]
) -> _Question:
    from cachesim.races import INVARIANTS
    from cachesim.races.promises import promised
    from cachesim.scenario import Pattern

    for known in invariants:
        if known not in INVARIANTS:
            raise Stop(BAD_INPUT, f"--invariant: {known!r} is unknown; known: {', '.join(INVARIANTS)}")
    named = scenario.cache if cache is None else cache_named(cache, scenario.cache, "--cache")
    factory = None if isinstance(named, Pattern) else named
    if isinstance(named, Pattern):
        scenario = scenario.replace(cache=named)
    promises = promised(scenario.cache, nodes=scenario.nodes) if factory is None else ()
    chosen = [INVARIANTS[known] for known in dict.fromkeys(invariants or promises or INVARIANTS)]
    sets = [word for change in changes for word in ("--set", change)]
    own = [] if cache is None else ["--cache", cache]
    return _Question(name, scenario, cache, factory, chosen, promises, ["cachesim", "races", name, *sets, *own])


# What is found


@dataclass(frozen=True)
class _Answer:
    """What was found, by invariant; either with the `options` of a search, or as the `replay` of a schedule."""

    question: _Question
    found: Mapping[str, Search]
    options: Mapping[str, Any] | None
    replay: str | None

    @property
    def races(self) -> list[Race]:
        return [search.race for search in self.found.values() if search.race is not None]


def _searched(question: _Question, options: Mapping[str, Any]) -> dict[str, Search]:
    """A search for each invariant."""
    from cachesim.races import search

    found: dict[str, Search] = {}
    with progress(options["schedules"] * len(question.invariants), "schedules") as report:
        for place, invariant in enumerate(question.invariants):
            before = place * options["schedules"]

            def tell_progress(tried: int, before: int = before) -> None:
                if report is not None:
                    report(before + tried)

            with _failures_of(question.name, f"the search for {invariant.name}"):
                came = search(
                    question.scenario,
                    cache=question.factory,
                    invariant=invariant,
                    progress=tell_progress,
                    **options,
                )
            found[invariant.name] = _repeatable(question, came)
    return found


def _replayed(question: _Question, schedule: str) -> dict[str, Search]:
    """The run of that schedule, which has to break the one invariant again."""
    from cachesim.races import Search, find_race
    from cachesim.races.tokens import Token

    if len(question.invariants) != 1:
        raise Stop(BAD_INPUT, "--replay: needs one --invariant, as in the command that a race ends with")
    (invariant,) = question.invariants
    try:
        token = Token.parse(schedule)
    except ValueError as error:
        raise Stop(BAD_INPUT, f"--replay: {error}") from None
    requests = len(question.asked(writing=invariant.writing))
    if max(token.cast) >= requests:
        raise Stop(BAD_INPUT, f"--replay: {schedule!r} is a schedule of other requests: here are {requests}")
    with _failures_of(question.name, "the replay"):
        race = find_race(question.scenario, cache=question.factory, invariant=invariant, replay=schedule)
    return {invariant.name: _repeatable(question, Search(race, 1))}


@contextmanager
def _failures_of(name: str, what: str) -> Iterator[None]:
    from cachesim.races import DivergedError
    from cachesim.settings import ScenarioError

    try:
        yield
    except ScenarioError as error:
        raise Stop(BAD_INPUT, f"{name}: {error}") from None
    except DivergedError as error:
        raise Stop(FAILED, f"{name}: {what} failed; {error}") from None
    except (Exception, SystemExit) as error:
        raise Stop(FAILED, f"{name}: {what} failed; {told(error)}") from None


def _repeatable(question: _Question, search: Search) -> Search:
    """The same, but that a race is repeated by a command."""
    race = search.race
    if race is None:
        return search
    command = shlex.join([*question.command, "--invariant", race.invariant, "--replay", race.schedule])
    return replace(search, race=replace(race, replay=command))


# What is told


def _text(answer: _Answer) -> Iterator[str]:
    from cachesim.summary import Summary

    question = answer.question
    yield from filter(None, [question.scenario.title])
    yield f"Cache: {Summary(question.scenario, [], question.cache if question.factory else None).caching}"
    yield f"Requests: {_requests(question)}"
    yield from ("", "Invariants")
    rows = [[f"  {name}", _outcome(answer, search), _promise(question, name)] for name, search in answer.found.items()]
    yield from aligned(rows, "<<<")
    shown: dict[Story, str] = {}
    for race in answer.races:
        yield ""
        if race.story in shown:
            yield f"{race.invariant} is broken in the run that breaks {shown[race.story]}"
            yield f"\nAgain: {race.replay}"
        else:
            shown[race.story] = race.invariant
            yield str(race)


def _requests(question: _Question) -> str:
    """How many read and write what, and whether the scenario has them do so."""
    asked = question.asked(writing=False)
    keys = list(dict.fromkeys(key for one in asked for key in one.keys))
    others = f" and {_number(len(keys) - 1, 'other key')}" if len(keys) > 1 else ""
    text = f"{_counts(asked)} {keys[0]!r}{others}"
    if any(one.writes for one in asked) or not any(invariant.writing for invariant in question.invariants):
        return text
    return f"{text}; {_counts(question.asked(writing=True))} where an invariant is about writes"


def _counts(asked: Sequence[Asked]) -> str:
    writes = sum(one.writes for one in asked)
    counts = ((len(asked) - writes, "read"), (writes, "write"))
    return " and ".join(f"{count} {verb}{'s' if count == 1 else ''}" for count, verb in counts if count)


def _outcome(answer: _Answer, search: Search) -> str:
    race = search.race
    if race is not None:
        found = "" if answer.options is None else f" by schedule {race.found:,}"
        return f"broken{found}: {_number(len(race.requests), 'request')}, {_number(race.switches, 'switch', 'es')}"
    assert answer.options is not None
    if search.complete:
        most = _number(answer.options["preemptions"], "preemption")
        return f"kept in all {_number(search.schedules, 'schedule')} with at most {most}"
    return f"kept in {_number(search.schedules, 'schedule')}"


def _number(count: int, noun: str, ending: str = "s") -> str:
    return f"{count:,} {noun}{'' if count == 1 else ending}"


def _promise(question: _Question, name: str) -> str:
    if not question.promised:
        return ""
    return "promised" if name in question.promised else "not promised"


def _draw(answer: _Answer, file: str) -> None:
    if answer.races:
        write("--svg", file, answer.races[0].svg.encode() + b"\n")
    else:
        tell(f"--svg: {file!r} is not written: no race was found")


def _verdict(answer: _Answer) -> int:
    broken = [race.invariant for race in answer.races]
    if not broken:
        return DONE
    name, tried = answer.question.name, len(answer.found)
    tell(f"{name}: {len(broken)} of {tried} invariant(s) broken: {', '.join(broken)}")
    return FAILED


# JSON


def _json(answer: _Answer) -> bytes:
    from cachesim.schemas import document

    question, factory = answer.question, answer.question.factory
    library = None
    if isinstance(factory, LibraryCache):
        library = {"name": factory.name, "ttl": factory.ttl, "versions": factory.versions}
    fields = {
        "scenario": question.scenario.table(),
        "cache": question.cache if factory else None,
        "library": library,
        "search": answer.options,
        "replay": answer.replay,
        "invariants": [
            {
                "name": invariant.name,
                "promise": invariant.promise,
                "promised": invariant.name in question.promised,
                "requests": _table(question.asked(writing=invariant.writing)),
                "schedules": answer.found[invariant.name].schedules,
                "complete": answer.found[invariant.name].complete,
                "race": _race(answer.found[invariant.name].race),
            }
            for invariant in question.invariants
        ],
    }
    return document("races/1", fields)


def _table(requests: Sequence[Asked]) -> list[dict[str, Any]]:
    return [{"time": one.time, "keys": one.keys, "node": one.node, "writes": one.writes} for one in requests]


def _race(race: Race | None) -> dict[str, Any] | None:
    if race is None:
        return None
    return {
        "message": race.message,
        "requests": _table(race.requests),
        "switches": race.switches,
        "found": race.found,
        "schedule": race.schedule,
        "replay": race.replay,
        "diagram": race.diagram,
    }
