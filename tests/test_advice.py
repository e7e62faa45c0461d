"""Advice from a log: what it counts, what its caches do, what it concludes, and whether its scenario keeps its word."""

from __future__ import annotations

import json
import os
import tomllib
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from math import isnan
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cachesim as cs
from cachesim.advice import Advice, advise
from cachesim.advice.caches import LIFETIMES, ROUND_SIZES, Cell
from cachesim.advice.judging import hot_data
from cachesim.advice.key_design import KeyDesigns, changes
from cachesim.advice.popularity import fitted_zipf
from cachesim.advice.rehearsal import TOLERANCE
from cachesim.advice.slots import Slots
from cachesim.advice.stretches import Stretches
from cachesim.advice.unbounded import Unbounded
from cachesim.curves.chunks import Chunk
from cachesim.estimates import estimate
from cachesim.policies import POLICIES, Lru
from cachesim.policies.hashing import stable_key
from cachesim.policies.replay import replay
from cachesim.traces import TraceError, read
from tests.logs import START, lines, write_log

SETTINGS = {"keys": 2_000, "sessions": 0.1, "queries": 0.3, "writes": 0.05, "missing": 0.02, "malformed": 0.01}


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_log(tmp_path_factory.mktemp("logs") / "mixed.log", 20_000, **SETTINGS)


@pytest.fixture(scope="module")
def mixed_advice(mixed: Path) -> Advice:
    return advise(mixed)


@pytest.fixture
def log(tmp_path: Path) -> Callable[..., Path]:
    """Write a log from (seconds, request, status) and return its path."""

    def write(rows: Iterator[tuple[float, str, int]], tail: str = "") -> Path:
        path = tmp_path / "access.log"
        with path.open("w") as file:
            for second, request, status in rows:
                hours, rest = divmod(int(second), 3600)
                stamp = f"{2 + hours // 24:02}/Mar/2026:{hours % 24:02}:{rest // 60:02}:{rest % 60:02} +0000"
                file.write(f'192.0.2.1 - - [{stamp}] "{request} HTTP/1.1" {status} 100{tail}\n')
        return path

    return write


# The caches held against it


def chunk(ids: list[int], times: list[float]) -> Chunk:
    distinct = max(ids) + 1
    return Chunk(np.array(ids, np.int32), distinct, lambda: np.arange(distinct, dtype=np.uint64), np.array(times))


streams = st.lists(st.tuples(st.integers(0, 12), st.sampled_from([0.0, 0.25, 1.0, 3.0])), min_size=1, max_size=200)


@given(stream=streams, size=st.integers(1, 14), ttl=st.sampled_from([0.25, 1.0, 5.0, 100.0]))
def test_caches_in_slots_do_what_lru_does_on_every_request(stream, size, ttl):
    ids = [key for key, _ in stream]
    times = np.cumsum([gap for _, gap in stream]).tolist()
    cache = Slots(size, ttl=ttl)
    found = [cache.run(chunk([key], [time])) == 0 for key, time in zip(ids, times, strict=True)]
    assert found == list(replay(Lru(size), ids, times=times, ttl=ttl))
    assert Slots(size, ttl=ttl).run(chunk(ids, times)) == found.count(False)


@given(stream=streams)
def test_unbounded_caches_do_what_a_large_one_does(stream):
    ids, times = [key for key, _ in stream], np.cumsum([gap for _, gap in stream]).tolist()
    ttls, cache = [0.25, 1.0, 5.0], Unbounded([0.25, 1.0, 5.0])
    found = np.array([cache.run(chunk([key], [time])) == 0 for key, time in zip(ids, times, strict=True)])
    for place, ttl in enumerate(ttls):
        assert found[:, place].tolist() == list(replay(Lru(100), ids, times=times, ttl=ttl))


# Stretches


