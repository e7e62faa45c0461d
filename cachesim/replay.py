"""The command that repeats a run, and what it calls somebody's own cache."""

from __future__ import annotations

import ast
import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.machinery import PathFinder
from importlib.util import resolve_name
from pathlib import Path
from typing import Any

import tomli_w

from cachesim.scenario import Scenario
from cachesim.world.nodes import Factory

__all__ = ["factory_name", "replay"]


def replay(source: str | None, scenario: Scenario, changes: Mapping[str, Any], cache: str | None = None) -> str:
    """The command, on one line; where it needs a scenario file that does not exist, this file before it.

    `source`: the name or path of the scenario that `changes` made into `scenario`; None if there is none. `cache`:
    what names the factory, if there is one.

    >>> from cachesim.scenario import bundled, load
    >>> hot_key = load(bundled()["hot-key"])
    >>> replay("hot-key", hot_key, {"cache.ttl": 5, "cache.single_flight": "process"}, "shop:factory")
    'cachesim run hot-key --set cache.ttl=5 --set cache.single_flight=process --seed 1 --cache shop:factory'
    """
    own_cache = [] if cache is None else ["--cache", cache]
    if source is None or not all(isinstance(value, bool | int | float | str) for value in changes.values()):
        command = shlex.join(["cachesim", "run", "scenario.toml", *own_cache])
        return f"{command}\n\nwith this scenario.toml:\n\n{scenario.to_toml().rstrip()}"
    sets = [
        part for name, value in changes.items() if name != "seed" for part in ("--set", f"{name}={_literal(value)}")
    ]
    return shlex.join(["cachesim", "run", source, *sets, "--seed", str(scenario.seed), *own_cache])


def _literal(value: bool | int | float | str) -> str:
    """A value as `--set` takes it: plain words as they are, anything else in TOML."""
    if isinstance(value, str) and re.fullmatch(r"(?!(true|false|inf|nan)$)[a-z][a-z-]*", value):
        return value
    return tomli_w.dumps({"value": value}).removeprefix("value = ").rstrip("\n")


def factory_name(factory: Factory, searched: Sequence[str]) -> str | None:
    """MODULE:FACTORY, for a new process that looks for modules in `searched`, the folder where it starts first.

    None if it cannot import the module, or finds the factory neither at its top level nor in a class there. What the
    module imports is looked for, too; nothing is imported.

    >>> import json, sys
    >>> factory_name(json.JSONEncoder, sys.path), factory_name(lambda node: node.database.read, sys.path)
    ('json.encoder:JSONEncoder', None)
    """
    module = sys.modules.get(getattr(factory, "__module__", ""))
    name = getattr(factory, "__qualname__", "")
    path = getattr(module, "__file__", None)
    if module is None or path is None or _inside(module, name) != factory:
        return None
    file, names = Path(path), [module.__name__]
    if "." not in module.__name__:  # pytest imports a test file under its own name, wherever it lies
        inside = [file.relative_to(folder) for folder in searched if file.is_relative_to(folder)]
        names += [".".join(path.with_suffix("").parts) for path in inside]
    for known in names:
        if _file(known, searched) == file and _imports_found(known, file, searched, set()):
            return f"{known}:{name}"
    return None


def _inside(found: Any, name: str) -> Any:
    """What a dotted name stands for in a module; None if there is nothing of this name."""
    for step in name.split("."):
        found = getattr(found, step, None)
    return found


def _imports_found(module: str, file: Path, searched: Sequence[str], seen: set[str]) -> bool:
    """Whether the modules that a file has imported are found where they are now, and so on from file to file."""
    package = module if file.stem == "__init__" else module.rpartition(".")[0]
    for imported in _imports(file, package):
        loaded = sys.modules.get(imported)
        name = getattr(loaded, "__name__", imported)  # os.path has another
        if loaded is None or name in seen:  # what is not loaded is not needed
            continue
        seen.add(name)
        found, there = _file(name, searched), getattr(loaded, "__file__", None)
        if found != (there if there is None else Path(there)):
            return False
        if found is not None and _own(found, searched) and not _imports_found(name, found, searched, seen):
            return False
    return True


def _own(file: Path, searched: Sequence[str]) -> bool:
    """Whether a file is Python, and lies below the folder of the start, but not in a .venv there or the like."""
    start, *others = map(Path, searched)
    installed = any(file.is_relative_to(other) for other in others if other != start)
    return file.suffix == ".py" and file.is_relative_to(start) and not installed


def _imports(file: Path, package: str) -> Iterator[str]:
    """Every module that a file may import."""
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = resolve_name("." * node.level + (node.module or ""), package)
            yield from (base, *(f"{base}.{alias.name}" for alias in node.names))


def _file(module: str, searched: Sequence[str]) -> Path | None:
    """Where a process that looks into `searched` finds a module; None also if it is no file."""
    places: Sequence[str] | None = searched
    origin = None
    for step in module.split("."):
        spec = None if places is None else PathFinder.find_spec(step, places)
        if spec is None:
            return None
        places, origin = spec.submodule_search_locations, spec.origin
    return None if origin is None else Path(origin)
