"""One line that says what went wrong, whatever it was."""

from __future__ import annotations

import os
from pathlib import Path
from sysconfig import get_path
from traceback import walk_tb

__all__ = ["one_line", "printable", "told"]


def printable(text: str) -> str:
    r"""The text without control characters and halves of characters; its lines stay.

    >>> printable("a\n b\x1b")
    'a\n b�'
    """
    return "".join(c if c.isprintable() or c == "\n" else "�" for c in text)


def one_line(text: str, most: int = 300) -> str:
    r"""The text as one line that can be printed anywhere, shortened in the middle if it is long.

    >>> one_line("a\n  b\x1b")
    'a b�'
    """
    text = printable(" ".join(text.split()))
    return text if len(text) <= most else f"{text[: most // 2]} ... {text[-most // 2 :]}"


def told(error: BaseException) -> str:
    """An exception in one line: its type, its text, and where in somebody's own code it was raised."""
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    folders = [str(Path(__file__).parent), *map(get_path, ("stdlib", "platstdlib", "purelib", "platlib"))]
    foreign = ("<", *(folder + os.sep for folder in folders))
    places = [(frame.f_code.co_filename, line) for frame, line in walk_tb(error.__traceback__)]
    own = [f"{Path(file).name}:{line}" for file, line in places if not file.startswith(foreign)]
    return f"{text} ({own[-1]})" if own else text
