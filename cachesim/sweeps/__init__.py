"""Many scenarios, each run many times: which ones (`designs`), one run (`cells`), where results are kept (`store`).

`sweep` gives a frame with a row a run; `table` and `plot` say what it found, point by point, with intervals.
"""

from cachesim.sweeps.designs import Between
from cachesim.sweeps.pictures import plot
from cachesim.sweeps.sweeping import sweep
from cachesim.sweeps.tables import table

__all__ = ["Between", "plot", "sweep", "table"]
