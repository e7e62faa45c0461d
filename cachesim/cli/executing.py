"""Where a command has its pieces of work done: on processes of this machine, or on a Dask cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cachesim.console import BAD_INPUT, Stop, tell

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["executor_at", "executor_options"]

F = TypeVar("F", bound=Callable[..., Any])

_PATIENCE = 10
"""Seconds in which a scheduler is to answer."""


def _alone(context: click.Context, option: click.Parameter, value: Any) -> Any:
    if value is not None and {"workers", "scheduler"} & {name for name, given in context.params.items() if given}:
        raise Stop(BAD_INPUT, "--workers: is not allowed with --scheduler, whose cluster has workers of its own")
    return value


_OPTIONS = (
    click.option(
        "--workers",
        metavar="N",
        type=click.IntRange(min=1),
        callback=_alone,
        help="Processes of this machine.  [default: one a processor]",
    ),
    click.option("--scheduler", metavar="ADDRESS", callback=_alone, help="Of a Dask cluster that does it instead."),
)


def executor_options(command: F) -> F:
    """Adds the options `workers` and `scheduler`, of which one may be given."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@contextmanager
def executor_at(scheduler: str | None) -> Iterator[Client | None]:
    """A client of the Dask scheduler at this address, closed in the end; None for none: processes of this machine."""
    if scheduler is None:
        yield None
        return
    with _client(scheduler) as client:
        if not client.scheduler_info()["workers"]:
            tell(f"--scheduler: {scheduler!r} has no workers yet; waiting for them")
        yield client


def _client(scheduler: str) -> Client:
    try:
        distributed: Any = import_module("distributed")
    except ImportError:
        raise Stop(BAD_INPUT, "--scheduler needs distributed: pip install 'cachesim[distributed]'") from None
    try:
        asyncio.run(_answers(scheduler, distributed))
        client: Client = distributed.Client(scheduler, timeout=_PATIENCE, set_as_default=False)
        return client
    except TimeoutError:
        reason = f"no Dask scheduler answers there within {_PATIENCE} s"
    except Exception as error:  # of many types
        reason = str(error)
    raise Stop(BAD_INPUT, f"--scheduler: {scheduler!r} cannot be used: {reason}")


async def _answers(scheduler: str, distributed: Any) -> None:
    """Raises whatever is wrong with an address. A client that cannot connect would go on about it at exit."""
    security = distributed.Security().get_connection_args("client")
    async with asyncio.timeout(_PATIENCE):
        comm = await distributed.comm.connect(scheduler, timeout=2 * _PATIENCE, **security)
    await comm.close()
