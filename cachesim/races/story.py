"""What happened in one schedule, as a sequence diagram tells it: who, and line by line from the top."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

__all__ = ["Arrow", "Line", "Note", "Pause", "Story"]


class Arrow(NamedTuple):
    """Something goes from one participant to another; a `reply` goes back, and `both` is there and back at once."""

    source: str
    target: str
    text: str
    way: Literal["call", "reply", "both"] = "call"


class Note(NamedTuple):
    """Something happens at one participant; `broken`: it is what breaks the promise."""

    where: str
    text: str
    broken: bool = False


class Pause(NamedTuple):
    """Time passes for everybody."""

    text: str


Line = Arrow | Note | Pause


@dataclass(frozen=True)
class Story:
    """The participants from left to right, and what happens among them from the top down."""

    participants: tuple[str, ...]
    lines: tuple[Line, ...]
