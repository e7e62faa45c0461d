"""Theory beside simulation, in one picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from cachesim.experiments import replicate
from cachesim.lab.picture import Illustration, plain_style
from cachesim.plots import agreement
from cachesim.scenario import Scenario

__all__ = ["beside_theory"]

_STEPS = 200


def beside_theory(
    scenarios: Mapping[float, Scenario],
    metric: str,
    theory: Callable[[float], float],
    *,
    xlabel: str,
    ylabel: str,
    n: int = 5,
) -> Illustration:
    """A metric of `n` runs of each scenario, with 95 % intervals (Student-t), on the line that `theory` says.

    `scenarios` by the parameter that differs between them, which `theory` takes; labels with units. The parameters must
    rise, and `theory` be continuous between them.

    >>> import cachesim as cs
    >>> from cachesim.theory import stampede_size
    >>> storm = cs.Scenario(
    ...     arrivals=cs.arrivals.Poisson(rate=20), keys=cs.keys.OneKey(),
    ...     cache=cs.Pattern("cache-aside", ttl=10, single_flight="none"),
    ...     database=cs.Database(latency=cs.latency.Constant(0.5)),
    ... )
    >>> scenarios = {time: storm.replace(**{"database.latency.value": time}) for time in (0.1, 0.5)}
    >>> says = lambda time: stampede_size(20, time)
    >>> beside_theory(scenarios, "episode_size_mean", says, xlabel="load time (s)", ylabel="loads per expiry").what
    'loads per expiry by load time (s), simulated (theory): 2.57 (3) at 0.1, 10.8 (11) at 0.5'
    """
    runs = {at: replicate(scenario, n=n) for at, scenario in scenarios.items()}
    frame = pd.DataFrame(
        {at: (run.mean(metric), *run.interval(metric)) for at, run in runs.items()}, index=["mean", "low", "high"]
    ).T
    parameters = list(scenarios)
    steps = np.union1d(np.linspace(parameters[0], parameters[-1], _STEPS), parameters)
    line = pd.Series([theory(float(step)) for step in steps], steps)
    with plain_style():
        axes = agreement(frame, line, xlabel=xlabel, ylabel=ylabel)
    told = ", ".join(f"{frame['mean'][at]:.3g} ({theory(at):.3g}) at {at:g}" for at in parameters)
    return Illustration(axes, f"{ylabel} by {xlabel}, simulated (theory): {told}")
