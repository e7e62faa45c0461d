"""The parts of the reference that are made of the code itself, as Markdown."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import resources
from inspect import cleandoc
from typing import Any

import click

from cachesim import schemas
from cachesim.cli import _commands
from cachesim.races import INVARIANTS
from cachesim.races.promises import promised
from cachesim.scenario import Pattern, Scenario
from cachesim.settings import Family, Setting, kebab_case
from cachesim.world import arrivals, faults, keys, latency
from cachesim.world.caches import CACHES
from cachesim.world.clients import Clients
from cachesim.world.database import Database
from cachesim.world.metrics import METRICS
from cachesim.world.redis import Redis
from cachesim.world.writes import Writes

__all__ = ["PAGES", "invariants", "metrics"]

_WIDTH = 96
"""Characters of a line of help."""

# ── The command line ──────────────────────────────────────────────────────────────────────────────────────────────


def command_line() -> str:
    """Every command as its `--help` tells it."""
    text = """# Command line

Results go to standard output, progress and diagnostics to standard error. With `--json -` standard output holds the
JSON alone.

| exit status | |
|---|---|
| 0 | done |
| 1 | an expectation was missed or an invariant is broken (with `--check`), or a run failed |
| 2 | bad input: one line names the file, the field, the value and what is allowed |
| 130 | interrupted |
"""
    return text + "".join(f"\n## {name}\n\n```text\n{help}\n```\n" for name, help in _helps(_commands, "cachesim"))


def _helps(command: click.Command, name: str, parent: click.Context | None = None) -> Iterator[tuple[str, str]]:
    width: Any = {"max_content_width": _WIDTH, "terminal_width": _WIDTH}
    context = click.Context(command, parent, info_name=name, **width, **command.context_settings)
    yield context.command_path, command.get_help(context)
    for below, subcommand in getattr(command, "commands", {}).items():
        yield from _helps(subcommand, below, context)


# ── Scenario files ────────────────────────────────────────────────────────────────────────────────────────────────

_TABLES: Mapping[str, tuple[str, type[Setting]]] = {
    "arrivals": ("When requests come.", arrivals.Arrivals),
    "keys": ("What they ask for.", keys.Keys),
    "database": ("", Database),
    "redis": ("", Redis),
    "clients": ("", Clients),
    "writes": ("A number, the share of requests that write, or a table.", Writes),
    "faults": ("What goes wrong. Each is a table of the list: `[[faults]]`.", faults.Fault),
    "latency": (
        "A time that is drawn: of the database, and wherever “seconds, or a latency” is said. "
        'In one line: `latency = { type = "exponential", mean = 0.5 }`.',
        latency.Latency,
    ),
}


def scenario_files() -> str:
    """Every table and field that a scenario file may have."""
    lines = [
        """# Scenario files

A scenario is a TOML file, and the same fields are the arguments of [`Scenario`](runs.md#cachesim.Scenario). Times are
in seconds, rates per second, shares and ratios from 0 to 1. Only `arrivals`, `keys`, `cache` and `database` must be
there. An unknown field, or a value of another type, is an error that says what is allowed.

```toml
"""
        + _bundled("hot-key")
        + "```\n",
        "## Top level\n",
        _about(Scenario),
        *_fields(Scenario),
    ]
    for name, (about, setting) in _TABLES.items():
        lines += [f"\n## `[{name}]` {{#{name}}}\n", about, ""]
        if Family in setting.__bases__:
            for member in _members(setting):
                lines += [f'\n### `type = "{kebab_case(member.__name__)}"` {{#{name}-{kebab_case(member.__name__)}}}\n']
                lines += [_about(member), *_fields(member)]
        else:
            lines += [_about(setting), *_fields(setting)]
    lines += ["\n## `[cache]` {#cache}\n", "`pattern` names the pattern; the other fields are its options.\n"]
    for pattern, kind in CACHES.items():
        anchor = pattern.replace(":", "-")
        lines += [f'\n### `pattern = "{pattern}"` {{#cache-{anchor}}}\n', *_fields(kind.options_type)]
    lines += [_EXPECT]
    return "\n".join(lines)


_EXPECT = """
## `[expect]` {#expect}

A bound for each [metric](metrics.md) that matters: `hit_ratio = ">= 0.9"`, with `>=`, `<=`, `==`, `>` or `<`. With
replications the mean counts. A metric that does not exist in a run (NaN) misses every bound.
"""


def _bundled(name: str) -> str:
    return (resources.files("cachesim") / "scenarios" / f"{name}.toml").read_text(encoding="utf-8")


def _members(family: type[Setting]) -> list[type[Setting]]:
    """The settings of a family, without those between."""
    below = family.__subclasses__()
    return [leaf for member in below for leaf in (_members(member) or [member])]


def _about(setting: type[Setting]) -> str:
    """The docstring, without its examples."""
    return re.sub(r"\n\n>>> .*", "", cleandoc(setting.__doc__ or ""), flags=re.DOTALL) + "\n"


def _fields(setting: type[Setting]) -> Iterator[str]:
    schema = setting.model_json_schema()["properties"]
    if not schema:
        yield "No fields.\n"
        return
    yield from ("| field | what is allowed | default |", "|---|---|---|")
    for name, field in setting.model_fields.items():
        default = "required" if field.is_required() else _default(field.default)
        yield f"| `{name}` | {_allowed(name, schema[name])} | {default} |"
    yield ""


