"""What a reader moves: native HTML controls with a label, so that keyboard, mouse and screen readers all find them.

The controls of an explorer are the fields of a frozen dataclass, each with one of `slider`, `switch` and `choice` as
its default; `controls_of` makes them:

>>> from dataclasses import dataclass
>>> @dataclass(frozen=True)
... class Settings:
...     rate: float = slider("Request rate λ", "requests/s", 5, 200, 5, start=100)
...     single_flight: bool = switch("Single flight")
>>> Settings(), list(controls_of(Settings))
(Settings(rate=100, single_flight=False), ['rate', 'single_flight'])

JupyterLab takes arrow keys and Enter for itself, unless the element itself says `data-lm-suppress-shortcuts`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, fields
from functools import partial
from pathlib import Path
from typing import Any

import anywidget
import traitlets as t

__all__ = [
    "Button",
    "Choice",
    "Control",
    "Slider",
    "Switch",
    "choice",
    "controls_of",
    "seed",
    "settings_at",
    "slider",
    "switch",
]

_HERE = Path(__file__).parent


class Slider(anywidget.AnyWidget):
    """A number between `min` and `max`, in steps of `step`, shown with its unit."""

    _esm = _HERE / "slider.js"
    _css = _HERE / "controls.css"
    label = t.Unicode().tag(sync=True)
    unit = t.Unicode().tag(sync=True)
    min = t.Float().tag(sync=True)
    max = t.Float().tag(sync=True)
    step = t.Float().tag(sync=True)
    value = t.Float().tag(sync=True)


class Switch(anywidget.AnyWidget):
    """On or off."""

    _esm = _HERE / "switch.js"
    _css = _HERE / "controls.css"
    label = t.Unicode().tag(sync=True)
    value = t.Bool().tag(sync=True)


class Choice(anywidget.AnyWidget):
    """One of several names."""

    _esm = _HERE / "choice.js"
    _css = _HERE / "controls.css"
    label = t.Unicode().tag(sync=True)
    names = t.List(t.Unicode()).tag(sync=True)
    value = t.Unicode().tag(sync=True)


class Button(anywidget.AnyWidget):
    """Something to press; `value` counts how often it was."""

    _esm = _HERE / "button.js"
    _css = _HERE / "controls.css"
    label = t.Unicode().tag(sync=True)
    value = t.Int().tag(sync=True)


Control = Slider | Switch | Choice


def slider(label: str, unit: str, low: float, high: float, step: float, *, start: float) -> Any:
    """A field that a slider from `low` to `high` sets; whole numbers throughout make it an integer."""
    make = partial(Slider, label=label, unit=unit, min=low, max=high, step=step)
    return _field(make, start, int if all(isinstance(number, int) for number in (low, high, step, start)) else float)


def switch(label: str, *, start: bool = False) -> Any:
    """A field that is on or off."""
    return _field(partial(Switch, label=label), start, bool)


def choice(label: str, names: Sequence[str], *, start: str | None = None) -> Any:
    """A field that is one of the `names`; at first `start`, or the first of them."""
    return _field(partial(Choice, label=label, names=list(names)), names[0] if start is None else start, str)


def seed() -> Any:
    """The field of the seed of chance, which every explorer has as its last."""
    return slider("Seed of chance", "", 1, 20, 1, start=1)


def _field(make: Callable[..., Control], start: object, kind: type) -> Any:
    return field(default=start, metadata={"make": make, "kind": kind})


def controls_of(settings: type[Any]) -> dict[str, Control]:
    """A control for each field of a dataclass, in their order, where its default puts it."""
    return {field.name: field.metadata["make"](value=field.default) for field in fields(settings)}


def settings_at(settings: type[Any], controls: Mapping[str, Control]) -> Any:
    """The dataclass with the values of its controls."""
    return settings(**{field.name: field.metadata["kind"](controls[field.name].value) for field in fields(settings)})
