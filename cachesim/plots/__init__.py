"""Pictures: arrays and frames in, matplotlib Axes out. Times in seconds.

Each function draws on the Axes it is given, or on a Figure of its own that pyplot does not know, so that nothing is
left open behind it; `axes.figure.savefig` writes it to a file. Fonts and sizes are whatever matplotlib is set to.
"""

from cachesim.plots.agreements import agreement
from cachesim.plots.colours import BLUE, VERMILION
from cachesim.plots.comparisons import comparison
from cachesim.plots.size_curves import hit_rate_curves
from cachesim.plots.storms import Storm, in_flight, storm

__all__ = ["BLUE", "VERMILION", "Storm", "agreement", "comparison", "hit_rate_curves", "in_flight", "storm"]
