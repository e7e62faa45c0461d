"""Commands on their way to Redis, watched: which of them fail, and what each says and is answered."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from cachesim.patterns import scripts
from cachesim.races.history import Event, Executed, Replied
from cachesim.races.loop import ACTOR
from cachesim.world.redis import SimServer
from cachesim.world.redis_database import LedgerDatabase
from cachesim.world.redis_wire import RoundTrip

__all__ = ["answer", "commands_in", "described", "traced_trip", "watched_trip"]

Travel = Callable[..., RoundTrip]

_SCRIPTS = {getattr(scripts, name): name for name in ("LOOK", "STORE", "PUT", "PUT_IF_NEWER", "RENEW", "RELEASE")}
_LEASE = re.compile(r"[xsv!]+(?:[0-9a-f]{16})?(\d+)")
_MAKER = re.compile(r"[xs][0-9a-f]{16}")
_RANDOM = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\b[0-9a-f]{16,}\b")
_LONGEST = 40


def watched_trip(
    failed: set[int], travel: Travel, server: SimServer, execute: Callable[..., Any], *arguments: Any
) -> RoundTrip:
    """A command on its way; if it fails, the actor is noted in `failed`."""
    actor = ACTOR.get()

    def arrived(error: BaseException | None) -> None:
        if error is not None:
            failed.add(actor)

    return _heard(travel(server, execute, *arguments), arrived)


def traced_trip(
    events: list[Event],
    failed: set[int],
    travel: Travel,
    server: SimServer,
    execute: Callable[..., Any],
    *arguments: Any,
) -> RoundTrip:
    """A command on its way; it is noted when it is executed, and when its reply arrives."""
    actor, command = ACTOR.get(), _command(execute, arguments)

    def executed(*arguments: Any) -> Any:
        try:
            reply = execute(*arguments)
        except Exception as error:
            events.append(Executed(actor, command, type(error).__name__))
            raise
        events.append(Executed(actor, command, described(reply)))
        return reply

    def arrived(error: BaseException | None) -> None:
        if error is not None:
            failed.add(actor)
        events.append(Replied(actor, command, "" if error is None else type(error).__name__))

    return _heard(travel(server, executed, *arguments), arrived)


def _heard(trip: RoundTrip, arrived: Callable[[BaseException | None], None]) -> RoundTrip:
    """The same command; `arrived` is told when its reply is taken, once, with the error if it is one."""
    result = trip.result
    heard = False

    def hear() -> Any:
        nonlocal heard
        error: BaseException | None = None
        try:
            return result()
        except BaseException as failure:
            error = failure
            raise
        finally:
            if not heard:
                heard = True
                arrived(error)

    trip.result = hear  # type: ignore[method-assign]
    return trip


# In words


def _command(execute: Callable[..., Any], arguments: Sequence[Any]) -> str:
    """What a command says: its name and what it is about."""
    name = getattr(execute, "__name__", "")
    if name == LedgerDatabase.text.__name__:
        return f"GET {_text(arguments[0])}"
    if name == "_set_now":
        return f"SET {_text(arguments[0])} {described(arguments[1])}"
    if name == "_process":
        return _in_words(arguments[0])
    database_and_clock = 2
    return _script(_twin_name(execute), arguments[database_and_clock:])


def _twin_name(twin: Any) -> str:
    twin = getattr(twin, "args", (twin,))[0] if hasattr(twin, "func") else twin
    return str(getattr(twin, "__name__", "EVAL")).strip("_").upper()


def _script(name: str, keys_and_arguments: Sequence[Any]) -> str:
    parts = [described(part) for part in keys_and_arguments if _tells(part)]
    return " ".join([name, *parts])


def commands_in(data: Any) -> Iterator[str]:
    r"""The commands in the bytes that a client sends, in words.

    >>> list(commands_in(b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n"))
    ['GET a']
    """
    if not isinstance(data, bytes):
        return
    rest = data
    while rest.startswith(b"*"):
        head, _, rest = rest.partition(b"\r\n")
        fields = []
        for _ in range(int(head[1:])):
            length, _, rest = rest.partition(b"\r\n")
            size = int(length[1:])
            fields.append(rest[:size])
            rest = rest[size + 2 :]
        yield _in_words(fields)


def answer(content: Any) -> str:
    """What a server sends: a reply, or a message to those who listen.

    >>> answer([b"message", b"news", b"item"]), answer(b"OK")
    ('message: item', 'OK')
    """
    if isinstance(content, list) and content and content[0] in (b"message", b"pmessage"):
        return f"message: {described(content[-1])}"
    return described(content)


def _in_words(fields: Sequence[bytes]) -> str:
    """A command as it is sent, each field of it described."""
    name = fields[0].decode(errors="replace").upper()
    if name == "EVAL" and len(fields) > 2:
        script = fields[1].decode(errors="replace")
        return _script(_SCRIPTS.get(script, "EVAL"), fields[3:])
    return " ".join([name, *map(described, fields[1:])])


def _tells(part: Any) -> bool:
    """Whether an argument of a script is worth telling: a key, a lease or a value; no number, no maker of leases."""
    text = _text(part)
    return bool(text) and not (
        text.isdecimal() or text.startswith(scripts.LEASES.decode()) or _MAKER.fullmatch(text) is not None
    )


def described(part: Any) -> str:
    """A reply or an argument in a few words.

    >>> described(None), described(b'{"key":"a","load":3,"version":1}'), described(b"s0123456789abcdef12")
    ('nothing', 'version 1', 'lease 12')
    """
    if part is None:
        return "nothing"
    if isinstance(part, list | tuple):
        return ", ".join(map(described, part)) or "nothing"
    text = _text(part)
    if (lease := _LEASE.fullmatch(text)) is not None:
        return f"{'failed ' if text.startswith('!') else ''}lease {lease[1]}"
    text = _RANDOM.sub("(random)", text)  # another one in each run
    if (version := re.search(r'"version":\s*(\d+)', text)) is not None:
        return f"version {version[1]}"
    if (write := re.search(r'"write":\s*(\d+)', text)) is not None:
        return f"write {write[1]}"
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _text(part: Any) -> str:
    if not isinstance(part, bytes):
        return str(part)
    try:
        return part.decode()
    except UnicodeDecodeError:
        return f"({len(part)} bytes)"
