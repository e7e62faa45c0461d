"""Pictures: arrays and frames in, matplotlib Axes out. Times in seconds.

Each function draws on the Axes it is given, or on a Figure of its own that pyplot does not know, so that nothing is
left open behind it; `axes.figure.savefig` writes it to a file. Fonts and sizes are whatever matplotlib is set to.
"""

from cachesim.plots.agreements import agreement
from cachesim.plots.along_lifetimes import AlongLifetime
from cachesim.plots.answer_tables import answers
from cachesim.plots.colours import BLUE, VERMILION
from cachesim.plots.comparisons import comparison
from cachesim.plots.copies_by_node import NodeCopies, node_copies
from cachesim.plots.disturbances import disturbance
from cachesim.plots.early_recomputes import RecomputeInstants, recompute_instants, recomputes
from cachesim.plots.facets import faceted, scattered
from cachesim.plots.herd_rows import Herd, Herds, herds
from cachesim.plots.late_fills import late_fill
from cachesim.plots.page_waits import PageWaits, Wait
from cachesim.plots.panels_over_time import timelines
from cachesim.plots.rates_of_loads import load_rates
from cachesim.plots.shares import Shares
from cachesim.plots.size_curves import HitRateCurves, hit_rate_curves
from cachesim.plots.stale_lives import StaleLife, stale_life
from cachesim.plots.stale_reads import staleness
from cachesim.plots.storms import Storm, in_flight, storm
from cachesim.plots.tradeoffs import tradeoff
from cachesim.plots.visits import Visits
from cachesim.plots.waits import Waits
from cachesim.plots.waterfalls import waterfall
from cachesim.plots.write_orders import Behind, WriteOrder, Writes, write_order

__all__ = [
    "BLUE",
    "VERMILION",
    "AlongLifetime",
    "Behind",
    "Herd",
    "Herds",
    "HitRateCurves",
    "NodeCopies",
    "PageWaits",
    "RecomputeInstants",
    "Shares",
    "StaleLife",
    "Storm",
    "Visits",
    "Wait",
    "Waits",
    "WriteOrder",
    "Writes",
    "agreement",
    "answers",
    "comparison",
    "disturbance",
    "faceted",
    "herds",
    "hit_rate_curves",
    "in_flight",
    "late_fill",
    "load_rates",
    "node_copies",
    "recompute_instants",
    "recomputes",
    "scattered",
    "stale_life",
    "staleness",
    "storm",
    "timelines",
    "tradeoff",
    "waterfall",
    "write_order",
]
