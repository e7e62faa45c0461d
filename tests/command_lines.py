"""Command lines of `cachesim`, and a file for each to read, for hypothesis: what makes sense, and mostly a little that
does not."""

from __future__ import annotations

import gzip
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tomli_w
from hypothesis import strategies as st

from cachesim.scenario import Scenario
from tests.worlds import scenarios

__all__ = ["Case", "cases"]

# Texts


RECORDED = """
arrivals = { type = "recorded", path = "times.txt" }
keys = { type = "recorded", path = "keys.txt" }
cache = { pattern = "in-process", ttl = 2, size = 5, policy = "sieve" }
database = { latency = { type = "empirical", values = [0.1, 0.2] } }
"""
WHOLE = """
title = "All there is"
duration = 2
warmup = 0.5
nodes = 2
balance = "key"
batch = 2
writes = { share = 0.1, behind = 0.2 }
arrivals = { type = "closed-loop", users = 3, think = { type = "exponential", mean = 0.1 } }
keys = { type = "drift", n = 20, alpha = 0.8, every = 1 }
cache = { pattern = "layered", ttl = 2, l1_ttl = 1, invalidation = "stream", single_flight = "cluster" }
database = { latency = { type = "erlang", mean = 0.05, k = 2 }, connections = 3 }
redis = { round_trip = { type = "uniform", low = 0, high = 0.01 } }
clients = { timeout = 0.3, retries = 1, backoff = 0.1, disconnect = "ignore" }
faults = [{ type = "redis-down", start = 0.5, duration = 0.2, mode = "hang" }, { type = "flush", at = 1 }]
expect = { hit_ratio = ">= 0.1", loads = "< 1e9" }
"""

VALUES = [
    *("0", "-1", "1", "2", "0.5", "1e-9", "1e308", "-0.0", "nan", "inf", "-inf", "10" * 40, "0x1F", "1979-05-27"),
    *("true", "false", '""', '"x"', '"none"', '"cluster"', '"\\u0000"', '"é\\n"', "[]", "[1]", "[[]]", "{}"),
    *('{ type = "constant", value = 0.1 }', '{ type = "zipf", n = 10, alpha = 0.9 }', '{ type = "x" }', "{ a = 1 }"),
    *('{ type = "exponential", mean = 0.1 }', '{ pattern = "none" }', '">= 1"', '"~ 1"', "1_0", "'''", '"""', "#"),
]
BYTES = [
    b"\x00",
    b"\xff",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b"\r\n",
    b"[",
    b"=",
    b"\x1b[31m",
    b'"',
    b",",
    b"1e999",
    b" ",
]


@st.composite
def edited(draw: st.DrawFn, data: bytes) -> bytes:
    """Some bytes taken away, doubled, or put in."""
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 20)))
        middle = draw(st.sampled_from([*BYTES, data[start:end] * 2, b""]))
        data = data[:start] + middle + data[end:]
    return data


@st.composite
def with_other_values(draw: st.DrawFn, text: str) -> bytes:
    """Some values of a scenario replaced by any others."""
    places = [match.span(1) for match in re.finditer(r"= ([^\s,#}]+)", text)]
    for start, end in sorted(draw(st.lists(st.sampled_from(places), max_size=3, unique=True)), reverse=True):
        text = text[:start] + draw(st.sampled_from(VALUES)) + text[end:]
    return text.encode()


@st.composite
def with_another_shape(draw: st.DrawFn, text: str) -> bytes:
    """A table with fields taken away, renamed, moved or doubled elsewhere."""
    table = tomllib.loads(text)
    for _ in range(draw(st.integers(1, 3))):
        inside = draw(st.sampled_from([table, *(value for value in table.values() if isinstance(value, dict))]))
        other = draw(st.sampled_from([table, *(value for value in table.values() if isinstance(value, dict))]))
        if inside:
            name = draw(st.sampled_from(sorted(inside)))
            value = draw(st.sampled_from([inside.pop, inside.get]))(name)
            if not _holds(value, other):
                other[draw(st.sampled_from([name, name + "s", "ttl", "type", "faults", "é"]))] = value
    return tomli_w.dumps(table).encode()


def _holds(value: Any, other: Any) -> bool:
    """Whether a table lies in another, or is it."""
    return value is other or (isinstance(value, dict) and any(_holds(inner, other) for inner in value.values()))


def scenario_files() -> st.SearchStrategy[bytes]:
    texts = st.one_of(st.sampled_from([RECORDED, WHOLE]), scenarios().map(Scenario.to_toml))
    return st.one_of(
        texts.map(str.encode),
        texts.map(str.encode),
        texts.map(str.encode),
        texts.flatmap(with_other_values),
        texts.flatmap(with_another_shape),
        texts.flatmap(lambda text: edited(text.encode())),
        st.binary(max_size=100),
    )


