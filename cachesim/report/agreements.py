"""What theory says beside what was simulated."""

from __future__ import annotations

from math import copysign, isnan, nan, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cachesim.closed_forms import ClosedForm, closed_forms
from cachesim.estimates import estimate, reach
from cachesim.formatting import format_of, plus_minus
from cachesim.summary import Summary

__all__ = ["Agreement", "Ground", "agreements", "usual_distance"]


class Agreement(NamedTuple):
    """A closed form and the metric it is about, as text."""

    metric: str
    name: str
    expected: str
    simulated: str
    distance: str
    """From the closed form, or where its approximation ends, to the mean of the runs, in standard errors.

    Empty for one run.
    """


class Ground(NamedTuple):
    """What closed forms rest on, in words."""

    source: str
    assumption: str


def agreements(summary: Summary) -> dict[Ground, list[Agreement]]:
    """Every closed form that applies to the scenario; none where another cache stood in its pattern's place."""
    found: dict[Ground, list[Agreement]] = {}
    if summary.cache is not None:
        return found
    for form in closed_forms(summary.scenario):
        values = np.array([run.metrics[form.metric] for run in summary.runs])
        format = format_of(form.metric)
        agreement = Agreement(
            form.metric,
            form.name,
            plus_minus(format, form.expected, form.approximation or nan),
            plus_minus(format, *estimate(values)),
            _distance(values, form),
        )
        found.setdefault(Ground(form.source, form.assumption), []).append(agreement)
    return found


def _distance(values: NDArray[np.float64], form: ClosedForm) -> str:
    if len(values) < 2:
        return ""
    error = float(values.std(ddof=1)) / sqrt(len(values))
    difference = float(values.mean()) - form.expected
    beyond = max(0.0, abs(difference) - max(form.approximation, 1e-9 * abs(form.expected)))
    if beyond == 0:
        return "0"
    return "–" if isnan(beyond) or error == 0 else f"{copysign(beyond, difference) / error:+.1f}"


def usual_distance(runs: int) -> float:
    """The distance, in standard errors of the mean of so many runs, that chance exceeds once in twenty times.

    >>> round(usual_distance(20), 2)
    2.09
    """
    return reach(runs) * sqrt(runs)