@pytest.mark.parametrize("requests", [1, 49, 50, 1_999, 2_000, 2_049, 123_456])
def test_stretches_are_equally_long_and_miss_nothing_but_the_rest(requests):
    stretches, rng, left = Stretches(2), np.random.default_rng(1), requests
    while left:
        step = min(left, stretches.room, int(rng.integers(1, 400)))
        stretches.add(step, np.array([step, 0]))
        left -= step
    ratios = stretches.ratios()
    assert (ratios == [1, 0]).all()
    assert len(ratios) == max(1, requests // stretches.length)
    assert len(ratios) < 40
    assert requests < 1_000 or len(ratios) >= 20


# The design of keys


@pytest.mark.parametrize(
    ("key", "found"),
    [
        ("/", {}),
        ("/a/", {"without the slash at the end": "/a"}),
        ("/a;x=1?b", {"without the query string": "/a;x=1", "without the parameter b": "/a;x=1"}),
        ("/a?b=2&a=1", {"with the parameters in one order": "/a?a=1&b=2", "without the parameter a": "/a?b=2"}),
        ("/a?b=1&b=2", {"without the parameter b": "/a"}),
        ("user:7", {}),
    ],
)
def test_what_may_be_left_out_of_a_key(key, found):
    assert found.items() <= dict(changes(key)).items()
    assert bool(found) == bool(dict(changes(key)))


@given(keys=st.lists(st.from_regex(r"\A/[ab]/?(\?[xy]=[12](&[xyz]=[12])?)?\Z"), unique=True, min_size=1))
def test_changes_of_keys_are_counted_exactly(keys):
    designs = KeyDesigns()
    half = len(keys) // 2
    designs.add(0, keys[:half])
    designs.add(half, keys[half:])
    found = designs.found(np.array([stable_key(key) for key in keys], np.uint64))
    names = {name for key in keys for name, _ in changes(key)}
    counted = {name: len({dict(changes(key)).get(name, key) for key in keys}) for name in names}
    assert {change.name: change.keys for change in found} == {n: c for n, c in counted.items() if c < len(keys)}


# Popularity


@pytest.mark.parametrize(
    ("n", "alpha", "requests"), [(1_000, 0.6, 50_000), (10_000, 0.9, 20_000), (5_000, 1.2, 20_000)]
)
def test_a_zipf_law_is_found_again_though_most_of_its_keys_were_not_seen(n, alpha, requests):
    """Tolerances are about twice the spread over fifty seeds."""
    shares = cs.keys.Zipf(n=n, alpha=alpha).probabilities()
    counts = np.random.default_rng(1).multinomial(requests, shares)
    found = fitted_zipf(counts[counts > 0])
    assert found.alpha == pytest.approx(alpha, abs=0.05)
    assert found.n == pytest.approx(n, rel=0.3)


# What the log is


def test_what_is_in_the_log_is_counted(mixed, mixed_advice):
    seen = mixed_advice.observed
    text = mixed.read_text().splitlines()
    good = [
        (number, line.split('"')[1].split(), line.split('"')[2].split())
        for number, line in enumerate(text, 1)
        if "[" in line
    ]
    reads = Counter(path for _, (method, path, _), (status, _) in good if (method, status) == ("GET", "200"))
    writes = Counter(path for _, (method, path, _), _ in good if method == "PUT")
    assert seen.operations == len(good)
    assert seen.notes.lines == len(text)
    assert seen.notes.malformed == len(text) - len(good)
    assert seen.notes.first_malformed[0] == next(n for n, line in enumerate(text, 1) if "[" not in line)
    assert seen.names == Counter(method for _, (method, *_), _ in good)
    assert seen.statuses == Counter(int(status) for *_, (status, _) in good)
    assert seen.reads == reads.total()
    assert sorted(seen.counts) == sorted(reads.values())
    assert seen.writes == writes.total()
    paths = {path.partition("?")[0] for path in reads}
    assert seen.writes_read == sum(times for path, times in writes.items() if path in paths)
    by_path = next(change for change in seen.changes if change.name == "without the query string")
    assert by_path.keys == len(paths)
    assert seen.start == START.timestamp()


def test_hit_ratios_are_those_of_lru_in_each_stretch(mixed, mixed_advice):
    """With and without lifetime, bounded and not, over the same reads: to the last hit."""
    keys, times = zip(*reads_of(mixed), strict=True)
    seen = mixed_advice.observed
    stretches = len(seen.ratios)
    for cell in (Cell(100, 10.0), Cell(1_000, 60.0), Cell(None, 10.0), Cell(100, None), Cell(None, None)):
        hits = np.array(list(replay(Lru(cell.size or 10**6), keys, times=times, ttl=cell.ttl)))
        length = seen.beginning.cold
        each = [hits[start : start + length].mean() for start in range(length, length * stretches, length)]
        found = seen.hit_ratio(cell)
        assert found.mean == pytest.approx(np.mean(each))
        assert found.half_width == pytest.approx(estimate(each).half_width)


def reads_of(path: Path) -> Iterator[tuple[str, float]]:
    """Key and time of each."""
    for piece in read(path):
        assert piece.times is not None
        yield from zip(piece.keys, piece.times.tolist(), strict=True)


def test_policies_are_compared_in_the_same_pass(mixed, mixed_advice):
    keys = [key for key, _ in reads_of(mixed)]
    seen = mixed_advice.observed
    start, end = seen.beginning.cold, seen.beginning.cold * len(seen.ratios)
    for policy in ("sieve", "s3-fifo"):
        hits = np.array(list(replay(POLICIES[policy](300), keys)))
        assert seen.hit_ratio(Cell(300, None, policy)).mean == pytest.approx(hits[start:end].mean())


def test_a_table_for_people_and_one_for_programs(mixed_advice):
    frame = mixed_advice.frame
    assert list(frame.columns) == ["size", "ttl", "hit_ratio", "low", "high"]
    assert set(frame["ttl"].dropna()) == {ttl for ttl in LIFETIMES if ttl <= mixed_advice.observed.seconds}
    row = frame[(frame["size"] == 100) & (frame["ttl"] == 60)].iloc[0]
    assert row["hit_ratio"] == mixed_advice.observed.hit_ratio(Cell(100, 60.0)).mean
    assert row["low"] < row["hit_ratio"] < row["high"]
    text = mixed_advice.text()
    assert all(len(line) <= 110 for line in text.splitlines())
    assert f"{100 * row['hit_ratio']:.1f} ± {100 * (row['high'] - row['hit_ratio']):.1f} %" in text
    assert "nan" not in text
    document = json.loads(mixed_advice.json())
    assert document["reads"] == mixed_advice.observed.reads
    assert document["recommendation"]["ttl"] == mixed_advice.recommendation.ttl
    assert len(document["hit_ratios"]) == len(frame)


# What it concludes


def sentences(advice: Advice) -> str:
    """The text as one line."""
    return " ".join(advice.text().split())


def targets(advice: Advice) -> tuple[str, str]:
    in_process, redis = advice.targets
    return in_process.cause, redis.cause


def test_few_keys_asked_often_are_within_reach_of_a_process(tmp_path):
    advice = advise(write_log(tmp_path / "a.log", 30_000, keys=200, rate=100.0))
    assert targets(advice) == ("", "")
    found = advice.recommendation
    assert (found.pattern, found.size, found.ttl) == ("in-process", 300, 60.0)
    assert advice.observed.hit_ratio(Cell(300, 10.0)).mean < 0.9 <= found.hit_ratio.mean
    assert advice.observed.hit_ratio(Cell(100, 60.0)).mean < 0.9
    assert "within reach" in advice.text()


def test_sessions_in_the_query_string_are_a_fault_of_the_keys(tmp_path):
    advice = advise(write_log(tmp_path / "a.log", 30_000, keys=200, rate=100.0, sessions=1.0))
    assert targets(advice) == ("keys", "keys")
    assert advice.observed.changes[0].keys == 200
    assert {change.name for change in advice.observed.changes} >= {
        "without the parameter sid",
        "without the query string",
    }
    assert "The design of the keys is the cause: without the " in sentences(advice)


def test_keys_that_are_asked_once_are_no_fault_of_the_cache(log):
    advice = advise(log((number / 10, f"GET /{number}", 200) for number in range(3_000)))
    assert targets(advice) == ("data", "data")
    assert "The data is the cause" in sentences(advice)
    assert advice.recommendation.hit_ratio.mean == 0


def test_keys_that_come_back_too_late_need_a_longer_lifetime(log):
    """Four thousand keys, each every 4,000 seconds, in a log too short to tell of a lifetime of a day."""
    advice = advise(log((number, f"GET /{number % 4_000}", 200) for number in range(40_000)))
    assert targets(advice) == ("lifetime", "lifetime")
    assert "The lifetime is the cause: kept until evicted" in sentences(advice)


def test_many_writes_are_told_as_the_cause(log):
    rows = (
        (number / 20, f"{'PUT' if number % 4 == 0 else 'GET'} /{number * number % 31}", 200) for number in range(8_000)
    )
    advice = advise(log(rows))
    assert targets(advice) == ("writes", "writes")
    assert "Writes are the cause" in sentences(advice)
    assert advice.scenario.writes == pytest.approx(advice.observed.writes_read / advice.observed.operations, rel=1e-3)


def test_hot_data_are_the_keys_read_most(mixed_advice):
    hot = hot_data(mixed_advice.observed, None)
    counts = np.sort(mixed_advice.observed.counts)[-10_000:]
    assert hot.keys == len(counts)
    assert hot.hit_ratio == pytest.approx(1 - len(counts) / counts.sum())
    assert hot_data(mixed_advice.observed, 10.0).hit_ratio < hot.hit_ratio


# The scenario


def test_a_long_log_is_rehearsed_from_its_beginning(mixed, mixed_advice, monkeypatch):
    monkeypatch.setattr("cachesim.advice.observing._BEGINNING", 50 * 8)
    beginning = advise(mixed).observed.beginning
    assert (beginning.reads, beginning.cold, len(beginning.ratios)) == (400, 50, 8)
    whole = mixed_advice.observed.beginning
    assert whole.reads == mixed_advice.observed.reads
    assert beginning.seconds < whole.seconds == mixed_advice.observed.seconds


@pytest.mark.parametrize(
    ("settings", "drawn"),
    [
        ({"keys": 200, "rate": 100.0}, True),
        ({"keys": 3_000}, True),
        ({"keys": 1_000, "queries": 0.3, "writes": 0.02}, True),
    ],
)
def test_the_scenario_gives_what_was_predicted(tmp_path, settings, drawn):
    advice = advise(write_log(tmp_path / "a.log", 40_000, **settings))
    rehearsal = advice.rehearsal
    assert rehearsal.drawn == drawn
    run = cs.simulate(advice.scenario, record="summary")
    assert run.metrics["hit_ratio"] == pytest.approx(rehearsal.hit_ratio, abs=rehearsal.margin)
    assert all(bound.met(run.metrics[bound.metric]) for bound in advice.scenario.expectations)
    assert advice.scenario.expectations


def test_where_a_zipf_law_is_far_off_the_log_itself_is_replayed(log):
    path = log((number / 20, f"GET /{number % 4_000}", 200) for number in range(16_000))
    advice = advise(path)
    assert not advice.rehearsal.drawn
    assert abs(advice.rehearsal.zipf_hit_ratio - advice.rehearsal.hit_ratio) > TOLERANCE
    assert advice.scenario.keys == cs.keys.Recorded(path=str(path))
    run = cs.simulate(advice.scenario, record="summary")
    assert run.metrics["hit_ratio"] >= advice.rehearsal.hit_ratio - advice.rehearsal.margin
    assert advise(path, format="access-log").rehearsal.drawn  # a scenario cannot say how a file is read


def test_the_scenario_is_a_file_that_says_how_it_was_made(mixed_advice):
    text = mixed_advice.scenario_file()
    assert text.startswith("# Filled in from mixed.log.\n")
    assert cs.Scenario(**tomllib.loads(text)) == mixed_advice.scenario


def test_the_database_takes_what_requests_in_the_log_took(tmp_path):
    """The mean of 2,000 exponential times, with a standard error of 1/45 of it, 4 of them allowed."""
    advice = advise(write_log(tmp_path / "a.log", 2_000, request_time=0.08))
    latency = advice.scenario.database.latency
    assert isinstance(latency, cs.latency.LogNormal)
    assert latency.mean == pytest.approx(0.08, rel=4 / 45)
    assert latency.cv == pytest.approx(1, abs=0.15)
    assert advise(write_log(tmp_path / "b.log", 500)).scenario.database.latency == cs.latency.Constant(0.05)


# Other files, and bad ones


def test_what_monitor_prints_and_tables_with_times_are_advised_too(tmp_path):
    rng = np.random.default_rng(1)
    monitor = tmp_path / "monitor.txt"
    keys = rng.integers(20, size=2_000).tolist()
    text = [
        f'{1339518083 + number / 10:.6f} [0 127.0.0.1:6] "{"set" if number % 50 == 0 else "get"}" "user:{key}"\n'
        for number, key in enumerate(keys)
    ]
    monitor.write_text("".join(text))
    advice = advise(monitor)
    assert advice.observed.names == {"GET": 1_960, "SET": 40}
    assert advice.observed.writes_read == 40
    table = tmp_path / "requests.csv"
    table.write_text("at;url\n" + "".join(f"{number / 10};{key}\n" for number, key in enumerate(keys)))
    advice = advise(table, key="url", time="at")
    assert (advice.observed.reads, len(advice.observed.counts)) == (2_000, 20)
    assert advice.rehearsal.drawn
    assert "Methods" not in advice.text()


def test_a_short_log_has_no_interval_and_promises_nothing(tmp_path):
    advice = advise(write_log(tmp_path / "a.log", 30, keys=20))
    assert isnan(advice.recommendation.hit_ratio.half_width)
    assert advice.scenario.expect == {}
    assert "too few for intervals" in sentences(advice)
    assert "nan" not in advice.text()
    assert json.loads(advice.json())["recommendation"]["interval"] == [None, None]
    cs.simulate(advice.scenario)


def test_a_log_of_one_line_is_advised(tmp_path):
    assert advise(write_log(tmp_path / "a.log", 1)).observed.reads == 1


@pytest.mark.parametrize(
    ("name", "text", "error", "message"),
    [
        ("a.log", "", TraceError, "is empty"),
        ("a.txt", "a\nb\n", ValueError, "tells no times"),
        (
            "posts.log",
            '1 - - [02/Mar/2026:00:00:00 +0000] "POST / HTTP/1.1" 200 1\n',
            ValueError,
            "nothing can be cached",
        ),
    ],
)
def test_what_cannot_be_advised_is_told(tmp_path, name, text, error, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(error, match=message):
        advise(tmp_path / name)


def test_the_picture_has_a_line_for_each_lifetime(mixed_advice):
    axes = mixed_advice.plot()
    shown = [line.get_label() for line in axes.get_lines()]
    assert shown == ["no lifetime", "lifetime 10 s", "lifetime 1 min"]
    for line in axes.get_lines():
        assert max(line.get_xdata()) == len(mixed_advice.observed.counts)
    assert min(axes.get_lines()[1].get_xdata()) == ROUND_SIZES[0]


# Memory


def peak(path: Path) -> int:
    tracemalloc.start()
    try:
        advise(path)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.slow
def test_memory_grows_with_the_keys_and_not_with_the_log(tmp_path):
    """A million lines of the same 20,000 keys take no more than a quarter of them."""
    path, parts = tmp_path / "a.log", []
    stream = lines(keys=20_000, alpha=0.5)
    with path.open("w") as file:
        for n in (250_000, 750_000):
            file.writelines(line + "\n" for line in islice(stream, n))
            file.flush()
            parts.append(peak(path))
    assert parts[1] < 1.1 * parts[0]


def test_a_log_from_a_pipe_is_read_whole_and_its_keys_are_drawn(tmp_path: Path) -> None:
    """Its form is told by its beginning, which must not be lost: a pipe can be opened just once."""
    log, pipe = tmp_path / "access.log", tmp_path / "pipe"
    write_log(log, 20_000)
    os.mkfifo(pipe)
    with ThreadPoolExecutor() as pool:
        written = pool.submit(pipe.write_bytes, log.read_bytes())
        piped = advise(pipe)
        written.result()
    read_from_file = advise(log)
    assert log.stat().st_size > 1 << 20
    assert piped.observed.operations == read_from_file.observed.operations
    assert np.array_equal(piped.observed.ratios, read_from_file.observed.ratios)
    assert piped.rehearsal.drawn


def test_times_of_which_no_calendar_knows_are_no_reason_to_fail(tmp_path: Path) -> None:
    commands = tmp_path / "commands"
    told = '[0 127.0.0.1:1] "get" "a"\n'
    commands.write_text(f"1700000000.0 {told}99999999999.0 {told}999999999999.0 {told}")
    found = advise(commands)
    assert (found.observed.operations, found.observed.notes.malformed) == (2, 1)
    assert "requests in" in found.text()