def _default(value: Any) -> str:
    if isinstance(value, Setting):
        return "the defaults of its table"
    if value is None:
        return "none"
    return "empty" if value in ("", (), {}) else f"`{json.dumps(value)}`"


def _allowed(name: str, schema: Mapping[str, Any]) -> str:
    """What a field takes, in words."""
    if "anyOf" in schema:
        kinds = [_allowed(name, kind) for kind in schema["anyOf"] if kind.get("type") != "null"]
        return ", or ".join(kinds)
    if "enum" in schema:
        return ", ".join(f"`{json.dumps(value)}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    if "$ref" in schema:
        target = schema["$ref"].rpartition("/")[2].lower()
        return f"[a table](#{'cache' if target == 'pattern' else target})"
    match schema.get("type"):
        case "number" | "integer" as kind:
            return ("a whole number" if kind == "integer" else "a number") + _bounds(schema)
        case "string":
            return "a text"
        case "boolean":
            return "`true`, `false`"
        case "array":
            inside = schema["items"]
            return "[a list of tables](#faults)" if "$ref" in inside else f"a list; each {_allowed(name, inside)}"
        case "object":
            return "[a table](#expect)"
    return "a share, or [a table](#writes)" if name == "writes" else "seconds, or [a latency](#latency)"


def _bounds(schema: Mapping[str, Any]) -> str:
    match schema:
        case {"minimum": low, "maximum": high}:
            return f" from {low:g} to {high:g}"
        case {"minimum": low}:
            return f", {low:g} or more"
        case {"exclusiveMinimum": low}:
            return f" above {low:g}"
    return ""


# ── JSON documents ────────────────────────────────────────────────────────────────────────────────────────────────


def json_documents() -> str:
    """The fields of every document, from its JSON Schema."""
    text = """# JSON documents

What `--json` writes says in its field `schema` which of these it is, and in which version. Within a version fields may
be added: leave alone what you do not know. A field that goes, or comes to mean something else, makes a new version. A
number that does not exist (NaN) is null.

The schemas are JSON Schema 2020-12, and come with the package: `cachesim.schemas.schema("cachesim.run/1")`.
"""
    for name in schemas.names():
        schema = schemas.schema(name)
        rows = _properties(schema, schema.get("$defs", {}), "")
        text += f"\n## {name}\n\n{schema['description']}\n\n| field | what it is | |\n|---|---|---|\n{''.join(rows)}"
    return text


def _properties(schema: Mapping[str, Any], parts: Mapping[str, Any], above: str) -> Iterator[str]:
    """A row for each field, and for those inside it; of the metrics there is a page of their own."""
    for name, field in schema.get("properties", {}).items():
        field = _resolved(field, parts)
        optional = "" if name in schema.get("required", ()) else "not always there"
        path = above + name
        yield f"| `{path}` | {_kind(field)} | {'. '.join(filter(None, (field.get('description'), optional)))} |\n"
        if _of_metrics(field):
            continue
        yield from _properties(field, parts, f"{path}.")
        yield from _properties(_resolved(field.get("items") or {}, parts), parts, f"{path}[].")


def _resolved(field: Mapping[str, Any], parts: Mapping[str, Any]) -> dict[str, Any]:
    """A field with what it refers to."""
    return {**parts.get(field.get("$ref", "").rpartition("/")[2], {}), **field}


def _kind(field: Mapping[str, Any]) -> str:
    if _of_metrics(field):
        return "an object, by [metric](metrics.md)"
    if "const" in field:
        return f"`{json.dumps(field['const'])}`"
    if "enum" in field:
        return ", ".join(f"`{json.dumps(value)}`" for value in field["enum"])
    kinds = field.get("type", "object")
    names = {"integer": "a whole number", "number": "a number", "string": "a text", "null": "null"}
    names |= {"boolean": "true or false", "array": "a list", "object": "an object"}
    return ", ".join(names[kind] for kind in ([kinds] if isinstance(kinds, str) else kinds))


def _of_metrics(field: Mapping[str, Any]) -> bool:
    return "every_metric" in str(field.get("allOf")) or "redundant_loads" in field.get("required", ())


def metrics() -> str:
    """Every metric, as the schema of a run describes it."""
    described = schemas.schema("cachesim.run/1")["$defs"]["metrics"]["properties"]
    rows = [f"| `{name}` | {described[name]['description']} |" for name in METRICS]
    return "\n".join(["| metric | |", "|---|---|", *rows])


# ── Races ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def invariants() -> str:
    """Every invariant, and the patterns that promise it with the defaults of their options."""
    patterns = [_with_defaults(name) for name in CACHES if not name.startswith("pitfall:")]
    rows = []
    for invariant in INVARIANTS.values():
        columns = (
            _named([pattern.pattern for pattern in patterns if invariant.name in promised(pattern, nodes=nodes)])
            for nodes in (1, 2)
        )
        rows.append(f"| `{invariant.name}` | {invariant.promise} | {' | '.join(columns)} |")
    return "\n".join(["| invariant | | promised at one node | at several |", "|---|---|---|---|", *rows])


def _with_defaults(name: str) -> Pattern:
    """A pattern whose options are the defaults, and 10 s where there is none."""
    options = CACHES[name].options_type.model_fields
    return Pattern(name, **{option: 10.0 for option, field in options.items() if field.is_required()})


def _named(patterns: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in patterns) or "–"


PAGES: Mapping[str, Callable[[], str]] = {
    "command-line": command_line,
    "scenario-files": scenario_files,
    "json": json_documents,
}
"""The pages that are made, by name."""
