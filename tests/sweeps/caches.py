"""Caches that go wrong in each of the ways that a sweep must survive; those that take their process with them do so
only where there are two nodes."""

import asyncio
import os
import signal
import sys
from typing import Any

from cachesim import Node


def plain(node: Node) -> Any:
    async def get(key: str) -> Any:
        return await node.database.read(key)

    return get


def cannot_be_made(node: Node) -> Any:
    raise LookupError("no such cache")


def raises(node: Node) -> Any:
    async def get(key: str) -> Any:
        raise LookupError(f"no {key}")

    return get


def raises_in_a_task(node: Node) -> Any:
    async def fail() -> None:
        raise LookupError("nobody waits for me")

    async def get(key: str) -> Any:
        node.task = asyncio.create_task(fail())  # type: ignore[attr-defined]
        return await node.database.read(key)

    return get


def waits_for_ever(node: Node) -> Any:
    async def get(key: str) -> Any:
        await asyncio.Event().wait()

    return get


def spins(node: Node) -> Any:
    """Time passes, but hardly."""

    async def get(key: str) -> Any:
        while True:
            await asyncio.sleep(1e-9)

    return get


def never_returns(node: Node) -> Any:
    async def get(key: str) -> Any:
        while True:
            pass

    return get if node.index else plain(node)


def crashes(node: Node) -> Any:
    if node.index:
        os.kill(os.getpid(), signal.SIGKILL)
    return plain(node)


def exits(node: Node) -> Any:
    if node.index:
        os._exit(7)
    return plain(node)


def leaves(node: Node) -> Any:
    raise SystemExit(3)


def prints(node: Node) -> Any:
    sys.stdout.write("on standard output\n")
    return plain(node)
