"""Requests one a line, in binary, in CSV and in Parquet."""

from __future__ import annotations

import csv
import sys
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from cachesim.traces import TraceError, read, read_times
from tests.traces.writing import columns, joined, write

TEXTS = st.text(st.characters(codec="utf-8"), max_size=5)
ROWS = st.lists(st.tuples(TEXTS, st.floats(0, 1e9), st.integers(0, (1 << 63) - 1)), min_size=1)


def refusal(path, **options):
    with pytest.raises(TraceError) as refused:
        list(read(path, **options))
    assert "\n" not in str(refused.value)
    return str(refused.value).removeprefix(str(path))


@given(st.lists(TEXTS.filter(lambda key: key.strip() and "\n" not in key), min_size=1))
def test_keys_one_a_line_come_back(tmp_path_factory, keys):
    path = tmp_path_factory.mktemp("text") / "keys"
    path.write_text("\n\n".join(f" {key}\t" for key in keys), encoding="utf-8", newline="")
    assert columns(joined(read(path, format="text"))) == [[key.strip() for key in keys], None, None]


@given(st.lists(st.integers(0, (1 << 32) - 1), min_size=1))
def test_binary_keys_come_back(tmp_path_factory, keys):
    path = tmp_path_factory.mktemp("binary") / "keys.trace"
    path.write_bytes(np.array(keys, ">u4").tobytes())
    assert columns(joined(read(path))) == [keys, None, None]


@given(ROWS, st.sampled_from(",;\t"), st.sampled_from(["\n", "\r\n"]))
def test_a_csv_file_comes_back_with_any_delimiter_whatever_its_keys_hold(tmp_path_factory, rows, delimiter, ending):
    rows = [(key, time, size) for (key, _, size), time in zip(rows, sorted(row[1] for row in rows), strict=True)]
    path = tmp_path_factory.mktemp("csv") / "requests.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator=ending, quoting=csv.QUOTE_NONNUMERIC)
        writer.writerow(["size", "key", "time"])
        writer.writerows((size, key, time) for key, time, size in rows)
    assert columns(joined(read(path))) == [list(column) for column in zip(*rows, strict=True)]


@given(ROWS, st.booleans(), st.integers(1, 5))
def test_a_parquet_file_comes_back(tmp_path_factory, rows, dictionary, group):
    rows = [(key, time, size) for (key, _, size), time in zip(rows, sorted(row[1] for row in rows), strict=True)]
    table = pa.table(dict(zip(("key", "time", "size"), map(list, zip(*rows, strict=True)), strict=True)))
    if dictionary:
        table = table.set_column(0, "key", table["key"].dictionary_encode())
    path = tmp_path_factory.mktemp("parquet") / "requests.parquet"
    parquet.write_table(table, path, row_group_size=group)
    assert columns(joined(read(path))) == [list(column) for column in zip(*rows, strict=True)]


@pytest.mark.parametrize("type_", [pa.int64(), pa.uint64(), pa.int32()])
def test_integer_keys_of_parquet_stay_integers(tmp_path, type_):
    path = tmp_path / "requests.parquet"
    parquet.write_table(pa.table({"key": pa.array([3, 1, 3], type_)}), path)
    keys = joined(read(path)).keys
    assert isinstance(keys, np.ndarray)
    assert keys.dtype == type_.to_pandas_dtype()
    assert keys.tolist() == [3, 1, 3]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_time_stamps_of_parquet_become_seconds(tmp_path, unit):
    path = tmp_path / "requests.parquet"
    stamps = pa.array(
        [datetime(1970, 1, 1, 0, 1, tzinfo=UTC), datetime(1970, 1, 2, tzinfo=UTC)], pa.timestamp(unit, "UTC")
    )
    parquet.write_table(pa.table({"at": stamps, "key": ["a", "b"]}), path)
    assert joined(read(path, time="at")).times.tolist() == [60, 86_400]


def test_columns_are_found_by_their_names(tmp_path):
    path = write(tmp_path / "requests.csv", "url;when;time;bytes", "a;5;1;7", "b;4;2;8")
    assert columns(joined(read(path, key="url"))) == [["a", "b"], [1, 2], None]
    assert columns(joined(read(path, key="time", size="bytes"))) == [["1", "2"], [1, 2], [7, 8]]
    parquet.write_table(pa.table({"url": ["a"], "when": [5.0]}), tmp_path / "requests.parquet")
    assert columns(joined(read(tmp_path / "requests.parquet", key="url", time="when"))) == [["a"], [5], None]


def test_blank_lines_of_a_csv_file_are_passed_over(tmp_path):
    assert joined(read(write(tmp_path / "requests.csv", "", "key", "", "a", "", "b"))).keys == ["a", "b"]


