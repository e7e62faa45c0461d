"""An explorer: controls say what to simulate; picture, numbers and scenario file follow.

While a control moves, a short run is made at each step, in the time that drawing takes anyway; when the controls rest,
a longer one follows in a thread of its own, and is given up as soon as they move again. Whatever goes wrong in either
is put on the page: an exception in a plain widget callback is seen by nobody.

JupyterLab may have each control call back in a thread of its own, and while cells run. So the position that counts is
the latest, `_wanted`; what shows a run holds the explorer's lock, and what draws, that of `plain_style`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from threading import RLock, Thread
from time import monotonic, sleep
from typing import Any, ClassVar, Generic, NamedTuple, Protocol, TypeVar

import cachetools
import ipywidgets
import traitlets
from IPython import get_ipython
from matplotlib.figure import Figure

from cachesim.lab.controls import Button, controls_of, settings_at
from cachesim.lab.panel import Listing, Number, Panel, Progress, problem, table
from cachesim.lab.picture import Picture, plain_style, png, static_image
from cachesim.result import Result
from cachesim.scenario import Scenario
from cachesim.simulation import simulate

__all__ = ["Explorer", "Findings", "Report", "Run", "Settings", "Sketch", "link", "simulated"]

_KEPT = 256
"""How many pictures are kept, of some 60 kB each."""
_REST = 0.3
"""Seconds without a move after which the controls are at rest."""
_PATIENCE = 0.5
"""Seconds after which a run shows how far it is."""
_STEP = 0.1
"""Seconds between two steps of that."""

Report = Callable[[float], None]
"""Is told the share of a run that is done, 0 to 1; raises when the run is no longer wanted."""


class Settings(Hashable, Protocol):
    """Where the controls stand: a frozen dataclass of `cachesim.lab.controls`. Equal ones make equal scenarios."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    def scenarios(self, requests: int) -> Mapping[str, Scenario]:
        """What to simulate, of about so many requests in all, by name; the first is the one to copy as a file."""


@dataclass(frozen=True)
class Findings:
    """What to say about a run: in a sentence, in place of the picture, in numbers, and in a note below these."""

    sentence: str
    alt: str
    numbers: Sequence[Number]
    note: str


S = TypeVar("S", bound=Settings)
O = TypeVar("O")  # noqa: E741 - an outcome
S_contra = TypeVar("S_contra", bound=Settings, contravariant=True)
O_contra = TypeVar("O_contra", contravariant=True)

Run = Callable[[S, int, Report], O]
"""From settings and a number of requests to an outcome."""


class Sketch(Protocol[S_contra, O_contra]):
    """A picture of an outcome, on a figure that is kept."""

    figure: Figure

    def draw(self, settings: S_contra, outcome: O_contra) -> Findings:
        """Change the figure so that it shows the outcome, and say what it shows."""


def simulated(settings: Settings, requests: int, report: Report) -> dict[str, Result]:
    """Simulate the scenarios of the settings, one after the other."""
    scenarios = settings.scenarios(requests)
    results: dict[str, Result] = {}
    for name, scenario in scenarios.items():

        def progress(now: float, end: float = scenario.duration or 1.0, done: int = len(results)) -> None:
            report((done + min(1.0, now / end)) / len(scenarios))

        results[name] = simulate(scenario, progress=progress)
    return results


class _Shown(NamedTuple):
    png: bytes
    findings: Findings


class _Superseded(Exception):
    """The controls have moved on."""


