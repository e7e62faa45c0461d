"""09: copies in the memory of several nodes."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

import cachesim as cs
from cachesim import plots, theory
from cachesim.lab.explorers.invalidation import Invalidation, copies_of, explore, writes_of
from tests.lab.lessons.test_invalidation_race import Mine

(COPIES,) = Invalidation().scenarios(2_000).values()
WRONG = {"repaired": Mine, "lifetime": 0.5, "told": COPIES.replace(**{"cache.l1_ttl": 0.005})}


def run(**settings):
    (scenario,) = Invalidation(**settings).scenarios(2_000).values()
    return cs.simulate(scenario)


@pytest.mark.parametrize("invalidation", ["none", "pubsub"])
def test_what_is_read_is_as_stale_as_the_picture_says(invalidation):
    """A read from memory is stale if the copy that its node holds is, and by as much."""
    result = run(invalidation=invalidation)
    copies = copies_of(result)
    reads = result.requests
    reads = reads[(reads["outcome"] == "hit") & (reads["latency"] == 0)]
    for node, read in reads.groupby("node"):
        held = copies[copies["node"] == node].sort_values("stored")
        place = np.searchsorted(held["stored"], read["time"], side="right") - 1
        stale = np.fmax(read["time"].to_numpy() - held["stale"].to_numpy()[place], 0)
        assert np.allclose(np.nan_to_num(stale), read["staleness"])
    assert len(reads) > 1_500
    assert (reads["staleness"] > 0).mean() > 0.03


@pytest.mark.parametrize("invalidation", ["none", "pubsub", "stream"])
@pytest.mark.parametrize("l1_ttl", [2, 6])
def test_no_read_is_staler_than_the_bound(invalidation, l1_ttl):
    longest = run(invalidation=invalidation, l1_ttl=l1_ttl, loss=50).metrics["staleness_max"]
    if invalidation == "stream":
        assert longest <= 0.003  # three round trips: the delete, the message, and an answer on its way
    else:
        assert 0.7 * l1_ttl < longest <= theory.staleness_bound(l1_ttl, 0.011)


def test_the_printed_code_keeps_what_a_message_should_have_ended():
    race = cs.Scenario(
        arrivals=cs.arrivals.Poisson(rate=40),
        keys=cs.keys.OneKey(),
        cache=cs.Pattern("pitfall:layered", ttl=600, l1_ttl=5),
        database=cs.Database(latency=cs.latency.Constant(0.1)),
        redis=cs.Redis(round_trip=0.02),
        writes=0.02,
        nodes=4,
    )
    pattern = race.replace(cache=cs.Pattern("layered", ttl=600, l1_ttl=5))
    assert cs.simulate(race).metrics["staleness_max"] > 1
    assert cs.simulate(pattern).metrics["staleness_max"] < 0.06  # three round trips


def test_the_finding_says_who_tells():
    explorer = explore()
    assert re.fullmatch(
        r"Pub/sub loses 20 % of messages: \S+ % of reads are stale, by up to 4\.\d s; "
        r"theory says 9\.3 %, and 5\.011 s at most\.",
        explorer.finding.html,
    )
    explorer.controls["loss"].value = 0
    assert explorer.finding.html.startswith("Pub/sub loses nothing: ")
    explorer.controls["invalidation"].value = "none"
    assert explorer.finding.html.startswith("Nobody tells the others: ")
    explorer.controls["invalidation"].value = "stream"
    assert explorer.finding.html.startswith("A stream loses nothing: ")


def test_lost_messages_matter_to_pubsub_alone():
    assert run(invalidation="stream").digest == run(invalidation="stream", loss=0).digest
    assert run(invalidation="pubsub").digest != run(invalidation="pubsub", loss=0).digest


def test_a_node_that_writes_drops_its_own_copy():
    """Where nobody tells, a copy is ended early only by its own node's write, one round trip after the commit."""
    result = run(invalidation="none", l1_ttl=6)
    copies, writes = copies_of(result), writes_of(result)
    early = copies[(copies["ended"] - copies["stored"] < 5.99) & (copies["ended"] < result.duration)]
    assert len(early) > 10
    for copy in early.itertuples():
        own = writes.loc[writes["node"] == copy.node, "committed"]
        assert (copy.ended - own).sub(0.001).abs().min() < 1e-9


COPY = pd.DataFrame({"node": [0, 1], "stored": [0.0, 0.0], "stale": [1.0, np.nan], "ended": [2.0, 4.0]})
WRITE = pd.DataFrame({"node": [1], "committed": [1.0]})


def test_the_picture_of_copies_has_a_row_for_each_node():
    axes = plots.node_copies(COPY, WRITE, nodes=2, end=4, title="so")
    assert axes.get_title(loc="left") == "so"
    assert [label.get_text() for label in axes.get_yticklabels()] == ["node 0", "node 1"]
    written, held, stale, writer = (np.asarray(line.get_xdata(), float) for line in axes.get_lines())
    assert held.tolist()[:2] == [0, 1]
    assert held.tolist()[3:5] == [0, 4]
    assert stale.tolist()[:2] == [1, 2]
    assert np.isnan(stale[3])
    assert writer.tolist() == [1]
    assert written[0] == 1


def test_the_picture_of_stale_reads_counts_them_in_its_window():
    reads = pd.DataFrame({"time": [1.0, 2.0, 9.0], "staleness": [0.25, 0.0, 1.0]})
    axes = plots.staleness({"one": reads, "other": reads[1:2]}, end=5)
    assert axes.get_title(loc="left") == "Stale reads: one 1, up to 0.25 s; other 0"
