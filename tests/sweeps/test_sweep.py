"""A sweep: a row a run, the same wherever it is run, and whatever goes wrong in one."""

from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import active_children, get_context
from typing import Any

import pandas as pd
import pytest

import cachesim as cs
from cachesim.scenario import bundled
from cachesim.world.metrics import METRICS
from tests.sweeps import caches

SCENARIO = cs.load(bundled()["hot-key"]).replace(duration=20)
VARIED: dict[str, list[Any]] = {"cache.ttl": [5, 10], "cache.single_flight": ["none", "process"]}


@pytest.fixture(scope="module")
def threads():
    with ThreadPoolExecutor(1) as pool:
        yield pool


@pytest.fixture(scope="module")
def expected():
    """What each run gives by itself."""
    rows = []
    for ttl in VARIED["cache.ttl"]:
        for single_flight in VARIED["cache.single_flight"]:
            point = {"cache.ttl": ttl, "cache.single_flight": single_flight}
            runs = cs.replicate(SCENARIO.replace(**point), n=2).frame
            rows += [{**point, "seed": run["seed"], "failure": "", **run} for run in runs.to_dict("records")]
    return pd.DataFrame(rows)


def test_a_row_a_run_in_the_order_of_the_design_with_the_seeds_of_replicate(threads, expected):
    frame = cs.sweep(SCENARIO, VARIED, replications=2, executor=threads)
    assert list(frame.columns) == ["cache.ttl", "cache.single_flight", "seed", "failure", *METRICS]
    pd.testing.assert_frame_equal(frame, expected)


def test_results_are_the_same_on_processes_of_this_machine(expected):
    pd.testing.assert_frame_equal(cs.sweep(SCENARIO, VARIED, replications=2, workers=2), expected)


def test_results_are_the_same_on_a_pool_of_the_caller(expected):
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        pd.testing.assert_frame_equal(cs.sweep(SCENARIO, VARIED, replications=2, executor=pool), expected)
        assert pool.submit(abs, -1).result() == 1  # it stays open


def test_results_are_the_same_on_a_dask_cluster(expected):
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        pd.testing.assert_frame_equal(cs.sweep(SCENARIO, VARIED, replications=2, executor=client), expected)
        assert client.submit(abs, -1).result() == 1


def test_tables_as_values_stand_as_text_in_their_column(threads):
    latencies = [cs.latency.Constant(0.5), {"type": "exponential", "mean": 0.5}]
    frame = cs.sweep(SCENARIO, {"database.latency": latencies}, replications=1, executor=threads)
    assert frame["database.latency"].tolist() == ["Constant(value=0.5)", "{'type': 'exponential', 'mean': 0.5}"]
    assert frame["loads"].nunique() == 2


def test_a_random_design_has_as_many_points_as_draws(threads):
    frame = cs.sweep(SCENARIO, {"cache.ttl": cs.Between(1.0, 10.0)}, draws=3, replications=2, executor=threads)
    assert len(frame) == 6
    assert frame["cache.ttl"].nunique() == 3


def test_progress_counts_what_is_done(threads):
    told: list[int] = []
    cs.sweep(SCENARIO, VARIED, replications=1, executor=threads, progress=told.append)
    assert told == [0, 1, 2, 3, 4]


# The store


def test_what_is_in_the_store_is_not_run_again(tmp_path, threads, monkeypatch):
    store = tmp_path / "runs.db"
    first = cs.sweep(SCENARIO, VARIED, replications=2, executor=threads, store=store)
    told: list[int] = []
    more = cs.sweep(SCENARIO, VARIED, replications=3, executor=threads, store=store, progress=told.append)
    assert told == [8, 9, 10, 11, 12]
    pd.testing.assert_frame_equal(more.groupby(list(VARIED), sort=False).head(2).reset_index(drop=True), first)
    monkeypatch.setattr("cachesim.sweeps.cells.simulate", None)
    again = cs.sweep(SCENARIO.replace(title="another", expect={"loads": "> 0"}), VARIED, replications=3, store=store)
    pd.testing.assert_frame_equal(again, more)


def test_a_cache_of_ones_own_has_a_name_in_the_store(tmp_path, threads):
    store = tmp_path / "runs.db"
    with pytest.raises(ValueError, match="cache_name: missing; in a store, runs with a cache of your own"):
        cs.sweep(SCENARIO, {}, cache=caches.plain, store=store, executor=threads)
    assert not store.exists()
    of_the_pattern = cs.sweep(SCENARIO, {}, replications=1, store=store, executor=threads)
    own = cs.sweep(SCENARIO, {}, replications=1, cache=caches.plain, cache_name="plain", store=store, executor=threads)
    assert own["loads"].item() > of_the_pattern["loads"].item()


