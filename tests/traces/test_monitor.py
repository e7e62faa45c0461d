"""What MONITOR prints: reads and writes told apart, keys as they are."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from cachesim.traces import READS, WRITES, Notes, TraceError, read, read_operations
from tests.live.server import MISSING, executable, running
from tests.traces.writing import columns, joined, write


def told(*arguments: str, time: float = 1339518083.107412, client: str = "0 127.0.0.1:60866") -> str:
    """A line, its arguments already escaped."""
    quoted = " ".join(f'"{argument}"' for argument in arguments)
    return f"{time:.6f} [{client}] {quoted}"


def escaped(text: str) -> str:
    """As the server prints it."""
    named = {ord(letter): f"\\{name}" for letter, name in zip('\\"\n\r\t\a\b', '\\"nrtab', strict=True)}
    return "".join(named.get(b, chr(b) if 32 <= b < 127 else f"\\x{b:02x}") for b in text.encode())


def operations(tmp_path, *lines):
    return joined(read_operations(write(tmp_path / "commands", *lines)))


def test_reads_and_writes_are_told_apart_and_only_reads_are_requests(tmp_path):
    lines = [
        "OK",
        told("get", "a", time=1.5),
        told("SET", "a", "1", "PX", "1000", time=2),
        told("HGETALL", "b", time=3),
    ]
    found = operations(tmp_path, *lines)
    assert columns(found) == [["GET", "SET", "HGETALL"], ["a", "a", "b"], [1.5, 2, 3], None, None]
    assert [(name in READS, name in WRITES) for name in found.names] == [(True, False), (False, True), (True, False)]
    assert columns(joined(read(tmp_path / "commands"))) == [["a", "b"], [1.5, 3], None]
    assert joined(read(tmp_path / "commands", operations={"SET"})).keys == ["a"]


@pytest.mark.parametrize(
    ("command", "keys"),
    [
        (("mget", "a", "b", "c"), ["a", "b", "c"]),
        (("del", "a", "b"), ["a", "b"]),
        (("mset", "a", "1", "b", "2"), ["a", "b"]),
        (("hmget", "a", "field", "other"), ["a"]),
        (("smove", "a", "b", "member"), ["a", "b"]),
        (("set", "a", "v", "NX"), ["a"]),
    ],
)
def test_a_command_on_several_keys_is_an_operation_on_each(tmp_path, command, keys):
    found = operations(tmp_path, told(*command))
    assert (found.keys, set(found.names), len(found.times)) == (keys, {command[0].upper()}, len(keys))


def test_what_is_neither_a_read_nor_a_write_of_a_key_is_passed_over_without_a_word(tmp_path):
    others = [
        told("ping"),
        told("select", "1"),
        told("eval", "return 1", "1", "a"),
        told("multi"),
        told("expire", "a", "9"),
    ]
    found = operations(tmp_path, *others, told("get", "a", client="0 lua"), told("get"))
    assert found.keys == ["a"]
    assert found.notes == Notes(lines=7)


@pytest.mark.parametrize("client", ["0 [::1]:60866", "0 unix:/run/my redis.sock", "0 lua", "0 127.0.0.1:1"])
def test_clients_of_every_kind_are_read(tmp_path, client):
    assert operations(tmp_path, told("get", "a", client=client)).keys == ["a"]


def test_keys_of_several_databases_are_told_apart(tmp_path):
    lines = [told("get", "a"), told("get", "a", client="3 127.0.0.1:60866")]
    assert operations(tmp_path, *lines).keys == ["a", "3:a"]


@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1), min_size=1))
def test_a_key_of_any_characters_comes_back(tmp_path_factory, keys):
    log = write(tmp_path_factory.mktemp("log") / "log", told("get", "a"), told("mget", *map(escaped, keys)))
    assert joined(read_operations(log)).keys == ["a", *keys]


def test_malformed_lines_are_passed_over_and_told(tmp_path):
    broken = told("get", "a")[:-1]
    found = operations(
        tmp_path, told("get", "a"), broken, "Error: Server closed the connection", told("get", "b") + "\r"
    )
    assert found.keys == ["a", "b"]
    assert found.notes == Notes(lines=4, malformed=2, first_malformed=(2, broken))


def test_commands_without_any_key_are_told_in_one_line(tmp_path):
    log = write(tmp_path / "commands", told("ping"))
    with pytest.raises(TraceError) as refused:
        list(read(log))
    assert (
        str(refused.value)
        == f"{log}: none of its 1 line(s) is a command that reads or writes a key, as MONITOR prints it"
    )


def test_what_a_real_server_prints_is_read(tmp_path):
    found = executable()
    if found is None:
        pytest.skip(MISSING)
    key = 'caf\u00e9 "\\\n\r\t\a\b\x00\x7f[0 x] "get" "y"'
    with running(found) as server, redis.Redis.from_url(server.url) as client:
        address = urlsplit(server.url)
        with socket.create_connection((address.hostname, address.port)) as monitor, monitor.makefile("rwb") as lines:
            lines.write(b"MONITOR\r\n")
            lines.flush()
            printed = [lines.readline()]
            client.set(key, "1")
            client.mget(key, "b")
            client.eval("return redis.call('get', KEYS[1])", 1, key)
            client.execute_command("SELECT", 2)
            client.delete("last")
            while b'"last"' not in printed[-1]:
                printed.append(lines.readline())
    (tmp_path / "commands").write_bytes(b"".join(printed))
    told = joined(read_operations(tmp_path / "commands"))
    assert list(zip(told.names, told.keys, strict=True)) == [
        ("SET", key), ("MGET", key), ("MGET", "b"), ("GET", key), ("DEL", "2:last")
    ]  # fmt: skip
    assert told.notes.malformed == 0
