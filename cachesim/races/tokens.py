"""Schedules on one line: which requests, what the caches draw, where the schedule interferes, and what comes of it.

`0,1,2:7:5a1~3f,12r0~9c:1a2b3c4d`: the requests 0, 1 and 2; the caches' chance has seed 7; at step 5 request 1 arrives
(`a`), at step 12 request 0 goes on (`r`), and nobody interferes elsewhere; the story has this digest. After each `~`
stands a check of all steps until then, so that a replay can tell where it went another way.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import NamedTuple
from zlib import crc32

from cachesim.races.loop import Label
from cachesim.races.story import Story

__all__ = ["Token", "check", "digest"]

_LETTERS = "roatxy"
"""A letter for each kind of step: runs, operation, arrives, time, leaves, chance."""
_SWITCH = re.compile(r"(\d+)([roatxy])(\d*)(?:\.(\d+))?~([0-9a-f]{2})")
_FORM = re.compile(r"(\d+(?:,\d+)*):(\d+):([^:]*):([0-9a-f]{8})")


class Token(NamedTuple):
    """One run: its requests by number, the seed of the caches, the switches by their place, checks, and a digest."""

    cast: tuple[int, ...]
    seed: int
    switches: Mapping[int, Label]
    checks: Mapping[int, str]
    digest: str

    def __str__(self) -> str:
        cast = ",".join(map(str, self.cast))
        switches = ",".join(f"{place}{_named(label)}~{self.checks[place]}" for place, label in self.switches.items())
        return f"{cast}:{self.seed}:{switches}:{self.digest}"

    @classmethod
    def parse(cls, text: str) -> Token:
        """Raises `ValueError` with one line.

        >>> str(Token.parse("0,2:7:5a2~3f,12o0.1~9c:1a2b3c4d"))
        '0,2:7:5a2~3f,12o0.1~9c:1a2b3c4d'
        """
        parts = _FORM.fullmatch(text)
        items = parts[3].split(",") if parts and parts[3] else []
        found = [_SWITCH.fullmatch(item) for item in items]
        cast = tuple(map(int, parts[1].split(","))) if parts else ()
        if parts is None or None in found or len(set(cast)) < len(cast):
            raise ValueError(f"{text!r} is no schedule; it looks like 0,1,2:7:5a1~3f,12r0~9c:1a2b3c4d")
        switches: dict[int, Label] = {}
        checks: dict[int, str] = {}
        for match in filter(None, found):
            place, letter, actor, which, checked = match.groups()
            switches[int(place)] = (_LETTERS.index(letter), int(actor) if actor else -1, int(which or 0))
            checks[int(place)] = checked
        return cls(cast, int(parts[2]), switches, checks, parts[4])


def _named(label: Label) -> str:
    kind, actor, which = label
    return _LETTERS[kind] + (str(actor) if actor >= 0 else "") + (f".{which}" if which else "")


def check(taken: Sequence[Label]) -> str:
    """Two digits that stand for the steps so far."""
    return f"{crc32(repr(list(taken)).encode()) & 0xFF:02x}"


def digest(story: Story) -> str:
    """Eight digits that stand for a story."""
    return sha256(repr(story).encode()).hexdigest()[:8]
