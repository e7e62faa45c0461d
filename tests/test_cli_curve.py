"""`cachesim curve`: a table, JSON or a picture of what caches would have done on a trace."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import cachesim as cs
from cachesim.cli import main
from cachesim.policies import POLICIES
from cachesim.policies.replay import replay
from tests.logs import write_log


class Ended(NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture
def curve(capfd, tmp_path, monkeypatch):
    """The command, run in an empty folder, as a function of its arguments; notes of what is compiled are left out."""
    monkeypatch.chdir(tmp_path)

    def run(*args):
        capfd.readouterr()
        status = main(["curve", *map(str, args)])
        out, err = capfd.readouterr()
        notes = [line for line in err.splitlines(keepends=True) if not line.startswith("compiling ")]
        return Ended(status, out, "".join(notes))

    return run


@pytest.fixture
def letters(tmp_path):
    (tmp_path / "letters.txt").write_text("\n".join("abcbadac"))
    return "letters.txt"


KEYS = np.random.default_rng(1).zipf(1.2, 5_000) % 700
TIMES = np.arange(5_000) * 0.1
SIZES = KEYS % 50 + 1


@pytest.fixture
def table(tmp_path):
    rows = (f"{time:.1f},{key},{size}\n" for time, key, size in zip(TIMES, KEYS, SIZES, strict=True))
    (tmp_path / "requests.csv").write_text("time,key,size\n" + "".join(rows))
    return "requests.csv"


def refused(ended: Ended) -> str:
    """The line that a command with bad input has ended with."""
    assert ended.status == 2
    assert ended.out == ""
    line, *rest = ended.err.splitlines()
    assert rest == []
    return line.removeprefix("cachesim: ")


def rows(ended: Ended) -> list[list[str]]:
    """The cells of every line of both tables."""
    return [line.split("  ") for line in ended.out.splitlines()]


def curves(ended: Ended) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(ended.out)["curves"]
    return found


# What it tells


def test_a_small_trace_in_full(curve, letters):
    assert curve(letters) == (
        0,
        "letters.txt\n"
        "8 requests, 4 keys\n"
        "50.00 % of the requests are the first of their key, and miss in any cache that starts empty\n"
        "\n"
        "size (entries)      lru\n"
        "1                0.00 %\n"
        "2               25.00 %\n"
        "3               37.50 %\n"
        "4               50.00 %\n"
        "\n"
        "size for  the best  50 % of it  80 % of it  90 % of it  95 % of it  80 % of requests  90 % of requests\n"
        "lru        50.00 %           2           4           4           4                 –                 –\n",
        "",
    )


def test_a_long_table_shows_a_dozen_sizes_from_one_to_all(curve, table):
    ended = curve(table)
    sizes = [int(row[0].replace(",", "")) for row in rows(ended) if row[0].replace(",", "").isdigit()]
    assert len(sizes) == 12
    assert (sizes[0], sizes[-1]) == (1, len(set(KEYS)))


def test_sizes_that_are_asked_for_are_shown(curve, table):
    ended = curve(table, "--size", 300, "--size", 20, "--json", "-")
    (found,) = curves(ended)
    assert found["sizes"] == [20, 300]
    assert found["misses"] == [5_000 - sum(replay(POLICIES["lru"](size), KEYS.tolist())) for size in (20, 300)]


def test_several_policies_stand_side_by_side_at_the_same_sizes(curve, table):
    ended = curve(table, "--policy", "lru", "--policy", "sieve", "--policy", "opt", "--json", "-")
    found = curves(ended)
    assert [one["policy"] for one in found] == ["lru", "sieve", "opt"]
    assert found[0]["sizes"] == found[1]["sizes"] == found[2]["sizes"]
    assert (np.array(found[2]["misses"]) <= np.array(found[1]["misses"])).all()
    expected = cs.hit_rate_curve(KEYS, "sieve", found[1]["sizes"])
    assert found[1]["misses"] == expected.misses.tolist()
    assert "lru    sieve" in curve(table, "--policy", "lru", "--policy", "sieve").out


def test_each_lifetime_has_a_column(curve, table):
    ended = curve(table, "--ttl", 60, "--ttl", 1.5, "--size", 100, "--json", "-")
    assert [one["ttl"] for one in curves(ended)] == [1.5, 60.0]
    for one in curves(ended):
        hits = sum(replay(POLICIES["lru"](100), KEYS.tolist(), times=TIMES.round(1).tolist(), ttl=one["ttl"]))
        assert one["misses"] == [5_000 - hits]
    assert "lru, 1.5 s  lru, 60 s" in curve(table, "--ttl", 60, "--ttl", 1.5, "--size", 100).out


def test_sizes_in_bytes(curve, table):
    ended = curve(table, "--bytes", "--size", 500, "--json", "-")
    hits = sum(replay(POLICIES["lru"](500, int), KEYS.tolist(), weights=SIZES.tolist()))
    assert curves(ended)[0]["misses"] == [5_000 - hits]
    assert json.loads(ended.out)["unit"] == "bytes"
    assert "size (bytes)" in curve(table, "--bytes", "--size", 500).out


def test_a_sample_is_told_as_one(curve, table):
    ended = curve(table, "--sample-rate", 0.5, "--size", 100, "--seed", 3)
    assert ended.status == 0
    assert "Estimated from 50 % of the keys (" in ended.out
    expected = cs.hit_rate_curve(KEYS.astype(str).tolist(), "lru", [100], sample_rate=0.5, seed=3)
    assert expected.half_widths is not None
    ratio, half = float(expected.hit_ratios[0]), float(expected.half_widths[0])
    assert f"100             {100 * ratio:.2f} % ± {100 * half:.2f}" in ended.out
    assert "About " in ended.out


def test_the_marks_are_the_smallest_sizes_that_do(curve, table):
    (found,) = curves(curve(table, "--json", "-"))
    whole = cs.hit_rate_curve(KEYS)
    assert found["best"] == whole.hit_ratios.max()
    assert found["sizes_for_share_of_requests"]["0.8"] == whole.size_for(0.8)
    for share, size in found["sizes_for_share_of_best"].items():
        assert whole.at(size) >= float(share) * found["best"] - 1e-9
        assert whole.at(size - 1) < float(share) * found["best"]


def test_an_access_log_needs_no_options(curve, tmp_path):
    write_log(tmp_path / "access.log", 2_000, malformed=0.01, writes=0.1)
    ended = curve("access.log", "--ttl", 10)
    assert ended.status == 0
    assert "lru, 10 s" in ended.out


def test_columns_are_named(curve, tmp_path):
    (tmp_path / "t.csv").write_text("url;at;length\n/a;1;5\n/b;2;5\n/a;3;5\n")
    ended = curve(
        "t.csv", "--key", "url", "--time", "at", "--size-column", "length", "--bytes", "--ttl", 9, "--size", 10
    )
    assert "33.33 %" in ended.out


# Several traces, parts, and where they are counted


@pytest.fixture(scope="module")
def scheduler():
    """The address of a Dask cluster of two workers."""
    distributed = pytest.importorskip("distributed")
    size = {"n_workers": 2, "threads_per_worker": 1, "processes": False, "dashboard_address": None}
    with distributed.LocalCluster(protocol="tcp", host="127.0.0.1", **size) as cluster:
        yield cluster.scheduler_address


@pytest.fixture
def other(tmp_path):
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "other.txt").write_text("\n".join("aabaacaad"))
    return "more/other.txt"


def test_several_traces_stand_side_by_side(curve, letters, other):
    assert curve(letters, other, "--workers", 1) == (
        0,
        "trace           requests  keys  first of their key\n"
        "letters.txt            8     4             50.00 %\n"
        "more/other.txt         9     4             44.44 %\n"
        "The first request of a key misses in any cache that starts empty\n"
        "\n"
        "size (entries)  letters.txt  other.txt\n"
        "1                    0.00 %    33.33 %\n"
        "2                   25.00 %    55.56 %\n"
        "3                   37.50 %    55.56 %\n"
        "4                   50.00 %    55.56 %\n"
        "\n"
        "size for     the best  50 % of it  80 % of it  90 % of it  95 % of it  80 % of requests  90 % of requests\n"
        "letters.txt   50.00 %           2           4           4           4                 –                 –\n"
        "other.txt     55.56 %           1           2           2           2                 –                 –\n",
        "",
    )


def test_several_traces_and_policies_have_common_sizes(curve, letters, table, scheduler):
    where = ("--scheduler", scheduler)
    ended = curve(letters, table, "--policy", "arc", "--policy", "lru", "--json", "-", *where)
    assert ended.status == 0
    small, large = json.loads(ended.out)
    assert (small["trace"], large["trace"]) == (letters, table)
    sizes = large["curves"][0]["sizes"]
    assert sizes[-1] == len(set(KEYS))
    for document, keys in ((small, list("abcbadac")), (large, KEYS.astype(str).tolist())):
        for one in document["curves"]:
            assert one["sizes"] == sizes[: len(one["sizes"])]  # beyond that of all keys nothing changes
            assert one["sizes"][-1] >= len(set(keys))
            assert one["misses"] == cs.hit_rate_curve(keys, one["policy"], one["sizes"]).misses.tolist()
    told = curve(letters, table, "--policy", "arc", "--policy", "lru", *where).out
    assert "letters.txt, arc  letters.txt, lru  requests.csv, arc  requests.csv, lru\n" in told


def test_a_bad_trace_does_not_cost_the_others_their_curves(curve, letters, table, tmp_path, scheduler):
    ended = curve("no.log", letters, table, "--ttl", 5, "--size", 10, "--json", "-", "--scheduler", scheduler)
    assert ended.status == 2
    assert [document["trace"] for document in json.loads(ended.out)] == [table]
    assert ended.err.splitlines() == [
        "cachesim: no.log: no such file",
        "cachesim: letters.txt: tells no times, which a ttl needs; of a table, say which column has them",
    ]
    ended = curve("no.log", "neither.log", "--plot", "a.png", "--scheduler", scheduler)
    assert (ended.status, ended.out) == (2, "")
    assert not (tmp_path / "a.png").exists()
    assert refused(curve(letters, table, "--policy", "mru")).startswith("letters.txt, requests.csv: policy: 'mru' is")


def test_parts_are_told_as_such_and_counted_anywhere(curve, table, scheduler):
    with ThreadPoolExecutor(1) as pool:
        expected = cs.hit_rate_curve(KEYS.astype(str).tolist(), parts=8, seed=3, executor=pool)
    assert expected.half_widths is not None
    here = curve(table, "--parts", 8, "--seed", 3, "--workers", 1, "--json", "-")
    there = curve(table, "--parts", 8, "--seed", 3, "--scheduler", scheduler, "--json", "-")
    assert here == there
    (found,) = curves(here)
    assert found["misses"] == [int(expected.misses[expected.sizes.searchsorted(size)]) for size in found["sizes"]]
    text = curve(table, "--parts", 8, "--seed", 3, "--scheduler", scheduler).out
    assert "\nCounted in 8 parts, in caches 8 times smaller; ± is half of the 95 % interval\n" in text
    ratio, half = 100 * expected.hit_ratios[-1], 100 * expected.half_widths[-1]
    assert f" {ratio:.2f} % ± {half:.2f}\n\nsize for" in text
    sampled = curve(table, "--parts", 4, "--sample-rate", 0.5, "--scheduler", scheduler).out
    assert "\nEstimated from 50 % of the keys (" in sampled
    assert ") in 4 parts; ± is half of the 95 % interval\n" in sampled


def test_where_it_is_counted_must_be_somewhere(curve, letters, monkeypatch):
    assert refused(curve(letters, "--workers", 2)) == (
        "--workers: is not allowed with one trace in one part; give more traces, or --parts"
    )
    assert refused(curve(letters, "--parts", 2, "--workers", 2, "--scheduler", "a:1")) == (
        "--workers: is not allowed with --scheduler, whose cluster has workers of its own"
    )
    assert refused(curve(letters, "--parts", 9, "--size", 5)) == (
        "letters.txt: sizes: 5 is not allowed with 9 parts; 9 or more"
    )
    assert refused(curve(letters, "--scheduler", "nowhere")) == (
        "--scheduler: 'nowhere' cannot be used: missing port number in address 'nowhere'"
    )
    monkeypatch.setattr("cachesim.cli.executing._PATIENCE", 0.2)
    assert refused(curve(letters, "--scheduler", "tcp://127.0.0.1:1")) == (
        "--scheduler: 'tcp://127.0.0.1:1' cannot be used: no Dask scheduler answers there within 0.2 s"
    )
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert refused(curve(letters, "--scheduler", "a:1")) == (
        "--scheduler needs distributed: pip install 'cachesim[distributed]'"
    )


# Files


def test_json_in_a_file_comes_with_the_table(curve, letters, tmp_path):
    ended = curve(letters, "--json", "out.json")
    assert ended.out == curve(letters).out
    document = json.loads((tmp_path / "out.json").read_text())
    assert document == json.loads(curve(letters, "--json", "-").out)
    assert (document["trace"], document["requests"], document["distinct"]) == (letters, 8, 4)


@pytest.mark.parametrize(("suffix", "magic"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_a_picture_in_the_format_of_its_suffix(curve, letters, tmp_path, suffix, magic):
    assert curve(letters, "--policy", "lru", "--policy", "fifo", "--plot", f"a.{suffix}").status == 0
    assert (tmp_path / f"a.{suffix}").read_bytes().startswith(magic)


# Bad input: one line that says what is allowed


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("--policy", "mru"),
            "letters.txt: policy: 'mru' is not allowed; fifo, lru, lfu, random, clock, sieve, slru, ",
        ),
        (("--size", 0), "Invalid value for '--size': 0 is not in the range x>=1; see cachesim curve --help"),
        (("--ttl", 5), "letters.txt: tells no times, which a ttl needs; of a table, say which column has them"),
        (("--bytes",), "letters.txt: tells no sizes to weigh by; of a table, say which column has them"),
        (("--sample-rate", 0), "letters.txt: sample_rate: 0.0 is not allowed; above 0, at most 1"),
        (("--format", "xml"), "--format: 'xml' is not allowed; text, binary, csv, parquet, access-log, monitor"),
        (("--format", "access-log"), "letters.txt: none of its 8 line(s) is a request as an access log has it"),
        (("--plot", "a.gif"), "--plot: 'a.gif' is not allowed; a file name that ends in .png, .svg, .pdf"),
        (("--json", "no/a.json"), "--json: 'no/a.json' cannot be written: there is no folder 'no'"),
        (("--sizes", 1), "No such option"),
    ],
)
def test_a_bad_option_is_told_in_one_line(curve, letters, tmp_path, options, message):
    assert refused(curve(letters, *options)).startswith(message)
    assert [path.name for path in tmp_path.iterdir()] == [letters]


def test_a_bad_trace_is_told_in_one_line(curve, table):
    assert refused(curve("missing.txt")) == "missing.txt: no such file"
    assert refused(curve(table, "--key", "url")) == "requests.csv: has no column 'url'; its columns: time, key, size"
    assert refused(curve(table, "--ttl", 0)).startswith("requests.csv: ttl: 0.0 is not allowed; seconds, 0.001 or more")
    Path("empty.txt").write_text("")
    assert refused(curve("empty.txt")) == "empty.txt: is empty; at least one request is needed"
    assert refused(curve()) == "Missing argument 'TRACE...'; see cachesim curve --help"


def test_a_pipe_is_read_for_one_policy_and_refused_for_two(curve, letters, tmp_path):
    def ask(*arguments):
        os.mkfifo("pipe")
        with ThreadPoolExecutor() as pool:
            written = pool.submit((tmp_path / "pipe").write_bytes, (tmp_path / letters).read_bytes())
            ended = curve("pipe", "--json", "-", *arguments)
            if ended.status:  # nobody has read
                Path("pipe").read_bytes()
            written.result()
        Path("pipe").unlink()
        return ended

    assert curves(ask("--policy", "fifo")) == curves(curve(letters, "--json", "-", "--policy", "fifo"))
    assert curves(ask("--parts", 2, "--workers", 1)) == curves(curve(letters, "--json", "-", "--parts", 2))
    told = refused(ask(letters))
    assert told == "pipe: is no file, which a trace beside others, or read elsewhere, must be"
    told = refused(ask("--policy", "fifo", "--policy", "sieve"))
    assert told == "pipe: is no file that can be read once for each policy; one --policy is allowed"


def test_a_package_that_is_missing_is_told_in_one_line(curve, letters):
    program = "import sys; sys.modules['numba'] = None; from cachesim.cli import main; sys.exit(main())"
    found = subprocess.run([sys.executable, "-c", program, "curve", letters], capture_output=True, text=True)
    told = refused(Ended(found.returncode, found.stdout, found.stderr))
    assert told == "hit-rate curves need numba: pip install 'cachesim[curves]'"
