"""The nodes of a run, each with its cache, and their restarts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from cachesim.world.caches import Server
from cachesim.world.faults import Deploy
from cachesim.world.loop import SimLoop
from cachesim.world.recorder import Recorder

__all__ = ["Fleet"]


class Fleet:
    """The servers of all nodes; `start(index)` makes the one of a node, at the beginning and at each restart.

    `troubled`: whether a node ever pauses or restarts.
    """

    def __init__(
        self, start: Callable[[int], Server], nodes: int, loop: SimLoop, recorder: Recorder, deploys: Sequence[Deploy]
    ) -> None:
        self._start, self._loop, self._recorder = start, loop, recorder
        self.servers = list(map(start, range(nodes)))
        self.troubled = bool(deploys) or any(server.awake is not None for server in self.servers)
        self._retired: list[asyncio.Event] = []
        self._closing: list[asyncio.Task[None]] = []
        for deploy in deploys:
            for index in range(nodes):
                loop.call_at(deploy.at + index * deploy.every, self._restart, index)

    def _restart(self, index: int) -> None:
        """A new server takes over; the old one answers what it has begun, and is closed."""
        old, self.servers[index] = self.servers[index], self._start(index)
        old.node.observe.muted = True
        self._recorder.emptied(old.node.observe.place)
        retired = old.retired = asyncio.Event()
        if not old.answering:
            retired.set()
        self._retired.append(retired)
        self._closing.append(self._loop.create_task(self._close(old, retired)))

    async def _close(self, old: Server, retired: asyncio.Event) -> None:
        await retired.wait()
        await old.aclose()

    async def aclose(self) -> None:
        """Close every cache."""
        for retired in self._retired:
            retired.set()
        await asyncio.gather(*self._closing, *(server.aclose() for server in self.servers))
