"""Completion on the Tab key: `cachesim completion SHELL`, and what is offered for each kind of value.

The kinds are those that usage lines name: an option that takes a POLICY is completed as such, whatever its command.
Nothing that is slow to import is needed here: someone waits for the answer with a finger on the key.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import resources
from pathlib import Path
from typing import Any

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    add_completion_class,
    get_completion_class,
    split_arg_string,
)

from cachesim.console import show

__all__ = ["completed", "completion_command"]

_HELP = """Print a script that completes what is typed in SHELL: commands, options, scenarios, fields, files.

\b
bash: add to ~/.bashrc  eval "$(cachesim completion bash)"
zsh:  add to ~/.zshrc   eval "$(cachesim completion zsh)"
fish: cachesim completion fish > ~/.config/fish/completions/cachesim.fish
"""
_EXAMPLES = """\b
Examples:
  cachesim completion bash
  cachesim completion fish
"""

FIELDS = (
    *("title", "writes", "nodes", "balance", "batch", "duration", "warmup", "seed"),
    *("database.connections", "redis.round_trip", "clients.timeout", "clients.retries"),
)
"""What any scenario may have, whether its file says so or not."""
FORMATS = ("text", "binary", "csv", "parquet", "access-log", "monitor")
_PATTERNS = (
    *("in-process", "cache-aside", "write-through", "early-recompute", "stale-while-revalidate"),
    *("batch", "layered", "conditional"),
)
CACHES = ("none", *_PATTERNS, *(f"pitfall:{name}" for name in _PATTERNS))
LIBRARIES = (
    *("aiocache:cached", "aiocache:stampede", "aiocache:redis", "aiocache:redis-stampede"),
    *("async-lru:ttl", "cachetools:ttl", "cachetools:lock", "cachetools-async:cached"),
    *("cashews:simple", "cashews:unprotected", "cashews:lock", "cashews:early", "cashews:soft"),
    *("cashews:redis", "cashews:redis-lock", "cashews:redis-early", "cashews:redis-soft"),
    *("hishel:sqlite", "hishel:redis"),
)
CONDITIONS = ("calm", "expiry", "cancellation", "redis-outage", "deploy")
INVARIANTS = (
    *("no_stale_read_after_delete", "no_lost_update", "single_flight", "cluster_single_flight"),
    *("no_cancelled_follower", "no_lock_held_for_ever", "tables_empty", "nothing_is_a_value"),
)
"""These are copies, for the sake of speed; a test holds them to what there is."""

_VARIABLE = "_CACHESIM_COMPLETE"
"""In this environment variable a script asks for completions."""


@click.command("completion", help=_HELP, epilog=_EXAMPLES)
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
@click.pass_context
def completion_command(context: click.Context, shell: str) -> None:
    """Print the script of a shell."""
    script = get_completion_class(shell)
    assert script is not None
    show(script(context.find_root().command, {}, "cachesim", _VARIABLE).source())


def completed(command: click.Command) -> click.Command:
    """The command, its values completed by what usage lines call them."""
    for parameter in command.params:
        kind = re.split(r"\W", parameter.metavar or (parameter.name or "").upper())[0]
        if isinstance(parameter.type, click.types.StringParamType) and kind in _KINDS:
            parameter.type = _Value(kind)
    return command


class _Value(click.types.StringParamType):
    """Text that is completed as its kind says, and taken as it is."""

    def __init__(self, kind: str) -> None:
        self.name = kind.lower()
        self._offered = _KINDS[kind]

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        if incomplete.endswith("="):  # what follows is anybody's guess
            return []
        return [item for item in self._offered(ctx, incomplete) if item.value.startswith(incomplete)]


# What is offered

_Offered = Iterator[CompletionItem]


def _files(context: click.Context, typed: str) -> _Offered:
    yield CompletionItem(typed, type="file")


def _scenarios(context: click.Context, typed: str) -> _Offered:
    """Bundled scenarios and the scenario files of this folder; any file if it can be none of them."""
    names = sorted([*_bundled(), *(path.name for path in Path().glob("*.toml"))])
    fitting = [CompletionItem(name) for name in names if name.startswith(typed)]
    yield from fitting or _files(context, typed)


def _bundled() -> dict[str, Path]:
    folder = Path(str(resources.files("cachesim") / "scenarios"))
    return {path.stem: path for path in folder.glob("*.toml")}


def _fields(context: click.Context, typed: str) -> _Offered:
    """The fields of the scenario that was named before, and those that any may have."""
    name = context.params.get("scenario") or next(iter(context.args), "")  # the line is not parsed to its end
    table: dict[str, Any] = {}
    with suppress(OSError, ValueError):
        path = Path(name) if Path(name).is_file() else _bundled().get(name)
        table = tomllib.loads(path.read_text(encoding="utf-8")) if path else {}
    fields = {*FIELDS, *_dotted(table)}
    match table:
        case {"cache": {"pattern": str(pattern)}}:
            fields |= {f"cache.{option}" for option in _options(pattern)}
    yield from (CompletionItem(f"{field}=") for field in sorted(fields))


def _dotted(table: Any, path: str = "") -> Iterator[str]:
    inside = table if isinstance(table, dict) else dict(enumerate(table)) if isinstance(table, list) else {}
    for name, value in inside.items():
        field = f"{path}.{name}".lstrip(".")
        yield field
        yield from _dotted(value, field)


def _caches(context: click.Context, typed: str) -> _Offered:
    """Of a list with commas the last: a cache by name, then its options after a plus."""
    *_, last = re.split(",", typed)
    name, plus, _ = last.rpartition("+")
    before = typed.removesuffix(last)
    options = (f"{name}+{option}=" for option in _options(name))
    for cache in options if plus else ("scenario", *CACHES, *LIBRARIES):
        yield CompletionItem(before + cache)


def _options(cache: str) -> Iterator[str]:
    from cachesim.patterns import PATTERNS
    from cachesim.pitfalls import PITFALLS

    cache = cache.partition("+")[0]
    if cache in LIBRARIES:
        return iter(("ttl",))
    pitfall, _, name = cache.rpartition(":")
    pattern = (PITFALLS if pitfall == "pitfall" else PATTERNS).get(name)
    return iter(() if pattern is None else pattern.options_type.model_fields)


def _conditions(context: click.Context, typed: str) -> _Offered:
    """Of a list with commas the last; "none" is no list."""
    before = typed[: typed.rfind(",") + 1]
    yield from (CompletionItem(before + name) for name in (CONDITIONS if before else ("none", *CONDITIONS)))


def _invariants(context: click.Context, typed: str) -> _Offered:
    yield from map(CompletionItem, INVARIANTS)


def _policies(context: click.Context, typed: str) -> _Offered:
    from cachesim.policies import POLICIES

    yield from map(CompletionItem, (*POLICIES, "opt"))


def _formats(context: click.Context, typed: str) -> _Offered:
    yield from map(CompletionItem, FORMATS)


def _metrics(context: click.Context, typed: str) -> _Offered:
    from cachesim.schemas import schema

    yield from map(CompletionItem, schema("cachesim.compare/1")["$defs"]["every_metric"]["required"])


_KINDS: dict[str, Callable[[click.Context, str], _Offered]] = {
    "CACHE": _caches,
    "CONDITION": _conditions,
    "FIELD": _fields,
    "FILE": _files,
    "FORMAT": _formats,
    "INVARIANT": _invariants,
    "LOG": _files,
    "METRIC": _metrics,
    "POLICY": _policies,
    "SCENARIO": _scenarios,
    "TRACE": _files,
}


# Shells


class _Whole(ShellComplete):
    """An option and its value in one word, --policy=l: what is offered stands in the place of all of it."""

    def get_completion_args(self) -> tuple[list[str], str]:
        words, last = super().get_completion_args()
        self._before, self._typed = _option_and_value(last)
        return words, last

    def format_completion(self, item: CompletionItem[str]) -> str:
        return super().format_completion(CompletionItem(self._before + item.value, item.type, item.help))


@add_completion_class
class _Zsh(_Whole, ZshComplete):
    pass


@add_completion_class
class _Fish(_Whole, FishComplete):
    source_template = FishComplete.source_template.replace("string split", "string split --max 1")  # values have commas


@add_completion_class
class _Bash(BashComplete):
    """Bash ends words at "=" and ":", too: so the line is read as it is, and what follows the last of them is told."""

    source_template = """\