_KEYS = (np.random.default_rng(1).zipf(1.3, 60) % 9).tolist()
_LOG_LINE = '192.0.2.{} - - [02/Mar/2026:00:00:{:02} +0000] "GET /p/{} HTTP/1.1" 200 {} "-" "x"\n'
LOGS = {
    "keys.txt": "".join(f"key:{key}\n" for key in _KEYS),
    "input.csv": "time,key,size\n" + "".join(f"{i * 0.5},k{key},{key + 1}\n" for i, key in enumerate(_KEYS)),
    "access.log": "".join(_LOG_LINE.format(key, i, key, key * 9) for i, key in enumerate(_KEYS)),
    "monitor.log": "".join(
        f'17723{i:05}.339002 [0 127.0.0.1:60866] "{"SET" if key == 3 else "GET"}" "k{key}"\n'
        for i, key in enumerate(_KEYS)
    ),
    "input.trace": np.array(_KEYS, "<u4").tobytes().decode("latin-1"),
}


@st.composite
def logs(draw: st.DrawFn) -> tuple[str, bytes]:
    """A log and its name: as it should be, compressed or not; broken; or anything."""
    name = draw(st.sampled_from(list(LOGS)))
    data = LOGS[name].encode("latin-1")
    if draw(st.integers(0, 3)) == 3:
        name, data = f"{name}.gz", gzip.compress(data, mtime=0)
    broken = st.one_of(
        edited(data), edited(data), st.integers(0, 60).map(lambda end: data[:end]), st.binary(max_size=200)
    )
    return name, draw(st.one_of(st.just(data), st.just(data), broken))


# Flags

OUTPUTS = ["new{}", "kept{}", "folder/new{}"]
PLACES = [
    *("-", "", ".", "folder", "no/such.json", "kept.json/x.json", "locked.json", "link.json", "input", "new.gif"),
    *("\0", "a\0.json", "é.json", "\udcff.json", "x" * 300 + ".json", "/dev/null", "/dev/full", "~/x", "\n.json"),
]
"""What may be an output, by the suffix that it needs, and what an output or an input is called rarely."""
NUMBERS = ["0", "-1", "1.5", "nan", "1e9", "", "x", "१", "9" * 30, "-" + "9" * 30, "0x10", " 1 ", "1_0"]
WORDS = ["", "x", "é", "\0", "\udcff", "x" * 5000, "--", "-x", "=", ",", "*", "\n"]
GOOD_CHANGES = [
    *("cache.ttl=1.5", "cache.single_flight=none", "nodes=2", "batch=2", "writes=0.2", "title=é", "seed=7"),
    *("cache.pattern=none", 'cache={pattern="batch", ttl=1}', "redis.round_trip=0.01", "expect.loads=>= 0"),
    *("expect.hit_ratio=>= 0.5", "clients.timeout=0.2", "database.connections=1", 'faults=[{type="flush", at=0.1}]'),
]
FIELDS = [
    *("duration", "warmup", "nodes", "seed", "batch", "writes", "title", "balance", "cache", "cache.ttl", "expect"),
    *("cache.pattern", "cache.single_flight", "keys", "keys.n", "arrivals.rate", "database.latency", "faults.0"),
    *("faults", "expect.hit_ratio", "clients.timeout", "cache.ttl.x", ".", "a..b", *WORDS),
]
GOOD_CACHES = [
    *("scenario", "none", "in-process+ttl=1+size=2", "cachesim:batch+ttl=1", "pitfall:layered+ttl=1", "own:factory"),
    *("stale-while-revalidate+fresh_for=1+stale_for=1", "early-recompute+ttl=1+jitter=0", "conditional"),
]
BAD_CACHES = [
    *("stale-while-revalidate", "in-process+size=x", "scenario+beta=2", "+", "a+b=", "own:", ":", "own:failing"),
    *("no:thing", "é:é", "\0:x", "own:leaving", "json:loads", "..:x", "a.b.c:d", "early-recompute+beta=1e308", *WORDS),
]


def _mostly(good: Sequence[str], bad: Sequence[str]) -> st.SearchStrategy[str]:
    return st.integers(0, 7).flatmap(lambda lot: st.sampled_from(good if lot else bad))


def _output(suffix: str) -> st.SearchStrategy[str]:
    return _mostly([output.format(suffix) for output in OUTPUTS], PLACES)


