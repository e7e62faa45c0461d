"""What a move of a control takes, against redrawing the same figure alone: for each explorer of the notebooks.

A move: from the new value of a control to the new picture and numbers, as the notebook does it while a slider moves:
simulate, draw, write the PNG, the table and the scenario file. Redrawing: the same kept figure drawn with the same
outcome and written as PNG, nothing else; a new pyplot figure would take two to three times as long. Asked: a ratio of
at most 2 where the explorer starts. The ends of all controls are told as well, by the largest ratio.
"""

from __future__ import annotations

import pkgutil
import platform
import statistics
import sys
import time
from importlib import import_module
from typing import Any, NamedTuple

from cachesim.lab import explorers
from cachesim.lab.controls import Slider
from cachesim.lab.explorer import Explorer
from cachesim.lab.picture import plain_style, png

MOVES = 15
MOVES_AT_ENDS = 5
MOST = 2.0


class Cost(NamedTuple):
    """Seconds, medians over several moves."""

    move: float
    redraw: float

    @property
    def ratio(self) -> float:
        """A move in redraws."""
        return self.move / self.redraw


def cost(explorer: Explorer[Any, Any], n: int) -> Cost:
    """`n` moves of the seed, each followed by a redraw, where the other controls stand."""
    seed = explorer.controls["seed"]
    taken: list[tuple[float, float]] = []
    for value in range(2, n + 3):
        began = time.perf_counter()
        seed.value = value
        moved = time.perf_counter() - began
        if explorer.problem.html:
            raise RuntimeError(explorer.problem.html)
        settings = explorer.settings
        outcome = explorer._run(settings, explorer.moving, lambda share: None)
        began = time.perf_counter()
        with plain_style():
            explorer.sketch.draw(settings, outcome)
            png(explorer.sketch.figure)
        taken.append((moved, time.perf_counter() - began))
        explorer._kept.clear()
    moves, redraws = zip(*taken[1:], strict=True)  # the first warms up
    return Cost(statistics.median(moves), statistics.median(redraws))


def at_ends(explorer: Explorer[Any, Any]) -> Cost:
    """The costliest of the ends of each control, the others being where they start."""
    costs = []
    for name, control in explorer.controls.items():
        if name == "seed":
            continue
        start = control.value
        ends = [control.min, control.max] if isinstance(control, Slider) else getattr(control, "names", [False, True])
        for end in ends:
            control.value = end
            costs.append(cost(explorer, MOVES_AT_ENDS))
        control.value = start
    return max(costs, key=lambda cost: cost.ratio)


def main() -> None:
    """Print a row for each explorer."""
    write = sys.stdout.write
    write(f"explorers, Python {platform.python_version()}: ms of a move, of redrawing alone; ratio (asked: {MOST:g})\n")
    for module in pkgutil.iter_modules(explorers.__path__):
        made = import_module(f"{explorers.__name__}.{module.name}")
        if not hasattr(made, "explore"):
            continue
        explorer = made.explore()
        start, worst = cost(explorer, MOVES), at_ends(explorer)
        told = [f"{1000 * one.move:7.1f}{1000 * one.redraw:7.1f}{one.ratio:6.2f}" for one in (start, worst)]
        write(f"  {module.name:24}{told[0]}   at its ends, at most{told[1]}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
