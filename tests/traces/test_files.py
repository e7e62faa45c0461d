"""Files of every compression, whole and cut off, and the format that a file is taken for."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachesim.traces import FORMATS, TraceError, read, read_keys, read_operations, read_times
from cachesim.traces.files import blocks, line_blocks
from tests.traces.writing import COMPRESS, columns, entry, joined, write

COMMAND = '1339518083.107412 [0 127.0.0.1:60866] "get" "a"'
KINDS = {
    "requests": b"a\nb\n",
    "requests.trace": np.array([1, 2], ">u4").tobytes(),
    "requests.csv": b"key\na\nb\n",
    "requests.tsv": b"key\tsize\na\t1\nb\t2\n",
    "access.log": f"{entry('a')}\n{entry('b')}\n".encode(),
    "commands": f"OK\n{COMMAND}\n{COMMAND}\n".encode(),
}


@pytest.mark.parametrize("suffix", COMPRESS)
@pytest.mark.parametrize("name", KINDS)
def test_a_compressed_file_reads_as_the_file_itself(tmp_path, name, suffix):
    (tmp_path / name).write_bytes(KINDS[name])
    packed = tmp_path / f"{name}{suffix}"
    packed.write_bytes(COMPRESS[suffix](KINDS[name]))
    assert columns(joined(read(packed))) == columns(joined(read(tmp_path / name)))
    assert len(list(read_keys(packed))) == 2


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".zst"])
def test_files_compressed_apart_and_joined_read_as_one(tmp_path, suffix):
    (tmp_path / f"keys{suffix}").write_bytes(COMPRESS[suffix](b"a\n") + COMPRESS[suffix](b"b\n"))
    assert list(read_keys(tmp_path / f"keys{suffix}")) == ["a", "b"]


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".zst"])
def test_a_compressed_file_that_is_cut_off_is_an_error_that_says_how_much_was_read(tmp_path, suffix):
    content = np.random.default_rng(1).bytes(3 << 20)
    path = tmp_path / f"cut.trace{suffix}"
    path.write_bytes(COMPRESS[suffix](content)[: 5 << 19])
    read_before = 0
    with pytest.raises(TraceError, match=rf"{suffix}: cannot be read \(.*ended before.*\) after 2097152 bytes$"):  # noqa: PT012
        for piece in blocks(path):
            read_before += len(piece)
    assert read_before == 2 << 20
    with pytest.raises(TraceError, match="cannot be read"):
        list(read(path))


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".zst"])
def test_a_file_that_is_not_compressed_as_its_name_says_is_told(tmp_path, suffix):
    path = write(tmp_path / f"keys{suffix}", "a")
    with pytest.raises(TraceError, match=r"cannot be read \("):
        list(read(path))


def test_what_reads_zstandard_is_named_when_it_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "compression" if sys.version_info >= (3, 14) else "backports", None)
    path = write(tmp_path / "keys.zst", "a")
    with pytest.raises(TraceError) as refused:
        list(read(path))
    assert str(refused.value) == f"{path}: needs a package that is not installed: pip install backports.zstd"


def test_a_folder_and_a_file_that_is_not_there_are_told(tmp_path):
    for name in ("keys", "keys.trace", "keys.csv", "keys.parquet", "keys.txt.gz"):
        with pytest.raises(TraceError) as refused:
            list(read(tmp_path / name))
        assert str(refused.value) == f"{tmp_path / name}: no such file"
    with pytest.raises(TraceError, match=r"cannot be read \(.*Is a directory"):
        list(read(tmp_path))


@given(st.lists(st.text(st.characters(exclude_characters="\n", codec="utf-8")), min_size=1), st.integers(1, 9))
def test_blocks_of_lines_are_the_file_and_end_where_a_line_does(lines, size):
    content = "\n".join([*lines, "z"]).encode()

    found = _line_blocks(content, size)
    assert b"".join(found) == content
    assert all(block.endswith(b"\n") for block in found[:-1])


def _line_blocks(content: bytes, size: int) -> list[bytes]:
    with pytest.MonkeyPatch.context() as patch:
        parts = [content[start : start + size] for start in range(0, len(content), size)]
        patch.setattr("cachesim.traces.files.blocks", lambda path: iter(parts))
        return list(line_blocks(Path("keys")))


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path):
    (tmp_path / "keys").write_bytes(b"\xef\xbb\xbfa\nb\n")
    assert list(read_keys(tmp_path / "keys")) == ["a", "b"]


@pytest.mark.parametrize(
    ("format", "name", "operations"),
    [("access-log", "access.log", ["GET", "GET"]), ("monitor", "commands", ["GET", "GET"])],
)
def test_a_log_is_recognised_by_its_first_lines(tmp_path, format, name, operations):
    (tmp_path / "first.csv.log").write_bytes(b"some heading\n\n" + KINDS[name])
    (told,) = read_operations(tmp_path / "first.csv.log")
    assert told.names == operations
    assert told.notes.first_malformed == (1, "some heading")
    assert columns(joined(read(tmp_path / "first.csv.log", format=format))) == columns(
        joined(read(tmp_path / "first.csv.log"))
    )


def test_the_format_can_be_said(tmp_path):
    (tmp_path / "requests.csv").write_bytes(KINDS["access.log"])
    assert joined(read(tmp_path / "requests.csv", format="access-log")).keys == ["a", "b"]
    assert len(joined(read(tmp_path / "requests.csv", format="text")).keys) == 2
    with pytest.raises(TraceError) as refused:
        list(read(tmp_path / "requests.csv", format="xml"))  # type: ignore[arg-type]
    assert str(refused.value).endswith(f"format 'xml' is unknown; known: {', '.join(FORMATS)}")


def test_operations_are_read_from_logs_alone(tmp_path):
    with pytest.raises(TraceError, match="is no log, but text; an access log, or what MONITOR prints, is needed"):
        list(read_operations(write(tmp_path / "keys", "a")))


def test_a_pipe_is_read_once_and_from_its_beginning(tmp_path):
    content = f"{entry('a')}\n{entry('b')}\n".encode()
    reading, writing = os.pipe()
    os.write(writing, content)
    os.close(writing)
    try:
        assert joined(read(f"/dev/fd/{reading}")).keys == ["a", "b"]
    finally:
        os.close(reading)


def test_keys_and_times_of_one_log_belong_together(tmp_path):
    log = write(
        tmp_path / "access.log", entry("/a", second=3), entry("/b", second=5, method="PUT"), entry("/c", second=4)
    )
    assert list(zip(read_keys(log), read_times(log), strict=True)) == [("/a", 3.0), ("/c", 5.0)]


def test_a_table_without_times_is_told_where_times_are_needed(tmp_path):
    with pytest.raises(TraceError, match=r"keys\.csv: tells no times$"):
        list(read_times(write(tmp_path / "keys.csv", "key", "a")))


@pytest.mark.skipif("CACHESIM_TRACES" not in os.environ, reason="recorded requests lie beside the checkout in CI")
@pytest.mark.parametrize(
    ("name", "requests", "distinct"),
    [("web07", 76_118, 20_484), ("web12", 95_607, 13_756), ("orm-night", 5_000_000, 86_466)],
)
def test_the_recorded_streams_are_as_long_as_their_origin_says(name, requests, distinct):
    pieces = list(read(Path(os.environ["CACHESIM_TRACES"]) / f"{name}.trace.xz"))
    assert max(len(piece.keys) for piece in pieces) <= 1 << 20
    keys = np.concatenate([piece.keys for piece in pieces])
    assert keys.dtype == np.uint32
    assert (len(keys), len(np.unique(keys))) == (requests, distinct)