def test_a_piece_is_no_longer_than_a_curve_can_take(tmp_path):
    count = (1 << 18) + 5
    path = write(tmp_path / "requests.csv", "key", *map(str, range(count)))
    parquet.write_table(pa.table({"key": np.arange(count)}), tmp_path / "requests.parquet")
    for source in (path, tmp_path / "requests.parquet"):
        pieces = list(read(source))
        assert len(pieces) > 1
        assert max(len(piece.keys) for piece in pieces) <= 1 << 18
        assert [int(key) for piece in pieces for key in piece.keys] == list(range(count))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", ": is empty; at least one request is needed"),
        ("\n \n", ": holds only blank lines; at least one request is needed"),
        ("key,time\n", ": holds no request; at least one is needed"),
        ("0;1080\n1;1081\n", ": has no column 'key'; its columns: 0, 1080"),
        ("key,time\na,1\nb\n", ", line 3: has 1 columns; the first line has 2"),
        ("key,time\na,1\n\n'b',1,2\n", ", line 4: has 3 columns; the first line has 2"),
        ('key,time\n"a\nb",1\nc,soon\n', ", line 4: 'soon' is not a time in seconds"),
        ("key,time\na,1\nb,nan\n", ", line 3: 'nan' is not allowed; a finite time"),
        ("key,time\na,2.5\n\nb,2\n", ", line 4: '2' is not allowed; 2.5 (the line before) or more"),
        ("key,size\na,-1\n", ", line 2: '-1' is not a whole number of bytes"),
        ("key,size\na,1.5\n", ", line 2: '1.5' is not a whole number of bytes"),
        ("key,size\na,9223372036854775808\n", ", line 2: '9223372036854775808' is not a whole number of bytes"),
        ("\n\nkey,time\n\na,late\n", ", line 5: 'late' is not a time in seconds"),
        ('key\n"a\n', ", line 2: is not a row of a table (unexpected end of data)"),
    ],
)
def test_a_bad_csv_file_is_told_in_one_line(tmp_path, content, message):
    (tmp_path / "requests.csv").write_text(content)
    assert refusal(tmp_path / "requests.csv") == message


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"url": ["a"], "at": [1]}, ": has no column 'key'; its columns: url, at"),
        ({"key": pa.array([], pa.int64())}, ": holds no request; at least one is needed"),
        ({"key": pa.array([], pa.int64()), "time": pa.array([], pa.int64()), "size": pa.array([], pa.int64())},
         ": holds no request; at least one is needed"),
        ({"key": [1.5]}, ": column 'key' holds double; integers or text are allowed"),
        ({"key": ["a", None]}, ": column 'key' holds null; each request needs a value"),
        ({"key": ["a", "b"], "time": [2.0, 1.0]}, ", row 2: 1.0 is not allowed; 2.0 (the row before) or more"),
        ({"key": ["a"], "time": [float("inf")]}, ", row 1: inf is not allowed; a finite time"),
        ({"key": ["a"], "time": ["noon"]}, ": column 'time' holds string; seconds or time stamps are allowed"),
        ({"key": ["a"], "size": [-3]}, ": column 'size' holds -3; bytes, 0 or more, are allowed"),
        ({"key": ["a"], "size": [1.0]}, ": column 'size' holds double; integers, in bytes are allowed"),
    ],
)  # fmt: skip
def test_a_bad_parquet_file_is_told_in_one_line(tmp_path, table, message):
    parquet.write_table(pa.table(table), tmp_path / "requests.parquet")
    assert refusal(tmp_path / "requests.parquet") == message


def test_a_column_asked_for_is_needed_although_it_need_not_be_there(tmp_path):
    path = write(tmp_path / "requests.csv", "key", "a")
    assert refusal(path, time="time") == ": has no column 'time'; its columns: key"
    assert refusal(path, size="bytes") == ": has no column 'bytes'; its columns: key"


def test_what_is_no_parquet_file_is_told(tmp_path):
    for content in (b"", b"key\na\n", b"PAR1" * 5):
        (tmp_path / "requests.parquet").write_bytes(content)
        assert refusal(tmp_path / "requests.parquet").startswith(": cannot be read (")


def test_what_reads_parquet_is_named_when_it_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    path = tmp_path / "requests.parquet"
    assert refusal(path) == ": needs a package that is not installed: pip install pyarrow"


@pytest.mark.parametrize("name", ["keys", "keys.csv"])
@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_text_of_another_encoding_is_told_with_its_line(tmp_path, name, encoding):
    (tmp_path / name).write_bytes("key\nb\ncafé\n".encode(encoding))
    line = {"latin-1": 3, "utf-16": 1}[encoding]
    assert refusal(tmp_path / name) == f", line {line}: is not UTF-8 text (binary traces are named *.trace)"


def test_a_time_that_falls_is_told_with_its_line_although_some_are_blank(tmp_path):
    path = write(tmp_path / "times", "1", "", "3", "", "2")
    with pytest.raises(TraceError, match=r", line 5: '2' is not allowed; 3\.0 \(the line before\) or more$"):
        list(read_times(path))
