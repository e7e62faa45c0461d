"""The source of a class or function, shown as it stands in the package."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import cachesim

__all__ = ["Source", "source"]

_ROOT = Path(cachesim.__file__).parents[1]


@dataclass(frozen=True)
class Source:
    """Source text and where it stands, in the colours of the page."""

    text: str
    place: str

    def _repr_markdown_(self) -> str:
        return f"```python\n{self.text}```\n\n*{self.place}*\n"


def source(thing: object) -> Source:
    """The source of a class, function or method of the package.

    >>> from cachesim.theory import stampede_size
    >>> source(stampede_size).place.partition(", lines")[0]
    'cachesim/theory/stampedes.py'
    """
    lines, first = inspect.getsourcelines(thing)  # type: ignore[arg-type]
    file = Path(inspect.getfile(thing)).relative_to(_ROOT)  # type: ignore[arg-type]
    return Source(dedent("".join(lines)), f"{file.as_posix()}, lines {first} to {first + len(lines) - 1}")
