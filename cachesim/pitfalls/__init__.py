"""The patterns as tutorials print them, bugs and all: what the notebooks break."""

from __future__ import annotations

from typing import Any

from cachesim.pitfalls.conditional import Conditional

__all__ = ["PITFALLS", "Conditional"]

PITFALLS: dict[str, type[Any]] = {}
"""Every pitfall that keeps values, by the name of its pattern."""
