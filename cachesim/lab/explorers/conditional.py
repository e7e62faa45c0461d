"""Browsers visit a page again and again, and it changes now and then: what does 304 (Not Modified) save?

Each of n browsers visits as a Poisson process, every 1/a seconds on average; the page changes every 1/mu seconds. Who
sends the tag of what it keeps gets the page whole only if it has changed since: a share mu / (a + mu) of the visits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cachesim.lab.controls import seed, slider, switch
from cachesim.lab.explorer import Explorer, Findings, Report, Run
from cachesim.lab.panel import Number
from cachesim.lab.picture import freeze, kept_figure
from cachesim.patterns import Conditional
from cachesim.patterns.http_messages import App, Message, Receive, Scope, Send
from cachesim.plots import BLUE, VERMILION, Shares, Visits
from cachesim.result import Result
from cachesim.scenario import Pattern, Scenario
from cachesim.simulation import simulate
from cachesim.theory import not_modified_error, not_modified_ratio
from cachesim.world import arrivals, keys, latency
from cachesim.world.clients import Clients
from cachesim.world.database import Database
from cachesim.world.http import http_factory
from cachesim.world.requests import CURRENT_REQUEST

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Outcome", "Visited", "changes_of", "explore", "simulated"]

_PAGE = 20_000
"""Bytes."""
_WINDOW = 80.0
"""What the picture shows, in seconds."""
_WARM = 3
"""Visits of a browser before anything is measured: few have not been there by then."""


@dataclass(frozen=True)
class Visited:
    """Where the controls stand: how many browsers, and seconds between the visits of each and between changes."""

    browsers: int = slider("Browsers n", "", 5, 40, 5, start=40)
    visit_every: int = slider("Each visits every", "s", 10, 60, 5, start=10)
    change_every: int = slider("The page changes every", "s", 10, 300, 10, start=60)
    validators: bool = switch("Browsers keep tags", start=True)
    seed: int = seed()

    def scenarios(self, requests: int) -> dict[str, Scenario]:
        """One page behind `conditional`. Those who change it are among those who ask: Poisson processes, both."""
        visits, changes = self.browsers / self.visit_every, 1 / self.change_every
        scenario = Scenario(
            title="A page that browsers visit again",
            arrivals=arrivals.Poisson(rate=visits + changes),
            keys=keys.OneKey(),
            cache=Pattern("conditional"),
            database=Database(latency=latency.Constant(0.005)),
            clients=Clients(n=self.browsers, validators=self.validators, body_bytes=_PAGE),
            writes=changes / (visits + changes),
            duration=self.warmup + max(_WINDOW, round(requests / visits)),
            warmup=self.warmup,
            seed=self.seed,
        )
        return {"conditional": scenario}

    @property
    def warmup(self) -> float:
        """Seconds."""
        return float(_WARM * self.visit_every)

    @property
    def not_modified(self) -> float:
        """The share of 304 in theory."""
        return not_modified_ratio(1 / self.visit_every, 1 / self.change_every) if self.validators else 0.0


class Outcome(NamedTuple):
    """A result, with what it does not tell: when each visit was answered (s), whose it was, and whether by 304."""

    result: Result
    times: NDArray[np.float64]
    browsers: NDArray[np.int64]
    kept: NDArray[np.bool_]


class _Witness:
    """Stands in front of a middleware and notes who is answered what."""

    def __init__(self) -> None:
        self.seen: list[tuple[float, int, bool]] = []
        self._numbers: dict[int, int] = {}

    def before(self, app: App) -> App:
        """The application with a witness, and `Conditional` between them."""
        conditional = Conditional(app)

        async def witnessed(scope: Scope, receive: Receive, send: Send) -> None:
            request = CURRENT_REQUEST.get()

            async def note(message: Message) -> None:
                if message["type"] == "http.response.start":
                    number = self._numbers.setdefault(id(request.client), len(self._numbers))  # type: ignore[union-attr]
                    self.seen.append((request.time, number, message["status"] == 304))  # type: ignore[union-attr]
                await send(message)

            await conditional(scope, receive, note)

        return witnessed


def simulated(settings: Visited, requests: int, report: Report) -> Outcome:
    """Simulate, and watch the answers."""
    (scenario,) = settings.scenarios(requests).values()
    end, witness = scenario.duration or 1.0, _Witness()
    result = simulate(scenario, cache=http_factory(witness.before), progress=lambda now: report(min(1.0, now / end)))
    times, browsers, kept = (np.array(column) for column in zip(*witness.seen, strict=True))
    measured = times >= scenario.warmup
    return Outcome(result, times[measured] - scenario.warmup, browsers[measured], kept[measured])


class _Picture:
    """The visits of each browser, and below them what share of the bytes is saved."""

    def __init__(self) -> None:
        self.figure = kept_figure(768, 420)
        above, below = self.figure.subplots(2, height_ratios=(4, 1))
        self._visits = Visits(above)
        self._shares = Shares(below, {"saved": BLUE, "sent": VERMILION}, label="share of the bytes (mark: theory)")
        # Laid out once.
        above.set_title(" ", pad=26)
        above.yaxis.set_label_coords(-0.06, 0.5)  # else it moves with the width of the numbers
        self._visits.show([0], [0], [True], [1], n=40, end=_WINDOW)
        self._shares.show([0.5, 0.5], [0.5, 0.5], ["", ""])
        freeze(self.figure)

    def draw(self, settings: Visited, outcome: Outcome) -> Findings:
        """Show a result."""
        shown = outcome.times < _WINDOW
        changes = changes_of(settings, outcome.result)
        self._visits.show(
            outcome.times[shown],
            outcome.browsers[shown],
            outcome.kept[shown],
            changes[changes < _WINDOW],
            n=settings.browsers,
            end=_WINDOW,
        )
        sent, saved = outcome.result.metrics["bytes_sent"], outcome.result.metrics["bytes_saved"]
        share, expected = saved / (sent + saved), settings.not_modified
        rates = [f"{number / 1000 / _measured(settings, outcome):,.3g} kB/s" for number in (saved, sent)]
        self._shares.show([share, 1 - share], [expected, 1 - expected], rates)
        title = "Without tags, every visit brings the whole page"
        if settings.validators:
            title = f"304s save {100 * share:.3g} % of the bytes"
        self._visits.ax.set_title(title, loc="left", weight="bold", pad=26)
        whole = int((~outcome.kept[shown]).sum())
        return Findings(
            sentence=f"{title}; theory says {100 * expected:.1f} %.",
            alt=f"Visits of {settings.browsers} browsers during {_WINDOW:g} s, in which the page changes "
            f"{int((changes < _WINDOW).sum())} times: {whole} of {int(shown.sum())} bring the whole page. {title}.",
            numbers=_numbers(settings, outcome),
            note=_note(settings, outcome),
        )


def changes_of(settings: Visited, result: Result) -> NDArray[np.float64]:
    """When changes of the page were committed, in seconds from the end of the warm-up."""
    writes = result.requests[result.requests["outcome"] == "write"]
    return np.sort((writes["time"] + writes["latency"] - settings.warmup).to_numpy())


def _measured(settings: Visited, outcome: Outcome) -> float:
    return outcome.result.duration - settings.warmup


def _numbers(settings: Visited, outcome: Outcome) -> list[Number]:
    metrics = outcome.result.metrics
    reads, expected, error = metrics["reads"], settings.not_modified, 0.0
    if settings.validators:
        seconds = _measured(settings, outcome)
        error = not_modified_error(settings.browsers, 1 / settings.visit_every, 1 / settings.change_every, seconds)
    kilobytes = _PAGE / 1000
    return [
        Number("Answers 304", metrics["not_modified"] / reads, "%", expected, error),
        Number(
            "Sent per visit", metrics["bytes_sent"] / 1000 / reads, "kB", kilobytes * (1 - expected), kilobytes * error
        ),
        Number("Database reads per visit", metrics["loads"] / reads, "", 1.0),
    ]


def _note(settings: Visited, outcome: Outcome) -> str:
    metrics = outcome.result.metrics
    return (
        f"From {metrics['reads']:,.0f} visits in {_measured(settings, outcome):g} s, in which the page of "
        f"{_PAGE / 1000:g} kB changed {metrics['writes']:.0f} times. The picture shows the first {_WINDOW:g} s. A "
        "change costs every browser one full answer, so the share depends on how many changes a run happens to have."
    )


def explore(run: Run[Visited, Outcome] = simulated) -> Explorer[Visited, Outcome]:
    """The explorer of a page that browsers visit again; `run` simulates."""
    return Explorer(Visited, _Picture, run, moving=300, resting=3_000)
