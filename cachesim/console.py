"""What the command writes: results, files, progress, and one line for whatever goes wrong.

Results go to standard output, all else to standard error. Files are written as a whole or not at all.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from secrets import token_hex
from shutil import copymode
from typing import TYPE_CHECKING

import click

from cachesim.messages import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "BAD_INPUT",
    "DONE",
    "FAILED",
    "INTERRUPTED",
    "PICTURES",
    "Stop",
    "picture",
    "progress",
    "require_writable",
    "show",
    "tell",
    "usage",
    "write",
]

DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
"""The exit statuses."""

PICTURES = (".png", ".svg", ".pdf")
"""What the name of a picture ends in."""

_DELAY = 0.5
"""What takes fewer seconds than this shows no progress."""


class Stop(Exception):
    """The command ends here: an exit status, and one line that says why."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


def show(output: str | bytes) -> None:
    """Write to standard output; what its encoding does not know becomes a question mark."""
    if isinstance(output, str):
        encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
        output = output.encode(encoding, "replace").decode(encoding)
    try:
        click.echo(output)
    except OSError as error:
        with suppress(OSError, ValueError):  # the rest, and Python's last flush, go nowhere
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            raise Stop(BAD_INPUT, f"standard output cannot be written: {error.strerror}") from None


def tell(message: str) -> None:
    """One line on standard error."""
    with suppress(OSError):
        click.echo(f"cachesim: {one_line(message, 3000)}", err=True)


def require_writable(option: str, name: str | None, suffixes: Sequence[str] = ()) -> None:
    """Find out before the run, so that nothing is lost."""
    if name is None:
        return
    path = Path(name)
    if suffixes and path.suffix.lower() not in suffixes:
        raise Stop(BAD_INPUT, f"{option}: {name!r} is not allowed; a file name that ends in {', '.join(suffixes)}")
    try:
        if "\0" in name:
            problem = "no file has a NUL in its name"
        elif not path.parent.is_dir():
            problem = f"there is no folder {str(path.parent)!r}"
        elif path.is_dir():
            problem = "it is a folder; the name of a file is needed"
        elif not os.access(path if path.exists() else path.parent, os.W_OK):
            problem = "permission denied"
        else:
            return
    except OSError as error:
        problem = str(error.strerror)
    raise Stop(BAD_INPUT, f"{option}: {name!r} cannot be written: {problem}")


def write(option: str, name: str, data: bytes) -> None:
    """Write the file as a whole or not at all; a pipe, a device or a link is written to as it is."""
    path = Path(name)
    part = path.with_name(f".{token_hex(8)}.part")
    try:
        if path.is_symlink() or (path.exists() and not path.is_file()) or not os.access(path.parent, os.W_OK):
            path.write_bytes(data)
            return
        try:
            part.write_bytes(data)
            if path.exists():
                copymode(path, part)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except BrokenPipeError:
        pass
    except OSError as error:
        raise Stop(BAD_INPUT, f"{option}: {name!r} cannot be written: {error.strerror}") from None


def picture(axes: Axes, name: str) -> bytes:
    """The figure of these axes, in the format that the file's name tells (see `PICTURES`)."""
    from matplotlib.figure import Figure

    assert isinstance(axes.figure, Figure)
    data = BytesIO()
    axes.figure.savefig(data, format=Path(name).suffix[1:].lower())
    return data.getvalue()


@contextmanager
def progress(total: float | None, unit: str) -> Iterator[Callable[[float], None] | None]:
    """A bar on standard error, if that is a terminal: it is told how much is done, first what was done before."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield None
        return
    from tqdm import tqdm

    form = "{percentage:3.0f} % {bar} {n:.0f} of {total:.0f} {unit}, {remaining} left"
    if total is None:
        form = "{n:.0f} {unit} in {elapsed}"
    width = os.get_terminal_size(sys.stderr.fileno()).columns or 80  # a terminal without a size would show nothing
    with tqdm(
        total=total,
        unit=unit,
        bar_format=form,
        delay=_DELAY,
        leave=False,
        file=sys.stderr,
        ncols=width - 1,
        nrows=20,
    ) as bar:

        def report(done: float) -> None:
            if bar.n == 0:
                bar.initial = bar.n = done  # no part of what remains is estimated from it
            bar.update(done - bar.n)

        yield report


# Messages


def usage(error: click.ClickException) -> str:
    """What click found wrong, and what is allowed."""
    message, context = error.format_message().rstrip("."), getattr(error, "ctx", None)
    command = None if context is None else context.command
    if isinstance(command, click.Group):
        return f"{message}; commands: {', '.join(command.commands)}"
    if isinstance(error, click.NoSuchOption) and command is not None:
        return f"{message}; options: {', '.join(p.opts[0] for p in command.params if isinstance(p, click.Option))}"
    return f"{message}; see {'cachesim' if context is None else context.command_path} --help"
