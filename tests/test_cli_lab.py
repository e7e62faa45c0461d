"""`cachesim lab`: which notebooks it opens, where they come from, and how JupyterLab is started."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from cachesim.cli import lab, main

CHECKOUT = Path(__file__).parents[1]


@pytest.fixture
def started(monkeypatch, tmp_path):
    """The commands that would have taken the place of this process; it is in an empty folder."""
    commands: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda _, command: commands.append(command))
    monkeypatch.chdir(tmp_path)
    return commands


@pytest.fixture
def installed(monkeypatch, tmp_path_factory):
    """A package that brings its notebooks, as a wheel does."""
    package = tmp_path_factory.mktemp("site-packages") / "cachesim"
    shutil.copytree(CHECKOUT / "notebooks", package / "notebooks", ignore=shutil.ignore_patterns(".*"))
    monkeypatch.setattr(lab, "_PACKAGE", package)
    return package / "notebooks"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_in_a_checkout_its_own_notebooks_are_opened(started, tmp_path):
    assert main(["lab"]) == 0
    (command,) = started
    assert command[:3] == [sys.executable, "-m", "jupyterlab"]
    assert f"--ServerApp.root_dir={CHECKOUT / 'notebooks'}" in command
    assert "--ServerApp.ip=127.0.0.1" in command
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("options", [["--no-browser", "--port", "9999"], ["--", "--no-browser", "--port", "9999"]])
def test_other_options_go_to_jupyterlab(started, options):
    assert main(["lab", *options]) == 0
    assert started[0][-3:] == ["--no-browser", "--port", "9999"]


def test_notebooks_of_the_package_are_copied_and_never_overwritten(started, installed, tmp_path, capfd):
    assert main(["lab"]) == 0
    copies = tmp_path / "cachesim-notebooks"
    before = contents(installed)
    assert contents(copies) == before
    assert {"00_start_here.ipynb", "pictures/00_start_here.svg"} <= set(before)
    assert f"--ServerApp.root_dir={copies}" in started[0]
    assert (
        capfd.readouterr().err
        == f"cachesim: cachesim-notebooks: {len(before)} file(s) new, the others left as they are\n"
    )

    (copies / "00_start_here.ipynb").write_text("mine")
    (copies / "01_in_process.ipynb").unlink()
    assert main(["lab"]) == 0
    assert contents(copies) == {**before, "00_start_here.ipynb": b"mine"}
    assert "cachesim-notebooks: 1 file(s) new" in capfd.readouterr().err


def test_a_file_in_the_place_of_the_folder_is_told_and_kept(started, installed, tmp_path, capfd):
    (tmp_path / "cachesim-notebooks").write_text("mine")
    assert main(["lab"]) == 2
    assert (tmp_path / "cachesim-notebooks").read_text() == "mine"
    assert capfd.readouterr().err == "cachesim: lab: the folder 'cachesim-notebooks' cannot be made: File exists\n"
    assert started == []


def test_without_the_extra_it_says_what_to_install(started, monkeypatch, capfd):
    monkeypatch.setattr(lab, "find_spec", lambda name: None if name == "jupyterlab" else name)
    assert main(["lab"]) == 2
    line = "cachesim: lab: jupyterlab is not installed; pip install 'cachesim[lab]'\n"
    assert capfd.readouterr() == ("", line)
    assert started == []


@pytest.mark.slow
def test_jupyterlab_serves_the_notebooks(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ("--no-browser", f"--port={port}", "--IdentityProvider.token=secret")
    command = [sys.executable, "-m", "cachesim", "lab", *options]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL) as running:
        try:
            page = _page(f"http://127.0.0.1:{port}/api/contents?token=secret", until=time.monotonic() + 60)
        finally:
            running.terminate()
    assert "00_start_here.ipynb" in page


def _page(address: str, until: float) -> str:
    while True:
        try:
            with urlopen(address, timeout=10) as answer:
                return str(answer.read(), "utf-8")
        except URLError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)
