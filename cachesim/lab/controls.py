"""What a reader moves: native HTML controls with a label, so that keyboard, mouse and screen readers all find them.

JupyterLab takes arrow keys and Enter for itself, unless the element itself says `data-lm-suppress-shortcuts`.
"""

from __future__ import annotations

from pathlib import Path

import anywidget
import traitlets as t

__all__ = ["Button", "Control", "Slider", "Switch"]

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


class Button(anywidget.AnyWidget):
    """Something to press; `value` counts how often it was."""

    _esm = _HERE / "button.js"
    _css = _HERE / "controls.css"
    label = t.Unicode().tag(sync=True)
    value = t.Int().tag(sync=True)


Control = Slider | Switch
