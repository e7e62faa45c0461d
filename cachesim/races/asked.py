"""The few requests among which a race is sought, taken from those of a scenario."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice, repeat
from typing import NamedTuple

from cachesim.scenario import Scenario
from cachesim.settings import Problem, ScenarioError
from cachesim.simulation import chance_of, requests_of
from cachesim.traces import TraceError
from cachesim.world.arrivals import OpenLoop
from cachesim.world.requests import Batch, Client, Request

__all__ = ["Asked", "few_requests"]

_FEW = 8
"""So many requests are all taken."""
_READS, _WRITES = 4, 2
"""Of more, so many that read and that write the key asked most."""
_LOOKED_AT = 10_000


class Asked(NamedTuple):
    """What a request asks, when (s) and at which node; several keys in a batch. `client`: the number of its client."""

    time: float
    keys: tuple[str, ...]
    node: int
    writes: bool
    batch: bool = False
    client: int | None = None

    def request(self, now: float, clients: dict[int, Client]) -> Request | Batch:
        """The request, on its way from now on."""
        asking: Request | Batch
        if self.batch:
            asking = Batch(now, self.keys, self.node, self.writes)
        else:
            asking = Request(now, self.keys[0], self.node, self.writes)
        if self.client is not None:
            for request in asking.requests:
                request.client = clients.setdefault(self.client, Client())
        return asking


def few_requests(scenario: Scenario, *, writing: bool) -> tuple[Asked, ...]:
    """The requests of a scenario, if they are at most 8; else the first 4 that read and 2 that write its hottest key.

    The first 10,000 requests are looked at. Where one has to be `writing` and none does, the second writes, or the only
    one and two that read follow it. Raises `ScenarioError` if nothing is asked.
    """
    try:
        asked = list(islice(_asked(scenario), _LOOKED_AT))
    except TraceError as error:
        raise ScenarioError(Problem("", str(error))) from None
    if not asked:
        raise ScenarioError(Problem("duration", f"{scenario.duration!r} is not allowed; no request arrives by then"))
    if len(asked) > _FEW:
        counts = Counter(key for one in asked for key in one.keys)
        asked = _of_key(asked, counts.most_common(1)[0][0])
    if writing and not any(one.writes for one in asked):
        first = asked[0]
        if len(asked) < 3:
            asked += [first] * (3 - len(asked))
        asked[1] = asked[1]._replace(writes=True)
    return tuple(asked)


def _of_key(asked: Sequence[Asked], key: str) -> list[Asked]:
    left = {False: _READS, True: _WRITES}
    few = []
    for one in asked:
        if key in one.keys and left[one.writes]:
            left[one.writes] -= 1
            few.append(one)
    return few


def _asked(scenario: Scenario) -> Iterator[Asked]:
    rng = chance_of(scenario.seed)
    arrivals = scenario.arrivals
    times = arrivals.times(rng("arrivals")) if isinstance(arrivals, OpenLoop) else repeat(0.0)  # users ask at once
    numbers: dict[Client, int] = {}
    for asking in requests_of(scenario, times, rng):
        if scenario.duration is not None and asking.time >= scenario.duration:
            return
        client = asking.requests[0].client
        yield Asked(
            time=asking.time,
            keys=tuple(request.key for request in asking.requests),
            node=asking.node,
            writes=asking.writes,
            batch=isinstance(asking, Batch),
            client=None if client is None else numbers.setdefault(client, len(numbers)),
        )
