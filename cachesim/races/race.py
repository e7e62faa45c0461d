"""A race that was found: what it breaks, how it goes, and the line that repeats it."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape

from cachesim.races import diagrams
from cachesim.races.asked import Asked
from cachesim.races.story import Story

__all__ = ["Race"]


@dataclass(frozen=True)
class Race:
    """A run of a few requests that breaks an invariant, shrunk to few requests and switches.

    `message`: who breaks it, and how. `requests`: those that are left. `schedule`: the order of things on one line, for
    `find_race(..., replay=...)`, which `replay` is as a whole. `found`: the number of the schedule that showed it, from
    1. `switches`: how often the work goes from one request to another, time passes, or a client leaves. Printed, it is
    a sequence diagram in text; a notebook shows it as a picture.
    """

    invariant: str
    message: str
    requests: tuple[Asked, ...]
    switches: int
    found: int
    schedule: str
    replay: str = field(repr=False)
    story: Story = field(repr=False)

    @property
    def diagram(self) -> str:
        """The sequence diagram in text."""
        return diagrams.text(self.story)

    @property
    def svg(self) -> str:
        """The sequence diagram as a picture."""
        from cachesim.races import drawings  # late: its colours are those of the plots

        return drawings.svg(self.story, title=f"{self.invariant}: {self.message}")

    def __str__(self) -> str:
        return f"{self.invariant} is broken: {self.message}\n\n{self.diagram}\n\nAgain: {self.replay}"

    def _repr_html_(self) -> str:
        said = f"<p><b>{escape(self.invariant)}</b>: {escape(self.message)}</p>"
        return f"{said}{self.svg}<p><code>{escape(self.replay)}</code></p>"
