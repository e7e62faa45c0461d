"""What the animation shows is what the tables of the result say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from IPython.core.formatters import DisplayFormatter

import cachesim as cs
from cachesim.lab.animation import KINDS, Animation, Stages
from cachesim.lab.panel import Listing, Panel
from cachesim.plots import in_flight

HALF_A_SECOND = cs.Database(latency=cs.latency.Constant(0.5))


def hot_key(pattern: cs.Pattern | None = None, **changes: Any) -> cs.Scenario:
    return cs.Scenario(
        arrivals=cs.arrivals.Poisson(rate=50),
        keys=cs.keys.OneKey(),
        cache=pattern or cs.Pattern("cache-aside", ttl=2, single_flight="none"),
        database=HALF_A_SECOND,
        duration=10,
        **changes,
    )


SCENARIOS = {
    "storm": hot_key(),
    "single flight": hot_key(cs.Pattern("cache-aside", ttl=2)),
    "no cache": hot_key(cs.Pattern("none")),
    "early": hot_key(cs.Pattern("early-recompute", ttl=2, beta=2)),
    "stale": hot_key(cs.Pattern("stale-while-revalidate", fresh_for=2, stale_for=2)),
    "round trips": hot_key(redis=cs.Redis(round_trip=cs.latency.Exponential(0.01)), nodes=3),
    "many keys": cs.Scenario(
        arrivals=cs.arrivals.Poisson(rate=100),
        keys=cs.keys.Zipf(n=30, alpha=0.9),
        cache=cs.Pattern("layered", ttl=4, l1_ttl=1),
        database=cs.Database(latency=cs.latency.Exponential(0.3), connections=4),
        faults=[cs.faults.DatabaseErrors(start=2, duration=5, share=0.3)],
        writes=0.05,
        nodes=2,
        duration=10,
    ),
    "timeouts": hot_key(
        clients=cs.Clients(timeout=0.4, retries=1, backoff=0.1, disconnect="ignore"),
        faults=[cs.faults.DatabaseDown(start=3, duration=2)],
    ),
}


@pytest.fixture(scope="module", params=SCENARIOS)
def result(request: pytest.FixtureRequest) -> cs.Result:
    return cs.simulate(SCENARIOS[request.param])


@dataclass
class Explorer:
    """As much of an explorer as an animation knows."""

    listing: Listing = field(default_factory=lambda: Listing(text=hot_key().to_toml()))
    finding: Panel = field(default_factory=Panel)


def rows(data: bytes, count: int) -> Any:
    return np.frombuffer(data, np.float32).reshape(count, -1)


def open_at(moment: float, begins: Any, ends: Any) -> int:
    return int(((begins <= moment) & (moment < ends)).sum())


def test_each_request_is_a_mark(result):
    stages, requests = Stages.of(result), result.requests
    of_requests = ~np.isnan(stages.arrival)
    assert stages.arrival[of_requests].tolist() == requests["time"].tolist()
    assert stages.end[of_requests].tolist() == (requests["time"] + requests["latency"]).tolist()
    assert [KINDS[kind] for kind in stages.kind[of_requests]] == requests["outcome"].tolist()
    assert {KINDS[kind] for kind in stages.kind[~of_requests]} <= {"background"}


def test_each_load_belongs_to_one_mark(result):
    stages, loads = Stages.of(result), result.loads
    at_database = ~np.isnan(stages.reached)
    shown = sorted(zip(stages.reached[at_database], stages.left[at_database], strict=True))
    assert shown == sorted(zip(loads["start"], loads["end"].fillna(np.inf), strict=True))


def test_a_request_is_at_the_database_between_arrival_and_end(result):
    stages = Stages.of(result)
    both = ~np.isnan(stages.arrival) & ~np.isnan(stages.reached)
    assert (stages.arrival[both] <= stages.reached[both]).all()
    assert (stages.left[both] <= stages.end[both] + 1e-9).all()
    assert {KINDS[kind] for kind in stages.kind[both]} <= {"miss", "early", "error"}


def test_each_miss_has_its_load(result):
    """But those that end in an error may have none."""
    stages = Stages.of(result)
    loading = np.isin(stages.kind, [KINDS.index("miss"), KINDS.index("early")])
    assert not np.isnan(stages.reached[loading]).any()


def test_loads_without_a_request_are_those_that_nobody_waits_for():
    def alone(name: str) -> int:
        stages = Stages.of(cs.simulate(SCENARIOS[name]))
        return int((stages.kind == KINDS.index("background")).sum())

    assert [alone(name) for name in ("storm", "single flight", "no cache", "early", "round trips")] == [0] * 5
    refreshes = cs.simulate(SCENARIOS["stale"]).metrics["loads_refresh"]
    assert alone("stale") == refreshes > 0
    assert alone("timeouts") > 0


@pytest.mark.parametrize(("start", "end"), [(0, 10), (2.25, 4.75)])
def test_what_is_sent_agrees_with_the_loads_in_flight(result, start, end):
    run = Animation.of(result, start, end).run
    _, reached, left, _ = rows(run["times"], 4)
    times, counts = rows(run["flight"], 2)
    exact, expected = in_flight(result.loads["start"], result.loads["end"], end, start)
    np.testing.assert_array_equal(counts, expected)
    for step in np.flatnonzero(np.diff(exact) > 1e-4):  # float32 tells these apart
        middle = (times[step] + times[step + 1]) / 2
        assert open_at(middle, reached, left) == expected[step]


def test_a_window_has_what_takes_part_in_it(result):
    stages = Stages.of(result)
    part = stages.within(2.25, 4.75)
    for moment in np.linspace(2.25, 4.75, 23, endpoint=False):
        assert open_at(moment - 2.25, part.arrival, part.end) == open_at(moment, stages.arrival, stages.end)
        assert open_at(moment - 2.25, part.reached, part.left) == open_at(moment, stages.reached, stages.left)
    assert len(part.kind) < len(stages.kind)


def test_values_are_kept_when_entries_say_so(result):
    times, counts = rows(Animation.of(result).run["kept"], 2)
    stored, ended = result.entries["stored"].to_numpy(), result.entries["ended"].fillna(np.inf).to_numpy()
    edges = np.append(times.astype(np.float64), 10)
    for step in np.flatnonzero(np.diff(edges) > 1e-4):  # float32 tells these apart
        assert counts[step] == open_at(edges[step : step + 2].mean(), stored, ended)


def test_one_value_is_gone_or_kept():
    run = Animation.of(cs.simulate(SCENARIOS["storm"])).run
    assert run["values"] == 1
    assert rows(run["kept"], 2)[1].tolist() == [0, 1, 0, 1, 0, 1, 0, 1]


def test_values_count_in_each_place():
    result = cs.simulate(SCENARIOS["many keys"])
    run = Animation.of(result).run
    assert run["values"] == len(set(zip(result.entries["key"], result.entries["place"], strict=True)))
    assert 0 < rows(run["kept"], 2)[1].max() <= run["values"]


def test_nothing_is_kept_without_a_cache():
    run = Animation.of(cs.simulate(SCENARIOS["no cache"])).run
    assert run["values"] == 0
    assert rows(run["kept"], 2)[1].tolist() == [0]


def test_data_are_compact(result):
    """17 bytes a mark: four float32 and one kind."""
    run = Animation.of(result).run
    assert len(run["times"]) == 16 * len(run["marks"])
    assert len(run["marks"]) <= len(result.requests) + len(result.loads)


def test_an_empty_window_is_refused():
    with pytest.raises(ValueError, match="above start"):
        Animation.of(cs.simulate(hot_key()), start=3, end=3)


def test_a_result_without_tables_is_refused():
    with pytest.raises(ValueError, match="kept no tables"):
        Animation.of(cs.simulate(hot_key(), record="summary"))


def test_it_follows_an_explorer():
    explorer = Explorer()
    animation = Animation().follow(explorer)
    storm = animation.run
    assert storm == Animation.of(cs.simulate(hot_key())).run
    calm = hot_key(cs.Pattern("cache-aside", ttl=2)).replace(duration=300, warmup=20)
    explorer.listing.text = calm.to_toml() + "\n# another: in place of [cache] above\n# ttl = 3\n"
    assert animation.run == Animation.of(cs.simulate(calm.replace(duration=10, warmup=0))).run != storm


def test_it_waits_until_the_explorer_is_at_rest():
    explorer = Explorer()
    animation = Animation().follow(explorer)
    before = animation.run
    explorer.finding.busy = True
    explorer.listing.text = hot_key(seed=2).to_toml()
    assert animation.run == before
    explorer.finding.busy = False
    assert animation.run == Animation.of(cs.simulate(hot_key(seed=2))).run


def test_it_follows_within_its_window():
    explorer = Explorer()
    animation = Animation().follow(explorer, start=1, end=3)
    assert (animation.run["start"], animation.run["end"]) == (1, 3)
    explorer.listing.text = hot_key(seed=2).to_toml()
    assert animation.run == Animation.of(cs.simulate(hot_key(seed=2).replace(duration=3)), 1, 3).run


def test_what_goes_wrong_while_following_is_told_and_forgotten():
    explorer = Explorer()
    animation = Animation().follow(explorer)
    before = animation.run
    explorer.listing.text = "rate = <none>"
    assert "TOMLDecodeError" in animation.problem
    assert "<none>" not in animation.problem  # it is HTML
    assert animation.run == before
    explorer.listing.text = hot_key(seed=2).to_toml()
    assert animation.problem == ""
    assert animation.run != before


def test_what_goes_wrong_at_first_is_raised():
    with pytest.raises(cs.ScenarioError):
        Animation().follow(Explorer(Listing(text="seed = -1")))


def test_a_page_without_a_kernel_shows_the_loads_in_flight():
    animation = Animation.of(cs.simulate(hot_key()), 2, 6)
    bundle, _ = DisplayFormatter().format(animation)
    assert "application/vnd.jupyter.widget-view+json" in bundle
    counts = rows(animation.run["flight"], 2)[1]
    assert f'alt="Up to {counts.max():.0f} requests at the database at once, from 2 s to 6 s."' in bundle["text/html"]


def test_without_a_result_there_is_nothing_to_see():
    animation = Animation()
    assert animation.run["marks"] == b""
    assert "No request reached the database" in animation._repr_html_()


def test_the_page_knows_every_kind():
    for kind in KINDS:
        assert f"\n  {kind}: {{ name:" in Animation._esm
