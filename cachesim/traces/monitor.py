r"""What Redis and Valkey print of each command to a client that sent MONITOR, as `redis-cli monitor` shows it.

    1339518083.107412 [0 127.0.0.1:60866] "get" "user:7"

Source: the documentation of MONITOR, and for what is not printable, such as `\n`, `\"` or `\xe9`, `sdscatrepr` in the
server's source. A key of a database other than 0 has its number in front: `3:user:7`. A command on several keys is an
operation on each. Commands that neither read nor write the data of a key are passed over, and so are scripts and
transactions: what those do has lines of its own.
"""

from __future__ import annotations

import re

import numpy as np

from cachesim.traces.logs import Log, Row
from cachesim.traces.records import READS, WRITES, Operations

__all__ = ["MONITOR"]

_QUOTED = r'"[^"\\\n]*(?:\\.[^"\\\n]*)*"'
_LINE = re.compile(
    rf"""^(?:
        \+?(\d{{1,11}}\.\d{{1,9}})\                   # when; the + is the protocol's, where a program kept it
        \[(\d+)\ [^"\n]*\]\                           # database, client
        ({_QUOTED})((?:\ {_QUOTED})*)                 # command, arguments
        [ \t\r]*
        |(?:\+?OK)?[ \t\r]*
        |(.*)
    )$""",
    re.MULTILINE | re.VERBOSE | re.ASCII,
)
_ARGUMENT = re.compile(_QUOTED)
_ESCAPE = re.compile(rb"\\(?:x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_CONTROL = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"a": b"\a", b"b": b"\b"}

_FIRST = slice(1)
_KEYS = (
    dict.fromkeys("MGET EXISTS DEL UNLINK RENAME RENAMENX SUNION SINTER SDIFF PFCOUNT".split(), slice(None))
    | dict.fromkeys("MSET MSETNX".split(), slice(None, None, 2))
    | dict.fromkeys("SMOVE RPOPLPUSH LMOVE".split(), slice(2))
)
"""Which arguments are keys, where not the first alone."""


def _operations(rows: list[Row]) -> Operations:
    names: list[str] = []
    keys: list[str] = []
    times: list[float] = []
    for time, database, quoted, arguments, _ in rows:
        name = quoted[1:-1].upper()
        if name in READS or name in WRITES:
            for argument in _ARGUMENT.findall(arguments)[_KEYS.get(name, _FIRST)]:
                key = _unescaped(argument[1:-1])
                names.append(name)
                keys.append(key if database == "0" else f"{database}:{key}")
                times.append(float(time))
    return Operations(names, keys, np.array(times, np.float64))


def _unescaped(text: str) -> str:
    r"""The text that was printed so.

    >>> _unescaped(r"caf\xc3\xa9 \"au lait\"")
    'café "au lait"'
    """
    if "\\" not in text:
        return text
    return _ESCAPE.sub(_printed, text.encode()).decode(errors="backslashreplace")


def _printed(escape: re.Match[bytes]) -> bytes:
    code, letter = escape.groups()
    return bytes.fromhex(code.decode()) if code else _CONTROL.get(letter, letter)


MONITOR = Log("a command that reads or writes a key, as MONITOR prints it", _LINE, _operations)
