"""Every explorer and every exercise there is, by the name of its module."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from cachesim.lab import exercises, explorers
from cachesim.lab.controls import Choice, Slider
from cachesim.lab.exercise import Exercise
from cachesim.lab.explorer import Explorer


def modules_of(package: Any) -> dict[str, Any]:
    names = [module.name for module in pkgutil.iter_modules(package.__path__)]
    return {name: import_module(f"{package.__name__}.{name}") for name in names}


EXPLORERS = {name: module for name, module in modules_of(explorers).items() if hasattr(module, "explore")}
LESSONS = modules_of(exercises)
EXERCISES = {
    f"{lesson}.{name}": exercise
    for lesson, module in LESSONS.items()
    for name, exercise in vars(module).items()
    if isinstance(exercise, Exercise)
}


def ends(control: Any) -> list[Any]:
    """The values at both ends of a control; all names of a choice."""
    if isinstance(control, Slider):
        return [control.min, control.max]
    return list(control.names) if isinstance(control, Choice) else [False, True]


def positions(explorer: Explorer[Any, Any]) -> Iterator[dict[str, Any]]:
    """Each control at its ends while the others are where they were, then all at their lower and upper ends."""
    start = {name: control.value for name, control in explorer.controls.items()}
    for name, control in explorer.controls.items():
        for value in ends(control):
            yield {**start, name: value}
    for index in (0, -1):
        yield {name: ends(control)[index] for name, control in explorer.controls.items()}


def put(explorer: Explorer[Any, Any], position: dict[str, Any]) -> None:
    """Move the controls, with one run after the last of them."""
    explorer._resetting = True
    for name, value in position.items():
        explorer.controls[name].value = value
    explorer._resetting = False
    explorer._moved(None)
