"""Access logs of any length, made by chance from a seed: `python -m tests.logs FILE [LINES]`.

Products by a Zipf law, in Poisson arrivals; some lines have a query string, a session in it, a write, a page that is
not there, or make no sense at all. A longer log begins with the shorter one.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import numpy as np

from cachesim.world.keys import Zipf

__all__ = ["START", "lines", "write_log"]

START = datetime(2026, 3, 2, 0, 0, tzinfo=UTC)
_BLOCK = 10_000
_MALFORMED = '192.0.2.1 - - "\\x16\\x03\\x01 no request'


def lines(
    *,
    keys: int = 10_000,
    alpha: float = 0.9,
    rate: float = 50.0,
    sessions: float = 0.0,
    queries: float = 0.0,
    writes: float = 0.0,
    missing: float = 0.0,
    malformed: float = 0.0,
    request_time: float | None = None,
    seed: int = 1,
) -> Iterator[str]:
    """Lines without end. Shares: of reads with a session that is never seen again, with one of nine pages in the query
    string, of writes, of reads answered 404, of malformed lines. `request_time`: the mean of an exponential one (s)."""
    rng = np.random.default_rng(seed)
    asked = Zipf(n=keys, alpha=alpha).numbers(np.random.default_rng(seed + 1))
    now, stamp, shown = 0.0, "", -1
    while True:
        gaps, chances = (rng.standard_exponential(_BLOCK) / rate).tolist(), rng.random((_BLOCK, 5)).tolist()
        visits, took = rng.integers(1 << 62, size=_BLOCK).tolist(), rng.standard_exponential(_BLOCK).tolist()
        for gap, (broken, write, lost, session, query), visit, length, number in zip(
            gaps, chances, visits, took, islice(asked, _BLOCK), strict=True
        ):
            now += gap
            if int(now) != shown:
                shown = int(now)
                stamp = (START + timedelta(seconds=shown)).strftime("%d/%b/%Y:%H:%M:%S +0000")
            if broken < malformed:
                yield _MALFORMED
                continue
            path = f"/products/{number}"
            method, status = ("PUT", 204) if write < writes else ("GET", 200)
            if method == "GET" and lost < missing:
                path, status = f"/gone/{visit % 50}", 404
            elif method == "GET":
                parameters = [f"page={visit % 9 + 1}"] * (query < queries) + [f"sid={visit:x}"] * (session < sessions)
                path = "?".join([path, *(["&".join(parameters)] if parameters else [])])
            size = 500 + 7 * (number % 300)
            line = f'192.0.2.{visit % 250} - - [{stamp}] "{method} {path} HTTP/1.1" {status} {size} "-" "curl/8"'
            yield line if request_time is None else f"{line} {request_time * length:.3f}"


def write_log(path: Path, n: int, **settings: float) -> Path:
    """A log of n lines; `settings` are those of `lines`."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(line + "\n" for line in islice(lines(**settings), n))  # type: ignore[arg-type]
    return path


if __name__ == "__main__":
    name, *rest = sys.argv[1:]
    mixed = {"sessions": 0.1, "queries": 0.3, "writes": 0.05, "missing": 0.02, "malformed": 0.0005}
    write_log(Path(name), int(rest[0]) if rest else 100_000, request_time=0.08, **mixed)
