"""What `--caches` and `--cache` name: patterns with their options, caches of released libraries, and somebody's own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cachesim.cli.naming import factory_named, value_of
from cachesim.console import BAD_INPUT, Stop
from cachesim.messages import one_line

if TYPE_CHECKING:
    from cachesim.scenario import Pattern
    from cachesim.world.nodes import Factory, Node

__all__ = ["LibraryCache", "cache_named", "listed_caches", "own_or_library"]

_OWN = "scenario"
"""The scenario's own cache."""


@dataclass(frozen=True)
class LibraryCache:
    """A factory of a released library's cache, whose values live for `ttl` s; `name` is one of `adapters.names()`."""

    name: str
    ttl: float
    make: Factory = field(repr=False, compare=False)

    def __call__(self, node: Node) -> Any:
        return self.make(node)

    @property
    def versions(self) -> dict[str, str]:
        """The versions of the distributions that it needs."""
        from cachesim import adapters

        return adapters.versions([self.name])


def cache_named(text: str, own: Pattern, option: str = "--caches") -> Pattern | Factory:
    """The cache that an item of `option` names; `own` is the scenario's.

    >>> from cachesim.scenario import Pattern
    >>> own = Pattern("cache-aside", ttl=10, single_flight="none")
    >>> cache_named("early-recompute+beta=2.0", own)
    Pattern('early-recompute', ttl=10.0, single_flight='none', beta=2.0)
    >>> cache_named("stale-while-revalidate+stale_for=60.0", own)
    Pattern('stale-while-revalidate', fresh_for=10.0, stale_for=60.0, single_flight='none')
    >>> cache_named("cashews:lock", own)
    LibraryCache(name='cashews:lock', ttl=10.0)
    """
    from cachesim import adapters
    from cachesim.world.caches import CACHES

    name, *given = re.split(r"\+(?=[a-z]\w*=)", text)
    options = dict(map(_option, given))
    pattern = own.pattern if name == _OWN else name.removeprefix("cachesim:")
    if pattern in CACHES:
        return _pattern(option, text, pattern, own, options)
    if name in adapters.names():
        return _library(option, text, name, own, options)
    libraries = [known for known in adapters.names() if known.partition(":")[0] == name.partition(":")[0]]
    if given or libraries or ":" not in name:
        known = ", ".join(libraries or [_OWN, *CACHES])
        others = "" if libraries else "; LIBRARY:VARIANT for a released library's, MODULE:FACTORY for your own"
        raise Stop(BAD_INPUT, f"{option}: {name!r} is unknown; known: {known}{others}")
    return factory_named(name, option)


def own_or_library(text: str, own: Pattern) -> Factory:
    """What `--cache` of one run names: MODULE:FACTORY, or a released library's cache."""
    from cachesim import adapters

    return _library("--cache", text, text, own, {}) if text in adapters.names() else factory_named(text)


def _option(text: str) -> tuple[str, Any]:
    name, _, literal = text.partition("=")
    return name, value_of(literal)


def _lifetime(own: Pattern) -> float | None:
    """How long the scenario's cache keeps a value (s), if it says so."""
    return own.options.get("ttl", own.options.get("fresh_for"))


def _pattern(option: str, text: str, name: str, own: Pattern, given: Mapping[str, Any]) -> Pattern:
    """A pattern with the options of the scenario's cache that it has, and those given."""
    from cachesim.scenario import Pattern
    from cachesim.settings import ScenarioError
    from cachesim.world.caches import CACHES

    known = CACHES[name].options_type.model_fields
    lifetime = _lifetime(own)
    taken = {**own.options, **({} if lifetime is None else {"ttl": lifetime, "fresh_for": lifetime})}
    options = {**{field: value for field, value in taken.items() if field in known}, **given}
    missing = [name for name, field in known.items() if field.is_required() and name not in options]
    if missing:
        raise _incomplete(option, text, missing)
    try:
        return Pattern(name, **options)
    except ScenarioError as error:
        raise Stop(BAD_INPUT, f"{option}: {text!r}: {error}") from None


def _library(option: str, text: str, name: str, own: Pattern, given: Mapping[str, Any]) -> LibraryCache:
    """A library's cache with the lifetime of the scenario's cache, or the one given."""
    from cachesim import adapters

    options = {"ttl": _lifetime(own), **given}
    ttl = options.pop("ttl")
    if options:
        raise Stop(BAD_INPUT, f"{option}: {text!r}: {next(iter(options))}: unknown field; known: ttl")
    if ttl is None:
        raise _incomplete(option, text, ["ttl"])
    if isinstance(ttl, bool) or not isinstance(ttl, int | float) or not 0 < ttl < float("inf"):
        raise Stop(BAD_INPUT, f"{option}: {text!r}: ttl: {ttl!r} is not allowed; a number above 0")
    try:
        return LibraryCache(name, float(ttl), adapters.library_cache(name, ttl=float(ttl)))
    except adapters.MissingLibraryError as error:
        raise Stop(BAD_INPUT, f"{option}: {error}") from None


def _incomplete(option: str, text: str, missing: Sequence[str]) -> Stop:
    example = "".join(f"+{field}=SECONDS" for field in missing)
    return Stop(BAD_INPUT, f"{option}: {text!r} needs {' and '.join(missing)}; write {text}{example}")


# What is told of them


def listed_caches(caches: Mapping[str, Pattern | Factory]) -> Iterator[str]:
    """What each name stands for: what was taken over from the scenario's cache is seen here."""
    yield "Caches"
    width = max(map(len, caches))
    for name, cache in caches.items():
        yield f"  {name:<{width}}  {one_line(_meaning(cache))}"


def _meaning(cache: Pattern | Factory) -> str:
    from cachesim.scenario import Pattern

    if isinstance(cache, LibraryCache):
        return ", ".join([*map(" ".join, cache.versions.items()), f"ttl {_shown(cache.ttl)}"])
    if not isinstance(cache, Pattern):
        return "your own"
    return ", ".join([cache.pattern, *(f"{name} {_shown(value)}" for name, value in cache.options.items())])


def _shown(value: object) -> str:
    return str(value).removesuffix(".0")
