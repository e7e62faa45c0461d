"""A JupyterLab of one's own in a page of a real browser, and a notebook open in it."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.error import URLError
from urllib.request import urlopen

import nbformat
from nbformat import v4
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, expect

ROOT = hasattr(os, "geteuid") and os.geteuid() == 0

CHROMIUM_ARGUMENTS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",  # /dev/shm is small in containers
    "--disable-gpu",
    "--disable-sync",
    "--no-first-run",
    *(["--no-sandbox"] if ROOT else []),
]

_SETTINGS: dict[str, dict[str, Any]] = {
    "@jupyterlab/apputils-extension/notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
    },
    "@jupyterlab/docmanager-extension/plugin": {"autosave": False},
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"},  # every cell is on the page
    "@jupyter-widgets/jupyterlab-manager/plugin": {"saveState": True},
}

_HARMLESS: tuple[str, ...] = ()
"""How console errors begin that JupyterLab itself makes, with nothing of ours on the page: none at present."""


def chromium() -> str | None:
    """The path of a Chromium: $CHROMIUM, or what is installed."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


@dataclass(frozen=True)
class Server:
    """Where a JupyterLab listens, the token it asks for, and the folder that it serves."""

    port: int
    token: str
    folder: Path

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/{path}?token={self.token}"


@contextmanager
def jupyterlab(notebooks: Path, state: Path) -> Iterator[Server]:
    """A JupyterLab on a free port of this machine, which serves `notebooks` and keeps all else in `state`."""
    server = Server(_free_port(), secrets.token_hex(16), notebooks)
    for plugin, values in _SETTINGS.items():
        file = state / "settings" / f"{plugin}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values))
    places = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "IPYTHONDIR": "ipython",
    }
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={server.port}"),
        *(
            "--ServerApp.port_retries=0",
            f"--ServerApp.root_dir={notebooks}",
            f"--IdentityProvider.token={server.token}",
        ),
        "--LabApp.expose_app_in_browser=True",  # window.jupyterapp: commands instead of clicks into menus
        *(["--allow-root"] if ROOT else []),
    ]
    with (state / "server.log").open("wb") as log:
        environment = os.environ | {name: str(state / place) for name, place in places.items()}
        process = subprocess.Popen(command, env=environment, cwd=notebooks, stdout=log, stderr=subprocess.STDOUT)
        try:
            _await_answer(process, server, Path(log.name))
            yield server
        finally:
            process.terminate()  # which stops the kernels too
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await_answer(process: subprocess.Popen[bytes], server: Server, log: Path, timeout: float = 60) -> None:
    deadline = time.monotonic() + timeout
    while True:
        try:
            urlopen(server.url("api/status"), timeout=5).close()
        except (URLError, OSError):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()[-3000:]}") from None
            time.sleep(0.1)
        else:
            return


class Lab:
    """JupyterLab in a page: one for many notebooks, for it takes longer to load than any of them."""

    def __init__(self, browser: Browser, server: Server) -> None:
        self.page, self.server = browser.new_page(), server
        self.page.set_default_timeout(15_000)
        self.complaints: list[str] = []
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        # A text stays open, so that the address is always that of a document: relative to it, a browser asks for the
        # pictures in a notebook's texts before JupyterLab has told it where they are.
        (server.folder / "empty.txt").touch()
        self.page.goto(server.url("lab/tree/empty.txt"))
        self.page.locator(".jp-FileEditor").wait_for(timeout=60_000)
        self.tell("app => app.restored")

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith(_HARMLESS):
            self.complaints.append(f"{message.text} ({message.location.get('url', '')})")

    def tell(self, function: str, argument: str | None = None, timeout: float = 60) -> None:
        """Call a JavaScript function with the app and wait for its promise, which Playwright alone does for ever."""
        self.page.evaluate(
            """([source, argument, timeout]) => Promise.race([
                eval(source)(window.jupyterapp, argument),
                new Promise((_, fail) => setTimeout(() => fail(new Error("timed out: " + source)), 1000 * timeout)),
            ]).then(() => null)""",
            [function, argument, timeout],
        )

    def write(self, name: str, *cells: str) -> None:
        """Put a notebook of such cells beside the others."""
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}  # else JupyterLab asks for one
        notebook = v4.new_notebook(cells=[v4.new_code_cell(cell) for cell in cells], metadata=kernel)
        nbformat.write(notebook, self.server.folder / name)

    @contextmanager
    def open(self, name: str, motion: Literal["reduce", "no-preference"] = "reduce") -> Iterator[Notebook]:
        """A notebook with a kernel of its own, for a reader who wants motion or not."""
        self.complaints.clear()
        self.page.set_viewport_size({"width": 1280, "height": 1000})
        self.page.emulate_media(reduced_motion=motion)
        # The page says "idle" before there is a kernel, and running a cell would then wait for ever: ask the session.
        self.tell(
            "async (app, path) => { const { context } = await app.commands.execute('docmanager:open', { path });"
            " const { ready, sessionContext } = context; await ready;"
            " await sessionContext.ready; await sessionContext.session.kernel.info; }",
            name,
        )
        notebook = Notebook(self, name)
        try:
            yield notebook
        finally:
            notebook.close()


