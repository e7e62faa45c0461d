"""What theory expects of one metric, with all that a reader needs to judge it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ClosedForm"]


@dataclass(frozen=True)
class ClosedForm:
    """What theory says of a metric: its mean over independent runs of the scenario.

    `metric`: a name in `result.metrics`, whose unit `expected` has. `name`: of the form. `source`: paper or theorem in
    a few words. `assumption`: a sentence that says when it holds. `approximation`: how far off it may be, or 0.
    """

    metric: str
    expected: float
    name: str
    source: str
    assumption: str
    approximation: float = 0.0
