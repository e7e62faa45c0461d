"""`closed_forms`: what theory says of a scenario's metrics, where a closed form applies to it as it stands.

Each module knows the scenarios of one subject and says nothing of all others. What it says is the mean over runs of
just this scenario: of its measured time, with its cold start. Where anything is in doubt, it says nothing.
"""

from __future__ import annotations

from cachesim.closed_forms.batches import batches
from cachesim.closed_forms.conditional_requests import conditional_requests
from cachesim.closed_forms.early_recompute import early_recompute
from cachesim.closed_forms.eviction import eviction
from cachesim.closed_forms.form import ClosedForm
from cachesim.closed_forms.invalidation import invalidation
from cachesim.closed_forms.layers import layers
from cachesim.closed_forms.lifetimes import lifetimes
from cachesim.closed_forms.queues import queues
from cachesim.closed_forms.renewed import renewed
from cachesim.closed_forms.revalidation import revalidation
from cachesim.closed_forms.stampede_sizes import stampede_sizes
from cachesim.closed_forms.stampedes import stampedes
from cachesim.closed_forms.write_through import write_through
from cachesim.scenario import Scenario

__all__ = ["ClosedForm", "closed_forms"]

_SUBJECTS = (
    lifetimes,
    renewed,
    write_through,
    stampedes,
    stampede_sizes,
    early_recompute,
    revalidation,
    layers,
    invalidation,
    batches,
    conditional_requests,
    eviction,
    queues,
)


def closed_forms(scenario: Scenario) -> list[ClosedForm]:
    """What theory says of the metrics of a scenario, at most once of each; nothing where no form applies as it stands.

    >>> import cachesim as cs
    >>> scenario = cs.Scenario(
    ...     arrivals=cs.arrivals.Poisson(rate=100), keys=cs.keys.OneKey(), cache=cs.Pattern("cache-aside", ttl=10),
    ...     database=cs.Database(latency=cs.latency.Constant(0.5)),
    ... )
    >>> {form.metric: round(form.expected, 6) for form in closed_forms(scenario)}
    {'hit_ratio': 0.949, 'miss_ratio': 0.001, 'delayed_hit_ratio': 0.05, 'latency_mean': 0.013}
    """
    return [form for subject in _SUBJECTS for form in subject(scenario)]
