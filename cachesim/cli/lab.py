"""`cachesim lab`: the workbook in JupyterLab."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from importlib import resources
from importlib.util import find_spec
from pathlib import Path

import click

from cachesim.console import BAD_INPUT, Stop, tell, write

__all__ = ["lab_command"]

_EXAMPLES = """\b
Examples:
  cachesim lab
  cachesim lab --no-browser --port 9999
"""

_PACKAGE = Path(str(resources.files("cachesim")))
_COPY = Path("cachesim-notebooks")
_NEEDED = ("jupyterlab", "ipywidgets", "anywidget")


@click.command("lab", epilog=_EXAMPLES, context_settings={"ignore_unknown_options": True})
@click.argument("options", metavar="[OPTION OF JUPYTERLAB]...", nargs=-1, type=click.UNPROCESSED)
def lab_command(options: Sequence[str]) -> int:
    """Open the workbook in JupyterLab.

    The notebooks are copied into the folder cachesim-notebooks; those that are there already stay as they are. In a
    checkout its own are opened. JupyterLab listens on 127.0.0.1 alone.
    """
    if missing := [name for name in _NEEDED if find_spec(name) is None]:
        raise Stop(BAD_INPUT, f"lab: {', '.join(missing)} is not installed; pip install 'cachesim[lab]'")
    folder = _notebooks()
    root = ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    ours = [f"--ServerApp.root_dir={folder.absolute()}", "--ServerApp.ip=127.0.0.1", *root]
    command = [sys.executable, "-m", "jupyterlab", *ours, *options]  # a second ip is refused
    if sys.platform == "win32":  # where exec would leave the terminal to two programs
        return subprocess.call(command)
    os.execv(command[0], command)


def _notebooks() -> Path:
    """The folder to open: of a checkout, or a copy of what the package brings."""
    packed = _PACKAGE / "notebooks"
    if not packed.is_dir():
        return _PACKAGE.parent / "notebooks"
    new = 0
    for source in sorted(packed.rglob("*.*")):
        copy = _COPY / source.relative_to(packed)
        if source.is_file() and not copy.exists():
            _make_folder(copy.parent)
            write("lab", str(copy), source.read_bytes())
            new += 1
    tell(f"{_COPY}: {new} file(s) new, the others left as they are")
    return _COPY


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Stop(BAD_INPUT, f"lab: the folder {str(folder)!r} cannot be made: {error.strerror}") from None
