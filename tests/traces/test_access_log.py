"""Access logs: what is read, what is passed over, and what is said of that."""

from __future__ import annotations

import random
import tracemalloc
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachesim.traces import READS, WRITES, Notes, TraceError, read, read_operations
from tests.traces.writing import columns, entry, joined, write

COMBINED = ' "https://example.com/?q=\\"x\\"" "Mozilla/5.0 (X11) [en]"'


def operations(tmp_path, *lines, **options):
    return joined(read_operations(write(tmp_path / "access.log", *lines), **options))


@pytest.mark.parametrize("rest", ["", COMBINED, COMBINED + " 0.013", COMBINED + ' rt=0.013 "10.0.0.9:80" -', "\r"])
def test_the_common_and_the_combined_format_are_read_whatever_follows(tmp_path, rest):
    lines = [
        entry("/a?b=1", second=60, rest=rest),
        entry("/c", second=61, method="PUT", status=304, size="-", rest=rest),
    ]
    assert columns(operations(tmp_path, *lines)) == [["GET", "PUT"], ["/a?b=1", "/c"], [60, 61], [200, 304], [10, 0]]


@pytest.mark.parametrize(
    "line",
    [
        '2001:db8::7 - - [10/Oct/2000:13:55:36 -0700] "GET /a HTTP/1.0" 200 2326',
        'www.example.com identity frank@example.com [10/Oct/2000:13:55:36 -0700] "GET /a HTTP/2.0" 200 2326 "-" "-"',
        '192.0.2.7 - "" [10/Oct/2000:13:55:36 -0700] "GET /a" 200 2326',
    ],
)
def test_clients_users_and_versions_of_every_kind_are_read(tmp_path, line):
    assert columns(operations(tmp_path, line)) == [["GET"], ["/a"], [971211336], [200], [2326]]


@given(st.datetimes(datetime(1970, 1, 3), datetime(2199, 1, 1)), st.integers(-14 * 4, 14 * 4))
def test_a_stamp_is_the_time_it_says_in_its_own_zone(tmp_path_factory, when, quarters):
    when = when.replace(microsecond=0, tzinfo=timezone(timedelta(minutes=15 * quarters)))
    month = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()[when.month - 1]
    log = write(tmp_path_factory.mktemp("log") / "log", entry(stamp=f"{when:%d}/{month}/{when:%Y:%H:%M:%S %z}"))
    assert joined(read_operations(log)).times.tolist() == [when.timestamp()]


def test_paths_are_kept_as_they_were_written(tmp_path):
    paths = ["/caf%C3%A9", r"/a\"b", r"/a\x22b", r"/\\", "/café", "*", "http://example.com/a", "/a//b/", "/#c"]
    assert operations(tmp_path, *map(entry, paths)).keys == paths


def test_a_byte_that_is_no_text_is_shown_as_servers_write_it(tmp_path):
    (tmp_path / "access.log").write_bytes(entry("/caf").encode().replace(b"/caf", b"/caf\xe9") + b"\n")
    assert joined(read_operations(tmp_path / "access.log")).keys == [r"/caf\xe9"]


def test_the_query_string_belongs_to_the_key_unless_it_is_left_out(tmp_path):
    paths = ["/a?b=1", "/a?b=2?", "/a", "/a?"]
    assert operations(tmp_path, *map(entry, paths)).keys == paths
    assert operations(tmp_path, *map(entry, paths), query=False).keys == ["/a"] * 4
    assert joined(read(tmp_path / "access.log", query=False)).keys == ["/a"] * 4


def test_requests_are_reads_that_were_no_errors_unless_said_otherwise(tmp_path):
    statuses = [200, 206, 301, 304, 404, 500, 101, 499]
    methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"]
    lines = [entry(f"/{method}/{status}", method=method, status=status) for method in methods for status in statuses]
    log = write(tmp_path / "access.log", *lines)
    assert joined(read(log)).keys == [f"/{method}/{s}" for method in ("GET", "HEAD") for s in (200, 206, 301, 304)]
    assert joined(read(log, operations={"GET"}, statuses={404, 500})).keys == ["/GET/404", "/GET/500"]
    assert joined(read(log, operations=methods, statuses=range(600))).keys == [line.split()[6] for line in lines]
    names = joined(read_operations(log)).names
    assert [name in READS for name in names] == [name in ("GET", "HEAD") for name in names]
    assert [name in WRITES for name in names] == [name in ("POST", "PUT", "PATCH", "DELETE") for name in names]


def test_each_request_keeps_its_own_time_and_size(tmp_path):
    lines = [entry(f"/{n}", second=n, size=str(n), method="GET" if n % 3 else "PUT") for n in range(9)]
    kept = [1, 2, 4, 5, 7, 8]
    assert columns(joined(read(write(tmp_path / "access.log", *lines)))) == [[f"/{n}" for n in kept], kept, kept]


