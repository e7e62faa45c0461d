"""03: two servers that write the same row."""

from __future__ import annotations

import re

import numpy as np
import pytest

import cachesim as cs
from cachesim import plots
from cachesim.lab.explorers.write_through import WriteThrough, explore, undone_beside_theory, writes_of
from cachesim.plots import Writes
from tests.lab.reading import rows

WRONG = {"undone": 0.1, "written_around": 8 / 9, "newer": lambda held, arriving: arriving}


def run(**settings):
    (scenario,) = WriteThrough(**settings).scenarios(3_000).values()
    return cs.simulate(scenario)


@pytest.fixture(scope="module", params=[False, True], ids=["printed code", "set if newer"])
def result(request):
    return run(if_newer=request.param)


def test_the_printed_code_goes_back_to_older_rows_and_the_pattern_does_not():
    printed, newer = writes_of(run()), writes_of(run(if_newer=True))
    assert printed.taken.all()
    assert (np.diff(printed.cached()[1]) < 0).sum() > 50
    assert (np.diff(newer.cached()[1]) > 0).all()
    assert (~newer.taken).sum() > 50
    assert (newer.late >= ~newer.taken).all()  # only what is late is refused


def test_what_is_read_is_what_the_cache_holds_in_the_picture(result):
    """A read that came back within a moment has seen the version that the cache held when it arrived."""
    writes = writes_of(result)
    times, versions = writes.cached()
    reads = result.requests
    reads = reads[(reads["outcome"] == "hit") & (reads["time"] > 2)]
    held = versions[np.searchsorted(times, reads["time"] + reads["latency"] / 2, side="right") - 1]
    committed = np.searchsorted(writes.committed, reads["time"], side="right")
    assert len(reads) > 500
    assert (np.maximum(committed - held, 0) == reads["version_lag"]).all()


def test_the_finding_names_what_theory_says():
    explorer = explore()
    assert re.fullmatch(
        r"Printed code: 1\d % of writes undone by an older one; theory says 18 %\.", explorer.finding.html
    )
    explorer.controls["if_newer"].value = True
    assert explorer.finding.html == "Set if newer: no write undone by an older one; theory says 0 %."
    assert rows(explorer.numbers.html)["Writes undone by an older one"] == ("0.00 %", "0.00 %")


def test_both_meet_the_same_requests():
    one, other = (run(if_newer=on).requests for on in (False, True))
    assert sorted(one["time"]) == sorted(other["time"])


def test_each_point_has_its_interval_beside_theory():
    picture = undone_beside_theory({way: WriteThrough(way=way) for way in (40, 240)}, requests=1_000, n=3)
    assert "at 240 ms" in picture.alt
    assert "intervals contain what theory says" in picture.alt


class TestWrites:
    WRITES = Writes.of([1, 2, 5], [4, 3, 6], [True, True, True])

    def test_two_that_cross(self):
        assert self.WRITES.late.tolist() == [True, False, False]
        assert self.WRITES.undone.tolist() == [False, True, False]

    def test_one_refused(self):
        writes = Writes.of([1, 2, 5], [4, 3, 6], [False, True, True])
        assert not writes.undone.any()
        assert writes.cached()[1].tolist() == [0, 2, 3]
        assert not writes.behind(0, 7).overwritten.any()

    def test_none(self):
        nothing = Writes.of([], [], [])
        assert nothing.behind(0, 7).edges.tolist() == [0, 7]
        assert plots.write_order(nothing, end=7).get_title(loc="left") == "0 of 0 writes undone by an older one"

    def test_the_picture_counts_versions_from_its_start(self):
        axes = plots.write_order(self.WRITES, start=1.5, end=7, title="so")
        assert axes.get_title(loc="left") == "so"
        database, cache = (np.asarray(line.get_ydata()).tolist() for line in axes.get_lines())
        assert database == [0, 1, 2, 2]
        assert cache == [-1, 1, 0, 2, 2]
