"""Curves in parts, and of many streams: the same wherever they are counted."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import cachesim as cs
from cachesim.curves.curve import HitRateCurve
from cachesim.curves.many import MissingCurvesError, hit_rate_curves
from cachesim.curves.parts import LostPartError
from cachesim.policies import POLICIES
from cachesim.policies.hashing import splitmix64, stable_key
from cachesim.policies.replay import replay
from cachesim.traces import TraceError
from cachesim.traces.records import Requests
from cachesim.traces.trace import Trace


def zipf(alpha: float, keys: int, requests: int, seed: int) -> NDArray[np.int64]:
    shares = np.cumsum(np.arange(1, keys + 1) ** -alpha)
    return np.searchsorted(shares / shares[-1], np.random.default_rng(seed).random(requests))


KEYS = zipf(0.9, 600, 4_000, 1)
TIMES = np.arange(4_000) * 0.05
SIZES = KEYS % 50 + 1

QUESTIONS: dict[str, dict[str, Any]] = {
    "lru": {},
    "lru at sizes": {"sizes": [8, 100, 301]},
    "sieve": {"policy": "sieve"},
    "s3-fifo at sizes": {"policy": "s3-fifo", "sizes": [64, 300]},
    "opt": {"policy": "opt", "sizes": [64, 300]},
    "lru in bytes, with lifetimes": {"ttl": [3, 30], "weights": True},
    "a sample": {"sample_rate": 0.4, "seed": 5},
    "a sample of random": {"policy": "random", "sizes": [80, 300], "sample_rate": 0.4},
}
"""What is asked, as of a `Trace`."""


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("parts") / "requests.csv"
    rows = (f"{time!r},{key},{size}\n" for time, key, size in zip(TIMES.tolist(), KEYS, SIZES, strict=True))
    path.write_text("time,key,size\n" + "".join(rows))
    return path


@pytest.fixture(scope="module")
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def in_parts(keys: Any, question: dict[str, Any], **where: Any) -> HitRateCurve:
    """The curve from eight parts; of keys in memory, with the times and sizes that the trace has."""
    given = dict(question)
    if not isinstance(keys, Trace):
        given["times"] = TIMES if "ttl" in question else None
        given["weights"] = SIZES if "weights" in question else None
    return cs.hit_rate_curve(keys, parts=8, **given, **where)


def numbers(curve: HitRateCurve) -> tuple[Any, ...]:
    """All that a curve says."""
    assert curve.half_widths is not None
    lists = (curve.sizes.tolist(), curve.misses.tolist(), curve.half_widths.tolist())
    return curve.requests, curve.distinct, *lists


# The same everywhere


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
def test_parts_give_the_same_wherever_they_come_from_and_are_counted(question, table, threads, cluster):
    text = KEYS.astype(str).tolist()
    expected = numbers(in_parts(text, question, executor=threads))
    trace = Trace(table)
    assert numbers(in_parts(trace, question, executor=threads)) == expected
    assert numbers(in_parts(trace, question, executor=threads, workers=3)) == expected
    assert numbers(in_parts(trace, question, executor=cluster)) == expected
    assert numbers(in_parts(text, question, executor=cluster)) == expected


def test_processes_of_this_machine_give_the_same(table, threads):
    """One that reads a trace, twice, and two that are sent what is in memory."""
    question = QUESTIONS["lru in bytes, with lifetimes"]
    expected = numbers(in_parts(Trace(table), question, executor=threads))
    assert numbers(in_parts(Trace(table), question, workers=1)) == expected
    assert numbers(in_parts(KEYS, {}, workers=2)) == numbers(in_parts(KEYS, {}, executor=threads))


@pytest.mark.slow
def test_workers_of_a_cluster_that_are_processes_give_the_same(table, threads):
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        for question in QUESTIONS.values():
            expected = numbers(in_parts(Trace(table), question, executor=threads))
            assert numbers(in_parts(Trace(table), question, executor=client)) == expected
        assert numbers(in_parts(KEYS, {}, executor=client)) == numbers(in_parts(KEYS, {}, executor=threads))


def test_an_iterator_that_can_be_gone_through_once_is_split_on_the_way(threads):
    stream = (KEYS[start : start + 999] for start in range(0, len(KEYS), 999))
    question = {"policy": "sieve", "sizes": [100, 300]}
    assert numbers(in_parts(stream, question, executor=threads)) == numbers(in_parts(KEYS, question, executor=threads))


# What a part is


def counted_by_hand(policy: str, sizes: list[int], parts: int, seed: int, **options: Any) -> list[int]:
    """Each part of the keys replayed on its own, with its share of each size."""
    salt = splitmix64(seed)
    part = [splitmix64(stable_key(key) ^ salt) * parts >> 64 for key in KEYS.tolist()]
    own = [[i for i, number in enumerate(part) if number == one] for one in range(parts)]
    volumes = []
    for places in own:
        volumes.append(sum({KEYS[i]: int(SIZES[i]) if "weights" in options else 1 for i in places}.values()))
    misses = [0] * len(sizes)
    for one, places in enumerate(own):
        for number, size in enumerate(sizes):
            share = int(Fraction(size * volumes[one], sum(volumes)) + Fraction(2 * one + 1, 2 * parts))
            cache: Any = POLICIES[policy](share, int if "weights" in options else None)
            hits = replay(
                cache,
                KEYS[places].tolist(),
                times=TIMES[places].tolist() if "ttl" in options else None,
                ttl=options.get("ttl"),
                weights=SIZES[places].tolist() if "weights" in options else None,
            )
            misses[number] += len(places) - sum(hits)
    return misses


@pytest.mark.parametrize("parts", [4, 7])
@pytest.mark.parametrize("policy", ["lru", "fifo", "sieve", "s3-fifo"])
def test_a_part_holds_the_keys_of_a_range_of_hashes_and_has_a_share_of_each_size(policy, parts, threads):
    curve = cs.hit_rate_curve(KEYS, policy, [50, 133, 450], parts=parts, seed=3, executor=threads)
    assert curve.misses.tolist() == counted_by_hand(policy, [50, 133, 450], parts, 3)


def test_shares_of_bytes_are_by_bytes(threads):
    options: dict[str, Any] = {"ttl": 20.0, "weights": SIZES}
    curve = cs.hit_rate_curve(KEYS, "lru", [900, 5000], times=TIMES, parts=4, executor=threads, **options)
    assert curve.misses.tolist() == counted_by_hand("lru", [900, 5000], 4, 0, **options)


def test_all_requests_are_counted_once(threads):
    curve = in_parts(KEYS, {}, executor=threads)
    assert (curve.requests, curve.distinct) == (4_000, len(set(KEYS.tolist())))
    assert curve.sizes[-1] == curve.distinct
    assert curve.misses[-1] == curve.distinct  # each key's first request
    assert curve.misses.dtype == np.int64
    assert (np.diff(curve.misses) <= 0).all()


def test_default_sizes_of_other_policies_reach_from_the_parts_to_all_keys(threads):
    curve = in_parts(KEYS, {"policy": "clock"}, executor=threads)
    assert (curve.sizes[0], curve.sizes[-1]) == (8, curve.distinct)
    assert curve.misses[-1] == curve.distinct
    assert 30 < len(curve.sizes) <= 50


def test_more_parts_than_keys_leave_some_empty(threads):
    curve = cs.hit_rate_curve(["a", "b", "a"], parts=5, executor=threads)
    assert (curve.sizes.tolist(), curve.misses.tolist()) == ([5], [2])
    assert cs.hit_rate_curve(["a", "b", "a"], "sieve", [9], parts=5, executor=threads).misses.tolist() == [2]


# Traces


def test_a_trace_of_several_files_is_one_stream(tmp_path):
    (tmp_path / "1.csv").write_text("time,key\n1,a\n5,b\n")
    (tmp_path / "2.csv").write_text("time,key\n4,a\n6,c\n")
    trace = Trace([tmp_path / "1.csv", str(tmp_path / "2.csv")])
    assert [key for piece in trace for key in piece.keys] == ["a", "b", "a", "c"]
    assert [time for piece in trace for time in np.asarray(piece.times).tolist()] == [1, 5, 5, 6]  # none runs back
    assert cs.hit_rate_curve(trace, "lru", [2], ttl=4.1).misses.tolist() == [3]
    assert cs.hit_rate_curve(trace, "lru", [2], ttl=4).misses.tolist() == [4]
    with pytest.raises(TraceError, match=r"1\.csv: begins before the file before it does; give the earliest first"):
        cs.hit_rate_curve(Trace([tmp_path / "2.csv", tmp_path / "1.csv"]))


def test_a_trace_gives_what_its_requests_in_memory_give(table):
    trace, text = Trace(table), KEYS.astype(str).tolist()
    for question in ({}, {"policy": "sieve", "sizes": [70]}, {"sample_rate": 0.3}):
        found, expected = cs.hit_rate_curve(trace, **question), cs.hit_rate_curve(text, **question)
        assert found.misses.tolist() == expected.misses.tolist()
    found = cs.hit_rate_curve(trace, "lru", [9000], ttl=20, weights=True)
    assert found.misses == cs.hit_rate_curve(text, "lru", [9000], times=TIMES, ttl=20, weights=SIZES).misses


def test_what_is_wrong_with_a_trace_is_told_as_it_is(tmp_path, threads):
    (tmp_path / "keys.txt").write_text("a\nb\n")
    (tmp_path / "numbers.trace").write_bytes(bytes(8))
    one = tmp_path / "keys.txt"
    for parts in (1, 3):
        with pytest.raises(TraceError, match=r"no\.log: no such file"):
            cs.hit_rate_curve(Trace(tmp_path / "no.log"), parts=parts, executor=threads)
        with pytest.raises(TraceError, match=r"keys\.txt: tells no times, which a ttl needs; of a table, say"):
            cs.hit_rate_curve(Trace(one), ttl=5, parts=parts, executor=threads)
        with pytest.raises(TraceError, match=r"keys\.txt: tells no sizes to weigh by; of a table, say"):
            cs.hit_rate_curve(Trace(one), weights=True, parts=parts, executor=threads)
        with pytest.raises(TraceError, match=r"keys\.txt: has keys of another kind than the files before it"):
            cs.hit_rate_curve(Trace([tmp_path / "numbers.trace", one]), parts=parts, executor=threads)
    with pytest.raises(ValueError, match="times, weights: a Trace has its own"):
        cs.hit_rate_curve(Trace(one), times=[1, 2], ttl=5)


# What goes wrong


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"parts": 0}, "parts: 0 is not allowed; 1 or more"),
        ({"parts": 1.5}, "parts: 1.5 is not allowed; a whole number"),
        ({"parts": 2, "workers": 0}, "workers: 0 is not allowed; 1 or more"),
        ({"parts": 8, "sizes": [7, 100]}, "sizes: 7 is not allowed with 8 parts; 8 or more"),
        (
            {"parts": 8, "sizes": [79], "sample_rate": 0.1},
            "sizes: 79 is not allowed with 8 parts and sample_rate 0.1; 80 or more",
        ),
        ({"parts": 8, "sample_rate": 1e-9}, "sample_rate: 1e-09 is not allowed; none of the keys is in the sample"),
    ],
)
def test_what_is_not_allowed_is_told_in_one_line(options, message, threads):
    with pytest.raises(ValueError, match=f"^{message}$"):
        cs.hit_rate_curve(KEYS, executor=threads, **options)


def test_no_request_is_no_curve(threads):
    with pytest.raises(ValueError, match="keys: there are none; at least one request is needed"):
        cs.hit_rate_curve([], parts=2, executor=threads)


class Burning(Trace):
    """A trace that cannot be read to its end, for a reason that is nobody's input."""

    def __iter__(self) -> Iterator[Requests]:
        yield Requests(["a", "b"])
        raise OSError("the disk is on fire")


