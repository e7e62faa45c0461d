"""What cells came to, kept in a file, so that a sweep that was ended goes on where it was.

The file is an SQLite database of ours. A finding is in it as a whole or not at all, whenever the process ends: each
is a transaction of its own (https://www.sqlite.org/atomiccommit.html).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from math import nan
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import orjson

from cachesim.scenario import Scenario
from cachesim.sweeps.cells import Finding

__all__ = ["Key", "Store", "StoreError"]

_APPLICATION = int.from_bytes(b"CaSi")
"""What SQLite's header calls an application id: it tells our files from those of others."""
_VERSION = 1
"""Of the tables below."""
_TABLES = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS scenarios (digest TEXT PRIMARY KEY, toml TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS runs (
    scenario TEXT NOT NULL REFERENCES scenarios,
    cache TEXT NOT NULL,
    seed TEXT NOT NULL,
    cachesim TEXT NOT NULL,
    failure TEXT NOT NULL,
    metrics TEXT,
    PRIMARY KEY (scenario, cache, seed, cachesim)
);
PRAGMA application_id = {_APPLICATION};
PRAGMA user_version = {_VERSION};
COMMIT;
"""
_PATIENCE = 60.0
"""Seconds to wait for another process that writes to the same file."""


class StoreError(RuntimeError):
    """A store cannot be used; says which, and why."""


class Key(NamedTuple):
    """What was run: the digest of a scenario, the name of one's own cache (empty: the scenario's), and the seed."""

    scenario: str
    cache: str
    seed: int


class Store:
    """Findings in a file, by their keys; those of another version of cachesim are not seen, and stay.

    The file is made when missing. Raises `StoreError` when it is no store, or one of another format, or cannot be
    written; `with` closes it.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._cachesim = version("cachesim")
        with self._told():
            # Of a full path no name is special to SQLite.
            self._connection = sqlite3.connect(self._path.absolute(), timeout=_PATIENCE, isolation_level=None)
        try:
            with self._told():
                self._open()
        except BaseException:
            self._connection.close()
            raise

    def _open(self) -> None:
        if not self._number("SELECT count(*) FROM sqlite_schema"):
            self._connection.executescript(_TABLES)
        if self._number("PRAGMA application_id") != _APPLICATION:
            raise StoreError(f"{self._path}: is a database, but no store of sweeps")
        if (found := self._number("PRAGMA user_version")) != _VERSION:
            raise StoreError(f"{self._path}: is a store of version {found}; this cachesim reads version {_VERSION}")

    def _number(self, question: str) -> int:
        return int(self._connection.execute(question).fetchone()[0])

    def get(self, key: Key) -> Finding | None:
        """What this key came to, if it is known."""
        question = (
            "SELECT failure, metrics FROM runs WHERE scenario = ? AND cache = ? AND seed = ? AND cachesim = ?",
            (key.scenario, key.cache, str(key.seed), self._cachesim),
        )
        with self._told():
            row = self._connection.execute(*question).fetchone()
        if row is None:
            return None
        failure, metrics = row
        return Finding(None if metrics is None else _numbers(metrics), failure)

    def put(self, key: Key, scenario: Scenario, finding: Finding) -> None:
        """Keep a finding, in the place of an earlier one of this key."""
        metrics = None if finding.metrics is None else orjson.dumps(finding.metrics).decode()
        row = (key.scenario, key.cache, str(key.seed), self._cachesim, finding.failure, metrics)
        with self._told(), self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.execute(
                "INSERT OR IGNORE INTO scenarios VALUES (?, ?)", (key.scenario, scenario.to_toml())
            )
            self._connection.execute("INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?, ?)", row)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"{self._path}: cannot be used as a store; {error}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._connection.close()


def _numbers(metrics: str) -> dict[str, float]:
    return {name: nan if value is None else float(value) for name, value in orjson.loads(metrics).items()}
