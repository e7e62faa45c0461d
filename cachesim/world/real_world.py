"""What an event loop offers of the real world, and a simulated one refuses with a word on what to use instead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from cachesim.world.clock import SimulationError

if TYPE_CHECKING:  # the signatures of asyncio's own class carry type variables that say nothing here
    AbstractEventLoop = Any
else:
    from asyncio import AbstractEventLoop

__all__ = ["NoRealWorld"]

_PEERS = "use `node.redis` and `node.database`, or a stand-in for the peer"
_DIRECTLY = "call the function directly, or stand for its time with `await asyncio.sleep(...)`"


def _refuse(what: str, instead: str) -> Any:
    def refuse(self: NoRealWorld, *args: object, **options: object) -> NoReturn:
        raise SimulationError(f"a simulation has no real {what}; {instead}")

    return refuse


class NoRealWorld(AbstractEventLoop):  # type: ignore[misc]  # it is Any to the type checker, see above
    """An event loop without sockets, pipes, threads, subprocesses and signals: each raises `SimulationError`."""

    getaddrinfo = getnameinfo = create_connection = create_server = _refuse("sockets", _PEERS)
    create_unix_connection = create_unix_server = create_datagram_endpoint = _refuse("sockets", _PEERS)
    connect_accepted_socket = start_tls = sendfile = _refuse("sockets", _PEERS)
    connect_read_pipe = connect_write_pipe = _refuse("pipes", _PEERS)
    add_reader = remove_reader = add_writer = remove_writer = _refuse("sockets", _PEERS)
    sock_recv = sock_recv_into = sock_recvfrom = sock_recvfrom_into = _refuse("sockets", _PEERS)
    sock_sendall = sock_sendto = sock_sendfile = sock_connect = sock_accept = _refuse("sockets", _PEERS)
    run_in_executor = set_default_executor = _refuse("threads", _DIRECTLY)
    subprocess_exec = subprocess_shell = _refuse("subprocesses", _DIRECTLY)
    add_signal_handler = remove_signal_handler = _refuse("signals", _DIRECTLY)
