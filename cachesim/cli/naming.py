"""What the command line names: a scenario and its changes, and somebody's own cache."""

from __future__ import annotations

import logging
import sys
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cachesim.console import BAD_INPUT, Stop
from cachesim.messages import told

if TYPE_CHECKING:
    from cachesim.scenario import Scenario
    from cachesim.world.nodes import Factory

__all__ = ["factory_named", "room_for_code", "scenario_named", "value_of", "without_logs"]


def scenario_named(name: str, changes: Sequence[str], seed: int | None) -> Scenario:
    """The scenario in a file or of a bundled name, changed as `--set` and `--seed` say."""
    from cachesim.scenario import bundled, load
    from cachesim.settings import ScenarioError

    known = bundled()
    try:
        scenario = load(known[name] if name in known and not Path(name).is_file() else name)
    except ScenarioError as error:
        others = f"; bundled scenarios: {', '.join(known)}" if str(error).endswith("no such file") else ""
        raise Stop(BAD_INPUT, f"{error}{others}") from None
    table = dict(map(_change, changes))
    if seed is not None:
        table["seed"] = seed
    try:
        return scenario.replace(**table) if table else scenario
    except ScenarioError as error:
        raise Stop(BAD_INPUT, f"{name}, changed by --set: {error}") from None


def _change(text: str) -> tuple[str, Any]:
    """A dotted name and a value: a TOML literal, else text.

    >>> _change("cache.ttl=5"), _change("cache.pattern=in-process")
    (('cache.ttl', 5), ('cache.pattern', 'in-process'))
    """
    name, equals, literal = text.partition("=")
    name = name.strip()
    if not equals or not all(name.split(".")):
        raise Stop(BAD_INPUT, f"--set: {text!r} is not allowed; FIELD=VALUE, as in cache.ttl=5")
    return name, value_of(literal)


def value_of(literal: str) -> Any:
    """What a TOML literal stands for; any other text stands for itself.

    >>> value_of("5"), value_of("[1, 2]"), value_of("in-process")
    (5, [1, 2], 'in-process')
    """
    try:
        table = tomllib.loads(f"value = {literal}")
    except (ValueError, RecursionError):
        return literal
    return table["value"] if len(table) == 1 else literal


def factory_named(text: str, option: str = "--cache") -> Factory:
    """What MODULE:FACTORY names, as `option` gives it."""
    name, _, path = text.partition(":")
    if not name or not path:
        raise Stop(BAD_INPUT, f"{option}: {text!r} is not allowed; MODULE:FACTORY, as in my_cache:factory")
    try:
        found: Any = import_module(name)
    except (Exception, SystemExit) as error:
        raise Stop(BAD_INPUT, f"{option}: the module {name!r} cannot be imported; {told(error)}") from None
    try:
        for attribute in path.split("."):
            found = getattr(found, attribute)
    except AttributeError as error:
        raise Stop(BAD_INPUT, f"{option}: {text!r} is not allowed; {error}") from None
    if not callable(found):
        raise Stop(BAD_INPUT, f"{option}: {text!r} is {found!r}; a factory is called with a node and returns a cache")
    return found  # type: ignore[no-any-return]


@contextmanager
def room_for_code() -> Iterator[None]:
    """Somebody's own code is imported from the working folder, and prints to standard error."""
    before = list(sys.path)
    sys.path.insert(0, "")
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        sys.path[:] = before


@contextmanager
def without_logs() -> Iterator[None]:
    """What libraries log of an outage would be a traceback a request on standard error; what comes of it is told."""
    root, handler = logging.getLogger(), logging.NullHandler()
    root.addHandler(handler)  # then the last resort has no say
    try:
        yield
    finally:
        root.removeHandler(handler)