class Deadly(Trace):
    """One that takes the process with it."""

    def __iter__(self) -> Iterator[Requests]:
        os._exit(7)


def test_a_lost_part_is_an_error_that_says_which_and_why_and_no_curve(threads):
    with pytest.raises(LostPartError, match=r"^part [1-4] of 4 is lost: OSError: the disk is on fire"):
        cs.hit_rate_curve(Burning("a"), parts=4, executor=threads)
    with pytest.raises(LostPartError, match=r"^parts 1, 3 of 4 are lost: OSError: the disk|^parts 2, 4 of 4 are lost"):
        cs.hit_rate_curve(Burning("a"), parts=4, executor=threads, workers=2)


def test_a_process_that_dies_loses_its_parts():
    with pytest.raises(LostPartError, match=r"^parts 1, 2, 3 of 3 are lost: its process ended with exit status 7"):
        cs.hit_rate_curve(Deadly("a"), parts=3, workers=1)


# Many streams


def test_each_of_many_streams_has_the_curve_that_it_has_alone(table, threads, cluster):
    streams = {"a table": Trace(table), "numbers": KEYS, "text": ["a", "b", "a"]}
    for options in ({}, {"policy": "sieve", "sizes": [2, 300]}, {"policy": "arc"}, {"sample_rate": 0.8}):
        for executor in (threads, cluster):
            curves = hit_rate_curves(streams, executor=executor, **options)
            assert list(curves) == list(streams)
            for name, curve in curves.items():
                alone = cs.hit_rate_curve(streams[name], **options)
                assert (curve.sizes.tolist(), curve.misses.tolist()) == (alone.sizes.tolist(), alone.misses.tolist())
    curves = hit_rate_curves({"a": Trace(table)}, "lru", [9000], ttl=20, weights=True, executor=threads)
    assert curves["a"].misses == cs.hit_rate_curve(Trace(table), "lru", [9000], ttl=20, weights=True).misses