_CACHES = _mostly(GOOD_CACHES, BAD_CACHES)
FORMATS = _mostly(["text", "csv", "access-log", "monitor", "binary", "parquet"], WORDS)
OPTIONS: dict[str, st.SearchStrategy[str] | None] = {
    "--json": st.just("-") | _output(".json"),
    "--plot": _output(".png"),
    "--scenario": _output(".toml"),
    "--set": _mostly(GOOD_CHANGES, ["", "=", "title=\udcff", "title=\0", "seed=" + "9" * 5000])
    | st.tuples(st.sampled_from(FIELDS), st.sampled_from(VALUES)).map("=".join),
    "--seed": _mostly(["0", "1", "9" * 30], NUMBERS),
    "--replications": _mostly(["1", "2", "3"], NUMBERS),
    "--cache": _mostly(["own:factory", "own:factory", "own:factory", "in-process+ttl=1", "cashews:lock"], BAD_CACHES),
    "--caches": st.lists(_CACHES, min_size=2, max_size=3, unique=True).map(",".join) | _CACHES,
    "--conditions": _mostly(["none", "calm,deploy", "expiry", "redis-outage"], ["calm,none", ",", *WORDS]),
    "--baseline": st.sampled_from(["scenario", "none", *WORDS]),
    "--invariant": _mostly(["single_flight", "no_stale_read_after_delete", "tables_empty"], WORDS),
    "--schedules": _mostly(["1", "5", "10"], NUMBERS),
    "--strategy": _mostly(["mixed", "random", "priorities", "exhaustive"], WORDS),
    "--preemptions": _mostly(["0", "1"], NUMBERS),
    "--replay": _mostly(
        ["0,1:0:3a1~23:5194f732", "0:1::00000000"],
        ["9,0:0::00000000", "0,0:0::00000000", "0:0:0a9~00:00000000", "0:" + "9" * 5000 + "::00000000", *WORDS],
    ),
    "--svg": _output(".svg"),
    "--metric": _mostly(["hit_ratio", "latency_p99"], WORDS),
    "--check": None,
    "--vary": _mostly(
        ["cache.ttl=1,2", "nodes=1,2", "cache.pattern=none,batch", "redis.round_trip=0..0.01", "writes=0.1..0.5:log"],
        ["cache.ttl=", "nodes", "nodes=2..1", "=..", "x=1..2", "a..b", "nodes=0.5..x", "nodes=1..3:lin", *WORDS],
    ),
    "--draws": _mostly(["1", "2"], NUMBERS),
    "--store": _mostly(["new.db"], ["kept.json", "link.json", "locked.json", "folder", "no/x.db", "/dev/null", *WORDS]),
    "--time-limit": _mostly(["60"], NUMBERS),
    "--policy": _mostly(["lru", "sieve", "fifo"], ["opt", "LRU", *WORDS]),
    "--size": _mostly(["1", "5", "1000000"], NUMBERS),
    "--ttl": _mostly(["1", "60", "0.001", "1e308"], ["inf", *NUMBERS]),
    "--bytes": None,
    "--sample-rate": _mostly(["1", "0.5", "0.9"], ["1e-9", "2", "inf", *NUMBERS]),
    "--format": FORMATS,
    "--key": _mostly(["key", "size"], WORDS),
    "--time": _mostly(["time"], ["key", *WORDS]),
    "--size-column": _mostly(["size"], ["key", *WORDS]),
    "--help": None,
    "--version": None,
    "--nothing": None,
    "--": None,
    "-": None,
}
OF = {
    "run": ("--json", "--plot", "--set", "--set", "--seed", "--replications", "--cache", "--check", "--check"),
    "compare": ("--json", "--set", "--seed", "--caches", "--baseline", "--metric", "--conditions"),
    "sweep": ("--json", "--set", "--seed", "--vary", "--draws", "--store", "--time-limit", "--metric", "--cache"),
    "races": ("--json", "--svg", "--set", "--seed", "--cache", "--strategy", "--preemptions", "--replay", "--check"),
    "curve": ("--json", "--policy", "--policy", "--size", "--ttl", "--bytes", "--sample-rate", "--seed", "--time"),
    "advise": ("--json", "--scenario", "--key", "--time", "--size-column"),
    "scenarios": (),
    "completion": (),
}
ALWAYS = {
    "compare": ["--caches", "none,scenario", "--replications", "2"],
    "sweep": ["--vary", "cache.ttl=1,2", "--replications", "1"],
    "races": ["--invariant", "single_flight", "--schedules", "5"],
}


@dataclass(frozen=True)
class Case:
    """A command line, and a file that it most likely names."""

    arguments: list[str]
    data: bytes
    name: str


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Mostly what makes sense."""

    def rarely() -> bool:
        return draw(st.integers(0, 11)) == 11

    usual, any_at_all = ["run", "run", "compare", "sweep", "races", "curve", "advise"], [*OF, *WORDS]
    command = draw(st.sampled_from(any_at_all if rarely() else usual))
    names = draw(st.lists(st.sampled_from(OF.get(command) or ("--help",)), max_size=4))
    if rarely():
        names.append(draw(st.sampled_from(list(OPTIONS))))
    words = [ALWAYS[command]] if command in ALWAYS and ALWAYS[command][0] not in names else []
    for name in names:
        value = OPTIONS[name]
        text = [] if value is None else [draw(value)]
        words.append(["=".join([name, *text])] if rarely() else [name, *text])
    traced = command in ("curve", "advise")
    if traced and rarely():
        words.append(["--format", draw(FORMATS)])
    name, data = draw(logs()) if traced else ("storm.toml", draw(scenario_files()))
    target = draw(st.sampled_from([*PLACES, "hot-key"])) if rarely() else name
    words.insert(draw(st.integers(0, len(words))), [target])
    return Case(
        [command, *(word for group in words for word in group)], data, draw(st.sampled_from([name] * 9 + ["input"]))
    )
