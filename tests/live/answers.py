"""What fakeredis, the simulated Redis and a real server answer to the same commands, as text that can be compared."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import redis.asyncio
from fakeredis import FakeServer
from fakeredis.aioredis import FakeRedis

from tests.live.server import Server
from tests.world.test_redis import World, attempt, text

Client = Any
Command = tuple[Any, ...]
"""The words of a command; or `PIPELINE`, whether it is a transaction, and a list of commands."""
Answer = tuple[Command, str]
Program = Callable[[Client, Client], Awaitable[Any]]

# A program on each of the three


def on_fakeredis(program: Program, **options: Any) -> Any:
    async def main() -> Any:
        server = FakeServer(version=(7, 4))
        async with FakeRedis(server=server, **options) as client, FakeRedis(server=server, **options) as other:
            return await program(client, other)

    return asyncio.run(main())


def on_the_simulated_redis(program: Program, **options: Any) -> Any:
    return World().run(program, clients=2, **options)


def on_the_server(server: Server, program: Program, **options: Any) -> Any:
    async def main() -> Any:
        connect = redis.asyncio.Redis.from_url
        async with connect(server.url, **options) as client, connect(server.url, **options) as other:
            await client.flushall()
            await client.script_flush()
            return await program(client, other)

    return asyncio.run(main())


# Commands, and what they are answered


def parsing(command: Command) -> dict[str, bool]:
    """What the stock client must be told to read the reply."""
    return {"get": True} if command[0] == "SET" and "GET" in command[3:] else {}


async def call(client: Client, command: Command) -> Any:
    """The reply, by the methods that the simulated Redis has a short road for, where they will do."""
    match command:
        case "GET", str(key):
            return await client.get(key)
        case "SET", str(key), value:
            return await client.set(key, value)
        case "SET", str(key), value, "PX", int(milliseconds):
            return await client.set(key, value, px=milliseconds)
    return await client.execute_command(*command, **parsing(command))


def timeless(reply: Any) -> Any:
    """The reply with its times, which are the whole numbers from 10,000 on, to the nearest 10,000 ms."""
    if isinstance(reply, list):
        return [timeless(part) for part in reply]
    return round(reply, -4) if type(reply) is int and reply >= 10_000 else reply


def told(reply: Any) -> str:
    """The reply as text; an error without its place in a pipeline, digests and Lua's own trace."""
    if not isinstance(reply, Exception):
        return text(timeless(reply))
    said = re.sub(
        r"Command # \d+ \(.*\) of pipeline caused error: \(([\"'])(.*)\1,\)", r"\2", text(reply), flags=re.DOTALL
    )
    return re.sub(r"[0-9a-f]{40}", "SHA", said).partition("\nstack traceback")[0]


def answers_to(steps: Sequence[Command]) -> Program:
    """A program that does these steps and tells what each command was answered."""

    async def program(client: Client, other: Client) -> list[Answer]:
        start = int(time.time() * 1000)
        answers: list[Answer] = []

        def note(command: Command, reply: Any) -> None:
            if command[0] == "PEXPIRETIME" and type(reply) is int and reply > 0:
                reply -= start
            answers.append((command, told(reply)))

        async with other.pubsub() as pubsub:

            async def heard(messages: int) -> list[Any]:
                return [await pubsub.get_message(timeout=1) for _ in range(messages)]

            for step in steps:
                match step:
                    case "PIPELINE", transaction, commands:
                        async with client.pipeline(transaction=transaction) as pipeline:
                            for command in commands:
                                pipeline.execute_command(*command, **parsing(command))
                            replies = await attempt(pipeline.execute(raise_on_error=False))
                        if isinstance(replies, list):
                            for command, reply in zip(commands, replies, strict=True):
                                note(command, reply)
                        else:
                            note(step, replies)
                    case ("SUBSCRIBE" | "PSUBSCRIBE" | "UNSUBSCRIBE") as name, channel:
                        await getattr(pubsub, name.lower())(channel)
                        note(step, await heard(1))
                    case _:
                        note(step, reply := await attempt(call(client, step)))
                        if step[0] == "PUBLISH" and type(reply) is int:
                            note(step, await heard(reply))
        return answers

    return program
