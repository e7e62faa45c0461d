"""How a command that takes a trace reads it: the options, and what may be wrong with them and with the file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from cachesim.console import BAD_INPUT, Stop

__all__ = ["refusals", "trace_options"]

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option("--format", metavar="FORMAT", help="Of the trace, if its name and first lines do not tell."),
    click.option("--key", metavar="COLUMN", default="key", show_default=True, help="Keys, in CSV and Parquet."),
    click.option("--time", metavar="COLUMN", help="Times in seconds.  [default: time, if there is such a column]"),
    click.option("--size-column", metavar="COLUMN", help="Bytes.  [default: size, if there is such a column]"),
)


def trace_options(command: F) -> F:
    """Adds the options `format`, `key`, `time` and `size_column`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@contextmanager
def refusals(trace: str, format: str | None) -> Iterator[None]:
    """Makes one line with status 2 of what is wrong with the format, the file or a question, or of what is missing."""
    from cachesim.traces import FORMATS, TraceError

    if format not in (None, *FORMATS):
        raise Stop(BAD_INPUT, f"--format: {format!r} is not allowed; {', '.join(FORMATS)}")
    try:
        yield
    except (TraceError, ImportError) as error:
        raise Stop(BAD_INPUT, str(error)) from None
    except ValueError as error:
        raise Stop(BAD_INPUT, f"{trace}: {error}") from None
    except OSError as error:
        raise Stop(BAD_INPUT, f"{trace}: cannot be read: {error.strerror}") from None
