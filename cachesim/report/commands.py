"""The command that replays a run."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Command"]


@dataclass(frozen=True)
class Command:
    """`cachesim run` of a scenario, a file or the name of a bundled one, with some options.

    >>> Command("hot-key", ("--set", "title=a b")).replay(7)
    "cachesim run hot-key --set 'title=a b' --seed 7"
    """

    scenario: str = "scenario.toml"
    options: Sequence[str] = ()

    def replay(self, seed: int, replications: int = 1) -> str:
        """The line for a POSIX shell that replays a run, or so many replications."""
        several = ("--replications", str(replications)) if replications > 1 else ()
        return shlex.join(["cachesim", "run", self.scenario, *self.options, "--seed", str(seed), *several])
