"""README's code runs as it stands and prints what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TEXT = (Path(__file__).parent.parent / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)


def test_the_ten_lines_print_what_they_say(capsys: pytest.CaptureFixture[str]) -> None:
    said = re.search(r"print\(.*?\)  # (.*)", BLOCKS[0])
    exec(compile(BLOCKS[0], "README.md", "exec"), {})
    assert said is not None
    assert capsys.readouterr().out.strip() == said[1]


def test_somebody_elses_cache_runs_in_the_storm() -> None:
    names: dict[str, object] = {}
    exec(compile(BLOCKS[0].replace("print(", "("), "README.md", "exec"), names)
    exec(compile(BLOCKS[1], "README.md", "exec"), names)
