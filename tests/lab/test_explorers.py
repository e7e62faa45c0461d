"""What holds for every explorer, at the ends of all its controls: it agrees with theory, and says what it ran."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

import cachesim as cs
from cachesim.lab.explorer import Explorer
from tests.lab.every import EXPLORERS, positions, put

every_explorer = pytest.mark.parametrize("name", EXPLORERS)


class Counted:
    """How an explorer runs, and how many requests its moves have simulated at most."""

    def __init__(self, run: Any, moving: int) -> None:
        self._run, self._moving = run, moving
        self.most = 0.0

    def __call__(self, settings: Any, requests: int, report: Any) -> Any:
        outcome = self._run(settings, requests, report)
        if requests == self._moving and isinstance(outcome, dict):
            results = [result for result in outcome.values() if isinstance(result, cs.Result)]
            self.most = max(self.most, sum(result.metrics["requests"] for result in results))
        return outcome


@pytest.fixture(scope="module")
def explorer_of() -> Callable[[str], Explorer[Any, Any]]:
    """Each explorer, made once and as it is at first; what it has shown it keeps."""
    made: dict[str, Explorer[Any, Any]] = {}

    def explorer_of(name: str) -> Explorer[Any, Any]:
        if name not in made:
            made[name] = EXPLORERS[name].explore()
            made[name]._run = Counted(made[name]._run, made[name].moving)
        made[name].reset.value += 1
        return made[name]

    return explorer_of


@every_explorer
def test_shows_every_position_with_words_and_numbers_that_theory_allows(name, explorer_of):
    explorer = explorer_of(name)
    for position in positions(explorer):
        put(explorer, position)
        assert explorer.problem.html == "", position
        assert explorer.finding.html, position
        assert explorer.picture.alt, position
        assert 'data-agrees="false"' not in explorer.numbers.html, (position, explorer.numbers.html)


@every_explorer
def test_nothing_is_cut_off(name, explorer_of):
    """The outermost pixels of the picture are white, and its size is the same, at every position."""
    explorer = explorer_of(name)
    sizes = set()
    for position in positions(explorer):
        put(explorer, position)
        image = Image.open(BytesIO(explorer.picture.png)).convert("L")
        width, height = image.size
        sizes.add(image.size)
        edges = [(0, 0, width, 1), (0, height - 1, width, height), (0, 0, 1, height), (width - 1, 0, width, height)]
        for edge in edges:
            assert image.crop(edge).getextrema() == (255, 255), (position, edge)
    assert len(sizes) == 1


@every_explorer
def test_every_control_changes_what_is_shown(name, explorer_of):
    explorer = explorer_of(name)
    start = {name: control.value for name, control in explorer.controls.items()}
    for control in explorer.controls:
        shown = set()
        for position in positions(explorer):
            if all(position[other] == start[other] for other in start if other != control):
                put(explorer, position)
                shown.add((explorer.picture.png, explorer.numbers.html))
        assert len(shown) > 1, control


@every_explorer
def test_at_rest_the_numbers_agree_with_theory_too(name, explorer_of):
    explorer = explorer_of(name)
    first = next(iter(explorer.controls))
    for position in list(positions(explorer))[:2]:
        put(explorer, position)
        explorer.rest()
        assert 'data-agrees="false"' not in explorer.numbers.html, (first, position, explorer.numbers.html)


@every_explorer
def test_a_move_simulates_at_most_3000_requests(name, explorer_of):
    explorer = explorer_of(name)
    for position in positions(explorer):
        put(explorer, position)
    assert explorer._run.most <= 3000


@every_explorer
def test_the_scenario_file_is_what_ran(name, explorer_of):
    explorer = explorer_of(name)
    for position in list(positions(explorer))[::3]:
        put(explorer, position)
        scenario = next(iter(explorer.settings.scenarios(explorer.resting).values()))
        assert cs.Scenario(**tomllib.loads(explorer.listing.text)) == scenario, position
        assert scenario.title


@every_explorer
def test_has_at_most_four_controls_and_a_seed(name, explorer_of):
    explorer = explorer_of(name)
    assert list(explorer.controls)[-1] == "seed"
    assert len(explorer.controls) <= 5
    assert all(control.label for control in explorer.controls.values())
