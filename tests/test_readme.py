"""README's code runs as it stands and prints what it says."""

from __future__ import annotations

import ast
import asyncio
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from fakeredis.aioredis import FakeRedis

TEXT = (Path(__file__).parent.parent / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
TEN_LINES, COMPARISON, SWEEP, OUTAGE, OWN_CACHE, TEST, CURVES, *LIVE = BLOCKS


def printed(block: str, capsys: pytest.CaptureFixture[str], names: dict[str, object]) -> tuple[str, str]:
    """What the block prints, and what it says it does."""
    said = re.search(r"print\(.*?\)  # (.*)", block)
    exec(compile(block, "README.md", "exec"), names)
    assert said is not None
    return capsys.readouterr().out.strip(), said[1]


def test_the_ten_lines_print_what_they_say(capsys: pytest.CaptureFixture[str]) -> None:
    found, said = printed(TEN_LINES, capsys, {})
    assert found == said


def test_the_curves_are_what_they_say(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {}
    exec("import cachesim as cs", names)
    found, said = printed(CURVES, capsys, names)
    assert found == said
    assert names["grid"].hit_ratios.shape == (2, 3)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "block", [COMPARISON, SWEEP, OUTAGE, OWN_CACHE], ids=["comparison", "sweep", "outage", "own cache"]
)
def test_what_builds_on_the_ten_lines_runs(block: str, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {}
    exec(compile(TEN_LINES, "README.md", "exec"), names)
    exec(compile(block, "README.md", "exec"), names)
    if block is COMPARISON:
        assert "Long enough?" in capsys.readouterr().out


def test_the_test_of_ones_own_cache_passes(simulate: Any) -> None:
    names: dict[str, Any] = {}
    for block in (TEN_LINES, OWN_CACHE, TEST):
        exec(compile(block, "README.md", "exec"), names)
    names["test_one_load_however_many_ask"](simulate)


def test_the_live_examples_serve_a_user() -> None:
    """The cache, the application over it, and the metrics, in this order, on a server of their own."""

    async def read_user(user_id: int) -> dict[str, int]:
        return {"id": user_id}

    async def run() -> list[int]:
        names: dict[str, Any] = {"redis": FakeRedis(), "read_user": read_user}
        for block in LIVE:
            code = compile(block, "README.md", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            if (awaited := eval(code, names)) is not None:
                await awaited
        transport = httpx.ASGITransport(app=names["app"])
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            first = await client.get("/users/7")
            again = await client.get("/users/7", headers={"If-None-Match": first.headers["etag"]})
        return [first.status_code, again.status_code]

    assert asyncio.run(run()) == [200, 304]