def test_what_failed_is_tried_again(tmp_path, threads):
    store, told = tmp_path / "runs.db", list[int]()
    options = {"replications": 2, "cache_name": "mine", "store": store, "executor": threads}
    assert (cs.sweep(SCENARIO, {}, cache=caches.cannot_be_made, **options)["failure"] != "").all()
    mended = cs.sweep(SCENARIO, {}, cache=caches.plain, progress=told.append, **options)
    assert (mended["failure"] == "").all()
    assert told == [0, 1, 2]


# What goes wrong


@pytest.mark.parametrize(
    ("cache", "reason"),
    [
        (caches.cannot_be_made, r"LookupError: no such cache \(caches\.py:\d+\)"),
        (caches.raises, r"[\d,]+ request\(s\) failed with LookupError: no 0"),
        (caches.raises_in_a_task, r"LookupError: nobody waits for me \(caches\.py:\d+\)"),
        (caches.waits_for_ever, r"DeadlockError: nothing is left to happen"),
        (caches.leaves, r"SystemExit: 3 \(caches\.py:\d+\)"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_an_exception_in_a_cache_is_a_row_with_its_reason(threads, cache, reason):
    frame = cs.sweep(SCENARIO, {"cache.ttl": [5, 10]}, replications=1, cache=cache, executor=threads)
    assert frame["failure"].str.match(reason).all(), frame["failure"].tolist()


def test_errors_that_the_world_makes_are_no_failures(threads):
    outage = SCENARIO.replace(faults=[cs.faults.DatabaseErrors(share=0.5)])
    frame = cs.sweep(outage, {}, replications=2, cache=caches.plain, executor=threads)
    assert (frame["errors"] > 0).all()
    assert (frame["failure"] == "").all()


def test_a_run_over_its_time_is_a_row_with_its_reason(threads):
    frame = cs.sweep(
        SCENARIO, {"cache.ttl": [5, 10]}, replications=1, cache=caches.spins, executor=threads, time_limit=0.2
    )
    assert frame["failure"].str.startswith("TimeLimitExceeded: took longer than 0.2 s of real time").all()
    assert frame["loads"].isna().all()


@pytest.mark.parametrize(
    ("cache", "reason"),
    [
        (caches.crashes, "its process was killed by signal 9"),
        (caches.exits, "its process ended with exit status 7"),
        (caches.never_returns, "did not return within 2.5 s"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_process_that_crashes_or_never_returns_costs_its_own_run_alone(cache, reason):
    frame = cs.sweep(SCENARIO, {"nodes": [1, 2]}, replications=1, cache=cache, workers=1, time_limit=0.5)
    assert frame["failure"].tolist() == ["", reason]
    assert frame["loads"].notna().tolist() == [True, False]


def test_a_cache_that_no_process_finds_is_told():
    with pytest.raises(ValueError, match=r"cannot be sent to another process; define it at the top of a module"):
        cs.sweep(SCENARIO, {}, cache=lambda node: None)


def test_a_field_that_is_none_is_told_before_anything_runs(tmp_path):
    with pytest.raises(cs.ScenarioError, match="cache\\.beta: unknown field"):
        cs.sweep(SCENARIO, {"cache.beta": [1]}, store=tmp_path / "runs.db")
    assert not list(tmp_path.iterdir())


def test_seeds_are_not_varied():
    with pytest.raises(ValueError, match="seed: is not allowed; each point is run with as many seeds"):
        cs.sweep(SCENARIO, {"seed": [1, 2]})


def test_the_share_of_writes_is_varied_by_a_name_that_is_no_metric(threads):
    with pytest.raises(ValueError, match=r"writes: is not allowed, as a metric has that name; vary writes\.share"):
        cs.sweep(SCENARIO, {"writes": [0.0, 0.1]})
    frame = cs.sweep(SCENARIO, {"writes.share": [0.0, 0.1]}, replications=1, executor=threads)
    assert (frame["writes"] > 0).tolist() == [False, True]


def test_no_process_is_left_behind():
    cs.sweep(SCENARIO, {}, replications=2, workers=2)
    assert not active_children()
