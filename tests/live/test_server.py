"""The real server under the tests: found, started, empty for each test, and always ended."""

import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import redis

from tests.live.server import MISSING, executable, running

ROOT = Path(__file__).parents[2]


def is_listening(url: str) -> bool:
    port = int(url.rsplit(":", 1)[1].split("/")[0])
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("turn", ["first", "second"])
def test_each_test_meets_an_empty_server(redis_url, turn):
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
        assert client.script_exists("e0e1f9fabfc9d4800c877a703b823ac0578ff8db") == [False]  # `return 1`
        client.set("key", "value")
        client.script_load("return 1")


def test_nothing_is_written_to_disk(redis_url):
    with redis.Redis.from_url(redis_url) as client:
        assert client.config_get("save") == {"save": ""}
        assert client.config_get("appendonly") == {"appendonly": "no"}


def test_the_server_ends_when_its_test_fails(redis_server):
    path = executable()
    assert path is not None
    with suppress(ZeroDivisionError), running(path) as server:
        assert is_listening(server.url)
        assert server.url != redis_server.url
        raise ZeroDivisionError
    assert not is_listening(server.url)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_the_server_ends_when_the_tests_are_interrupted_or_killed(redis_server, number):
    program = """
import time
from tests.live.server import executable, running
with running(executable()) as server:
    print(server.url, flush=True)
    time.sleep(60)
"""
    command = [sys.executable, "-c", program]
    pipe, null = subprocess.PIPE, subprocess.DEVNULL
    with subprocess.Popen(command, cwd=ROOT, stdout=pipe, stderr=null, text=True, bufsize=1) as tests:
        assert tests.stdout is not None
        url = tests.stdout.readline().strip()
        with redis.Redis.from_url(url) as client:
            client.ping()
            tests.send_signal(number)
            with pytest.raises(redis.ConnectionError):
                client.blpop("nothing")  # until the server goes


def test_a_server_that_does_not_start_says_why(redis_server, tmp_path):
    broken = tmp_path / "broken-server"
    broken.write_text("#!/bin/sh\necho no memory today\n")
    broken.chmod(0o755)
    with pytest.raises(RuntimeError, match=r"broken-server did not start:\nno memory today"), running(broken):
        pass


@pytest.mark.parametrize(("required", "outcome"), [("", "1 skipped"), ("1", "1 error")], ids=["anywhere", "in CI"])
def test_without_a_server_tests_skip_and_say_so_and_fail_in_ci(tmp_path, required, outcome):
    program = f"""
import pytest
from tests.live import server
server.find_spec = lambda name: None
pytest.main(["-q", "-rsE", "-p", "no:cacheprovider", "{Path(__file__)}::test_nothing_is_written_to_disk"])
"""
    environment = {"PATH": str(tmp_path), "CACHESIM_REQUIRE_REDIS": required}
    command = [sys.executable, "-c", program]
    said = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout
    assert outcome in said
    assert MISSING in said