MALFORMED = [
    "what is this",
    entry()[:-8],
    entry().replace("01/Jan", "32/Jan"),
    entry().replace("Jan", "Jän"),
    entry().replace(" +0000", ""),
    '192.0.2.7 - - [01/Jan/1970:00:00:00 +0000] "-" 408 0',
    r'192.0.2.7 - - [01/Jan/1970:00:00:00 +0000] "\x16\x03\x01" 400 226',
    entry(status=20),
    entry(size="many"),
    entry(size="9" * 30),
    entry("/a b c"),
    "www.example.com:80 " + entry(),
    entry() + "0x",
    "\x00" * 50,
    entry()[:40] + entry(),
]


@pytest.mark.parametrize("line", MALFORMED)
def test_a_malformed_line_is_passed_over_and_told(tmp_path, line):
    found = operations(tmp_path, entry("/a"), "", line, "  \r", entry("/b"), line)
    assert found.keys == ["/a", "/b"]
    assert found.notes == Notes(lines=6, malformed=2, first_malformed=(3, line[:100]))


def test_malformed_lines_are_told_however_far_from_each_other_and_from_a_request(tmp_path):
    filler = [entry("/a", rest=" " * 1000)] * 3000  # blocks of a mebibyte hold about a thousand
    nothing = ["-" * 1000] * 3000
    found = operations(tmp_path, *filler, *nothing, entry("/b"), *nothing)
    assert (len(found.keys), found.keys[-1]) == (3001, "/b")
    assert found.notes == Notes(lines=9001, malformed=6000, first_malformed=(3001, "-" * 100))
    assert joined(read(tmp_path / "access.log")).notes == found.notes


def test_no_piece_is_empty(tmp_path):
    reads, writes = [entry(rest=" " * 1000)] * 3000, [entry(method="PUT", rest=" " * 1000)] * 3000
    pieces = list(read(write(tmp_path / "access.log", *writes, *reads, *writes)))
    assert all(piece.keys for piece in pieces)
    assert sum(len(piece.keys) for piece in pieces) == 3000
    assert pieces[-1].notes == Notes(lines=9000)


def test_times_that_run_back_are_raised_to_the_latest_and_counted(tmp_path):
    found = operations(tmp_path, *[entry(second=second) for second in (5, 3, 7, 6, 6, 8)])
    assert found.times.tolist() == [5, 5, 7, 7, 7, 8]
    assert found.notes == Notes(lines=6, late=3, late_by=2.0)


def test_times_are_raised_across_pieces_too(tmp_path):
    lines = [entry(second=second, rest=" " * 1000) for second in [9] + [8] * 4000 + [10]]
    found = operations(tmp_path, *lines)
    assert found.times.tolist() == [9] * 4001 + [10]
    assert found.notes == Notes(lines=4002, late=4000, late_by=1.0)


@pytest.mark.parametrize(
    ("lines", "options", "message"),
    [
        (["", ""], {}, "holds only blank lines; at least one request is needed"),
        (["nothing", "at all"], {"format": "access-log"},
         "none of its 2 line(s) is a request as an access log has it (common or combined format); line 1: 'nothing'"),
        ([entry(method="PUT")] * 3, {},
         "holds no request of the operations and statuses asked for, in 3 line(s); at least one is needed"),
    ],
)  # fmt: skip
def test_a_log_without_any_request_is_told_in_one_line(tmp_path, lines, options, message):
    log = write(tmp_path / "access.log", *lines)
    with pytest.raises(TraceError) as refused:
        list(read(log, **options))
    assert str(refused.value) == f"{log}: {message}"


@given(st.binary(max_size=300), st.lists(st.integers(0, 2), min_size=1, max_size=20))
def test_whatever_else_stands_in_a_log_its_requests_are_read(tmp_path_factory, noise, order):
    lines = [noise.replace(b"\n", b"") or b"-", entry("/a").encode(), entry("/b").encode()]
    log = tmp_path_factory.mktemp("log") / "log"
    log.write_bytes(b"\n".join([entry("/first").encode(), *(lines[which] for which in order)]))
    found = joined(read_operations(log, format="access-log"))
    assert found.keys == ["/first", *("/ab"[0] + "/ab"[which] for which in order if which)]
    assert found.notes.lines == 1 + len(order)


@pytest.mark.slow
def test_a_log_of_a_million_lines_is_read_in_the_memory_of_a_piece(tmp_path):
    rng = random.Random(1)
    asked, broken = np.zeros(1000, int), 0
    with (tmp_path / "access.log").open("w") as log:
        for number in range(1_000_000):
            if rng.random() < 0.01:
                broken += 1
                log.write("broken\n")
                continue
            key = int(rng.paretovariate(0.9)) % 1000
            asked[key] += 1
            log.write(entry(f"/{key}", second=number // 20, rest=COMBINED) + "\n")
    counted = np.zeros(1000, int)
    tracemalloc.start()
    for piece in read(tmp_path / "access.log"):
        np.add.at(counted, [int(key[1:]) for key in piece.keys], 1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert counted.tolist() == asked.tolist()
    assert (piece.notes.lines, piece.notes.malformed) == (1_000_000, broken)
    assert peak < 50e6  # of 130e6 bytes