%(complete_func)s() {
    local IFS=$'\\n' item
    for item in $(env COMP_WORDS="${COMP_LINE:0:COMP_POINT}" %(complete_var)s=bash_complete $1); do
        case $item in
            file,*) compopt -o default ;;
            *=) compopt -o nospace; COMPREPLY+=("${item#*,}") ;;
            *) COMPREPLY+=("${item#*,}") ;;
        esac
    done
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""

    def get_completion_args(self) -> tuple[list[str], str]:
        line = os.environ["COMP_WORDS"]
        _, *words = split_arg_string(line)
        last = words.pop() if words and not line[-1].isspace() else ""
        _, self._typed = _option_and_value(last)
        return words, last

    def format_completion(self, item: CompletionItem[str]) -> str:
        ended = self._typed[: max(map(self._typed.rfind, "=:")) + 1]
        return f"{item.type},{item.value.removeprefix(ended)}"


def _option_and_value(word: str) -> tuple[str, str]:
    """An option that a word begins with, and the value.

    >>> _option_and_value("--set=cache.ttl=5"), _option_and_value("cache.ttl=5")
    (('--set=', 'cache.ttl=5'), ('', 'cache.ttl=5'))
    """
    option, equals, value = word.partition("=")
    return (option + equals, value) if equals and option.startswith("-") else ("", word)
