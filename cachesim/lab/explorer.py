"""An explorer: controls say what to simulate; picture, numbers and scenario file follow.

Everything that a move of a control does goes through `Explorer._moved`, which puts what goes wrong on the page: an
exception in a plain widget callback is seen by nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import ipywidgets
from matplotlib.figure import Figure

from cachesim.lab.controls import Button, Control
from cachesim.lab.panel import Listing, Number, Panel, problem, table
from cachesim.lab.picture import Picture, plain_style, png
from cachesim.result import Result
from cachesim.scenario import Scenario

__all__ = ["Explorer", "Findings", "Settings", "Sketch"]

_KEPT = 256
"""How many results are kept, of some 60 kB each."""


class Settings(Hashable, Protocol):
    """Where the controls stand; its fields are named as they are. Equal settings make equal scenarios."""

    def scenario(self) -> Scenario:
        """What to simulate."""


@dataclass(frozen=True)
class Findings:
    """What to say about a result: in a sentence, in place of the picture, in numbers, and in a note below these."""

    sentence: str
    alt: str
    numbers: Sequence[Number]
    note: str


S = TypeVar("S", bound=Settings)
S_contra = TypeVar("S_contra", bound=Settings, contravariant=True)


class Sketch(Protocol[S_contra]):
    """A picture of a result, on a figure that is kept."""

    figure: Figure

    def draw(self, settings: S_contra, result: Result) -> Findings:
        """Change the figure so that it shows the result, and say what it shows."""


class _Shown(NamedTuple):
    png: bytes
    findings: Findings
    toml: str


class Explorer(Generic[S]):
    """Controls, a picture, numbers beside theory, a scenario file, and a button that puts the controls back.

    `settings` is called with the values of the `controls` by name. `run` simulates. Showing it for the first time is
    the constructor's: what goes wrong there is raised.
    """

    def __init__(
        self,
        settings: Callable[..., S],
        controls: Mapping[str, Control],
        sketch: Sketch[S],
        run: Callable[[Scenario], Result],
    ) -> None:
        self.controls = dict(controls)
        self.reset = Button(label="Reset")
        self.problem = Panel(role="alert")
        self.picture = Picture.of(sketch.figure)
        self.finding = Panel(role="status")
        self.numbers = Panel()
        self.listing = Listing(summary="These settings as a scenario file")
        self._settings, self._sketch, self._run = settings, sketch, run
        self._simulated = lru_cache(_KEPT)(self._simulate)
        self._initial = {name: control.value for name, control in controls.items()}
        self._resetting = False

        self._show()
        for control in controls.values():
            control.observe(self._moved, "value")
        self.reset.observe(self._put_back, "value")

    @property
    def settings(self) -> S:
        """Where the controls stand."""
        return self._settings(**{name: control.value for name, control in self.controls.items()})

    def _simulate(self, settings: S) -> _Shown:
        scenario = settings.scenario()
        result = self._run(scenario)
        with plain_style():
            findings = self._sketch.draw(settings, result)
            return _Shown(png(self._sketch.figure), findings, scenario.to_toml())

    def _show(self) -> None:
        image, findings, toml = self._simulated(self.settings)
        self.picture.show(image, findings.alt)
        self.numbers.html = table(findings.numbers, findings.note)
        self.listing.text = toml
        self.finding.html = escape(findings.sentence)  # last: when it is spoken, all else is on the page

    def _moved(self, change: object) -> None:
        if self._resetting:
            return
        try:
            self._show()
        except Exception as error:
            self.problem.html = problem(error)
        else:
            self.problem.html = ""

    def _put_back(self, change: object) -> None:
        """All controls at once, so that only the last of them simulates."""
        self._resetting = True
        try:
            for name, control in self.controls.items():
                control.value = self._initial[name]
        finally:
            self._resetting = False
        self._moved(change)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        parts = [*self.controls.values(), self.reset, self.problem, self.picture, self.finding, self.numbers]
        return ipywidgets.VBox([*parts, self.listing])._repr_mimebundle_(**options)