class Notebook:
    """The notebook that is open, and what its page complained about."""

    def __init__(self, lab: Lab, name: str) -> None:
        self.lab, self.page, self.complaints, self.name = lab, lab.page, lab.complaints, name
        self.panel = lab.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")

    def run_all(self) -> None:
        """Run every cell and wait until the last has finished."""
        self.lab.tell("app => app.commands.execute('notebook:run-all-cells')", timeout=180)

    def save(self) -> nbformat.NotebookNode:
        """The notebook as JupyterLab saves it, with outputs and the state of the widgets."""
        self.lab.tell("app => app.shell.currentWidget.context.save()")
        return nbformat.read(self.lab.server.folder / self.name, as_version=4)  # type: ignore[no-any-return]

    def close(self) -> None:
        """Stop the kernel and close the notebook, without a question about what is not saved."""
        self.lab.tell(
            "async app => { const notebook = app.shell.currentWidget;"
            " await notebook.sessionContext.shutdown(); notebook.dispose(); }"
        )

    def theme(self, name: str) -> None:
        self.lab.tell(f"app => app.commands.execute('apputils:change-theme', {{theme: 'JupyterLab {name}'}})")
        # JupyterLab fails where another change follows while its splash screen is up.
        expect(self.page.locator("#jupyterlab-splash")).to_have_count(0)

    def errors(self) -> list[str]:
        """Tracebacks of cells and of Output widgets."""
        texts = self.panel.locator('[data-mime-type="application/vnd.jupyter.stderr"]').all_inner_texts()
        return [text for text in texts if "Traceback" in text]


_PIXELS = """async image => {
    for (;;) {
        try {
            await image.decode();
            const bytes = await (await fetch(image.src)).arrayBuffer();
            return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toString();
        } catch (error) {} // another picture has taken its place meanwhile
    }
}"""

_SEEN = f"""async box => await ({_PIXELS})(box.querySelector("img")) + box.querySelector("table").innerHTML"""


class ExplorerPage:
    """An explorer as a reader finds it: by roles and names. `index`: which of a page that has several."""

    def __init__(self, page: Page, panel: Locator | Page, index: int = 0) -> None:
        self.page = page
        self.box = explorers(page, panel).nth(index)
        self.picture = self.box.get_by_role("img")
        self.finding = self.box.get_by_role("status")
        self.problem = self.box.get_by_role("alert")
        self.reset = self.box.get_by_role("button", name="Reset")
        self.scenario = self.box.get_by_text("These settings as a scenario file")

    def slider(self, name: str) -> Locator:
        return self.box.get_by_role("slider", name=name, exact=True)

    def switch(self, name: str) -> Locator:
        return self.box.get_by_role("checkbox", name=name, exact=True)

    def number(self, name: str) -> str:
        """What was simulated, by its name in the table."""
        row = self.box.get_by_role("row").filter(has=self.page.get_by_role("rowheader", name=name, exact=True))
        return row.get_by_role("cell").first.inner_text()

    def pixels(self) -> str:
        """A digest of the picture on the page."""
        return str(self.picture.evaluate(f"image => ({_PIXELS})(image)"))

    def seen(self) -> str:
        """Picture and numbers."""
        return str(self.box.evaluate(_SEEN))

    def await_that(self, condition: str, seen: str) -> None:
        """Wait until the condition holds of what is `now` seen and what was."""
        self.page.wait_for_function(
            f"async ([box, seen]) => {{ const now = await ({_SEEN})(box); return {condition}; }}",
            arg=[self.box.element_handle(), seen],
        )

    def settle(self) -> None:
        """Wait until the longer run, which follows the last move, is shown."""
        expect(self.finding).to_have_attribute("aria-busy", "false", timeout=20_000)

    def drag(self, slider: Locator, to: float) -> None:
        """Move a slider with the mouse to a share of its width."""
        slider.scroll_into_view_if_needed()
        box = slider.bounding_box()
        assert box
        at, low, high = (float(slider.evaluate(f"input => input.{name}")) for name in ("value", "min", "max"))
        thumb, height = 16, box["y"] + box["height"] / 2
        self.page.mouse.move(box["x"] + thumb / 2 + (at - low) / (high - low) * (box["width"] - thumb), height)
        self.page.mouse.down()
        self.page.mouse.move(box["x"] + to * box["width"], height, steps=8)
        self.page.mouse.up()


def explorers(page: Page, panel: Locator | Page) -> Locator:
    """Every explorer on a page: what has a button that resets it."""
    return panel.locator(".widget-vbox").filter(has=page.get_by_role("button", name="Reset"))
