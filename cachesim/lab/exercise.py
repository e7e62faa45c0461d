"""Exercises that check themselves: right, not yet (a hint comes before the answer), not attempted, or an error."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from math import isclose
from pathlib import Path
from textwrap import dedent
from traceback import format_exception
from typing import Any, Literal, NamedTuple

__all__ = ["Exercise", "Judge", "Verdict", "Wrong", "number", "value_of"]


class Wrong(NamedTuple):
    """What is wrong with an answer, and HTML that shows it."""

    text: str
    shown: str = ""


Judge = Callable[[Any], str | Wrong | None]
"""Says what is wrong with an answer; None: nothing."""

_STYLE = """<style>
.cachesim-verdict { max-width: 48rem; padding: 0.1rem 0.9rem; border-left: 4px solid currentColor; }
.cachesim-verdict summary { cursor: pointer; }
.cachesim-verdict details { margin: 0.4rem 0; }
</style>"""


@dataclass(frozen=True)
class Verdict:
    """What a check found; a cell shows it as text with what helps folded below."""

    status: Literal["right", "not yet", "not attempted", "error"]
    text: str
    below: str = ""

    def _repr_html_(self) -> str:
        said = {"right": "Right.", "not yet": "Not yet.", "not attempted": "Your turn.", "error": "Your code failed."}
        head = f"<p><strong>{said[self.status]}</strong> {escape(self.text)}</p>"
        return f'{_STYLE}<div class="cachesim-verdict" role="status">{head}{self.below}</div>'


@dataclass(frozen=True, kw_only=True)
class Exercise:
    """A question whose answer can be checked.

    `judge`: says what is wrong with an answer, or None. `clue`: a hint that does not give the answer away. `answer`:
    Python code whose last line is the answer as an expression. `because`: why it is so.

    >>> exercise = Exercise(judge=number(51), clue="Who starts the storm?", answer="1 + 100 * 0.5", because="1 + λD.")
    >>> exercise.check(...).status, exercise.check(50).status, exercise.check(1 + 100 * 0.5).status
    ('not attempted', 'not yet', 'right')
    """

    judge: Judge
    clue: str
    answer: str
    because: str

    def check(self, answer: Any) -> Verdict:
        """Say how an answer fares; `...` is no attempt."""
        if answer is ...:
            return Verdict(
                "not attempted", "Put your answer in place of the dots, and run this cell again.", self._help
            )
        try:
            wrong = self.judge(answer)
        except Exception as error:
            return Verdict("error", f"{type(error).__name__}: {error}", _trace(error) + self._help)
        if wrong is None:
            return Verdict("right", self.because)
        text, shown = wrong if isinstance(wrong, Wrong) else Wrong(wrong)
        return Verdict("not yet", text, shown + self._help)

    def hint(self) -> Verdict:
        """What to think of."""
        return Verdict("not attempted", self.clue)

    def solution(self) -> Verdict:
        """The answer, and why."""
        return Verdict("right", self.because, f"<pre>{escape(dedent(self.answer).strip())}</pre>")

    @property
    def _help(self) -> str:
        """The hint, and in it the answer, each to be unfolded."""
        code = escape(dedent(self.answer).strip())
        answer = _folded("The answer", f"<pre>{code}</pre><p>{escape(self.because)}</p>")
        return _folded("A hint", f"<p>{escape(self.clue)}</p>{answer}")


def number(
    expected: float, *, within: float = 0.01, mistakes: dict[float, str] | None = None
) -> Callable[[Any], str | None]:
    """A judge of numbers: right is what differs by a share of `within` at most; `mistakes` tells of frequent ones."""

    def judge(answer: object) -> str | None:
        if isinstance(answer, bool) or not isinstance(answer, int | float):
            return f"A number is asked for, and this is a {type(answer).__name__}."
        if isclose(answer, expected, rel_tol=within, abs_tol=1e-12):
            return None
        near = [text for mistake, text in (mistakes or {}).items() if isclose(answer, mistake, rel_tol=within)]
        return near[0] if near else f"{answer:g} is too {'high' if answer > expected else 'low'}."

    return judge


def value_of(code: str) -> Any:
    """Run code and return the value of its last line, an expression: how an `Exercise.answer` becomes an answer."""
    tree = ast.parse(dedent(code))
    *before, last = tree.body
    assert isinstance(last, ast.Expr)
    names: dict[str, Any] = {}
    exec(compile(ast.Module(before, []), "answer", "exec"), names)
    return eval(compile(ast.Expression(last.value), "answer", "eval"), names)


def _folded(summary: str, html: str) -> str:
    return f'<details><summary data-lm-suppress-shortcuts="true">{summary}</summary>{html}</details>'


def _trace(error: BaseException) -> str:
    """Where the reader's own code failed: without the frames of this folder that called it."""
    trace = error.__traceback__
    while trace is not None and Path(trace.tb_frame.f_code.co_filename).is_relative_to(Path(__file__).parent):
        trace = trace.tb_next
    text = "".join(format_exception(type(error), error, trace))
    return _folded("Where it happened", f"<pre>{escape(text)}</pre>")