def test_streams_that_have_no_curve_do_not_cost_the_others_theirs(table):
    streams = {"missing": Trace("no.log"), "there": Trace(table), "deadly": Deadly("a")}
    with pytest.raises(MissingCurvesError) as raised:
        hit_rate_curves(streams, workers=2)
    assert raised.value.reasons == {
        "missing": "no.log: no such file",
        "deadly": "is lost: its process ended with exit status 7",
    }
    assert str(raised.value).startswith("2 of 3 streams have no curve: 'missing': no.log: no such file; 'deadly': ")
    assert raised.value.curves["there"].misses.tolist() == cs.hit_rate_curve(Trace(table)).misses.tolist()


def test_what_is_wrong_with_the_question_is_told_at_once(threads):
    with pytest.raises(ValueError, match=r"^policy: 'mru' is not allowed; fifo, lru, "):
        hit_rate_curves({"a": KEYS}, "mru", executor=threads)
    with pytest.raises(
        ValueError, match=r"^'a': an iterator is not allowed, which cannot be sent; an array, a list or"
    ):
        hit_rate_curves({"a": iter([1, 2])}, executor=threads)


# Machines


@pytest.mark.slow
def test_a_fresh_machine_compiles_once_and_not_in_every_process(tmp_path, threads):
    """Four processes over an empty cache of machine code say nothing of compiling, which their parent has done."""
    program = """
import logging, sys, numpy as np
from cachesim.curves.measuring import hit_rate_curve
logging.getLogger("cachesim").addHandler(logging.FileHandler(sys.argv[1]))
keys = np.random.default_rng(1).integers(0, 5000, 100_000)
for policy in ("lru", "sieve", "s3-fifo"):
    print(hit_rate_curve(keys, policy, [64, 500, 4000], parts=4, workers=4).misses.tolist())
"""
    environment, notes = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}, tmp_path / "notes"
    command = [sys.executable, "-c", program, str(notes)]
    first = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert first.stderr == ""
    told = notes.read_text().splitlines()
    assert {note.split(",")[0] for note in told} >= {"compiling curves.numbering", "compiling curves.kernels.sieve"}
    second = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert (second.stderr, notes.read_text().splitlines()) == ("", told)
    keys = np.random.default_rng(1).integers(0, 5000, 100_000)
    for line, policy in zip(first.stdout.splitlines(), ("lru", "sieve", "s3-fifo"), strict=True):
        curve = cs.hit_rate_curve(keys, policy, [64, 500, 4000], parts=4, executor=threads)
        assert line == str(curve.misses.tolist())
    assert second.stdout == first.stdout