class Explorer(Generic[S, O]):
    """Controls, a picture, numbers beside theory, a scenario file, and a button that puts the controls back.

    `settings` is the dataclass of the controls, `sketch` makes the picture, `run` the outcome: of about `moving`
    requests while a control moves, of `resting` when none does. Showing it for the first time is the constructor's:
    what goes wrong there is raised.
    """

    def __init__(
        self,
        settings: type[S],
        sketch: Callable[[], Sketch[S, O]],
        run: Run[S, O],
        *,
        moving: int = 1_000,
        resting: int = 20_000,
    ) -> None:
        self.moving, self.resting = moving, resting
        self.controls = controls_of(settings)
        self.reset = Button(label="Reset")
        self._type, self._run = settings, run
        with plain_style():
            self.sketch = sketch()
        self.problem = Panel(role="alert")
        self.progress = Progress(label="Simulating more requests")
        self.picture = Picture.of(self.sketch.figure)
        self.finding = Panel(role="status")
        self.numbers = Panel()
        self.listing = Listing(summary="These settings as a scenario file")
        self._kept: cachetools.LRUCache[tuple[S, int], _Shown] = cachetools.LRUCache(_KEPT)
        self._initial = {name: control.value for name, control in self.controls.items()}
        self._resetting = False
        self._wanted = self.settings
        self._lock = RLock()
        self._in_kernel = get_ipython() is not None

        self.rest()
        for control in self.controls.values():
            control.observe(self._moved, "value")
        self.reset.observe(self._put_back, "value")

    @property
    def settings(self) -> S:
        """Where the controls stand."""
        return settings_at(self._type, self.controls)  # type: ignore[no-any-return]

    def rest(self) -> None:
        """Make the longer run at once, as in a kernel happens by itself a moment after the last move."""
        self._show(self.settings, self.resting)

    def _show(self, settings: S, requests: int) -> None:
        """Show a run, and make it if it is not kept."""
        if (settings, requests) not in self._kept:
            self._draw(settings, requests, self._run(settings, requests, lambda share: None))
        image, findings = self._kept[settings, requests]
        self.picture.show(image, findings.alt)
        self.numbers.html = table(findings.numbers, findings.note)
        self.listing.text = _listing(settings.scenarios(self.resting))
        self.finding.html = escape(findings.sentence)  # last: when it is spoken, all else is on the page

    def _draw(self, settings: S, requests: int, outcome: O) -> None:
        with plain_style():
            findings = self.sketch.draw(settings, outcome)
            self._kept[settings, requests] = _Shown(png(self.sketch.figure), findings)

    def _moved(self, change: object) -> None:
        if self._resetting:
            return
        self._wanted = settings = self.settings
        with self._lock:
            if self._wanted is not settings:  # moved on while another move was shown
                return
            known = (settings, self.resting) in self._kept
            follows = self._in_kernel and not known
            self.finding.busy = follows
            try:
                self._show(settings, self.resting if known else self.moving)
            except Exception as error:
                self._failed(error)
                return
            self.problem.html = ""
        if follows:
            Thread(target=self._rest, args=[settings], daemon=True).start()

    def _failed(self, error: Exception) -> None:
        self.problem.html = problem(error)
        self.finding.busy = False

    def _rest(self, settings: S) -> None:
        """The longer run, unless the controls move before it is there."""
        sleep(_REST)
        began = shown = monotonic()

        def report(share: float) -> None:
            nonlocal shown
            if self._wanted is not settings:
                raise _Superseded
            now = monotonic()
            if now > began + _PATIENCE and now > shown + _STEP:
                self.progress.show(share)
                shown = now

        try:
            report(0)
            outcome = self._run(settings, self.resting, report)
            with self._lock:
                report(1)
                self._draw(settings, self.resting, outcome)
                self._show(settings, self.resting)
                self.finding.busy = False
        except _Superseded:
            pass
        except Exception as error:
            with self._lock:
                if self._wanted is settings:
                    self._failed(error)
        if self._wanted is settings:
            self.progress.show(None)

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
        parts = [*self.controls.values(), self.reset, self.progress, self.problem, self.picture, self.finding]
        widgets = ipywidgets.VBox([*parts, self.numbers, self.listing])
        return {**widgets._repr_mimebundle_(**options), "text/html": self._repr_html_()}

    def _repr_html_(self) -> str:
        """What a page without a kernel shows: the explorer as it stands, and nothing to move."""
        image = static_image(self.sketch.figure, self.picture.alt)
        return f"<div>{image}<p><strong>{self.finding.html}</strong></p>{self.numbers.html}</div>"


def _listing(scenarios: Mapping[str, Scenario]) -> str:
    """The first scenario as a file, with the caches of the others as comments: they meet the same requests."""
    first, *others = scenarios.items()
    text = first[1].to_toml()
    for name, scenario in others:
        cache = scenario.to_toml().partition("[cache]\n")[2].partition("\n\n")[0]
        text += f"\n# {name}: in place of [cache] above\n" + "".join(f"# {line}\n" for line in cache.splitlines())
    return text


def link(*explorers: Explorer[Any, Any]) -> None:
    """Move the controls that have the same name together: one scenario, looked at in several ways.

    Raises `ValueError` when the explorers have no control in common.
    """
    names = set.intersection(*(set(explorer.controls) for explorer in explorers))
    if not names:
        raise ValueError("these explorers have no control of the same name")
    first, *others = explorers
    for other in others:
        for name in sorted(names):
            traitlets.link((first.controls[name], "value"), (other.controls[name], "value"))
