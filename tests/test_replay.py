"""The command that repeats a run: values that `--set` reads back, and names that a new process finds."""

from __future__ import annotations

import shlex
import sys
from importlib import import_module, invalidate_caches
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachesim.cli.naming import scenario_named
from cachesim.replay import factory_name, replay
from cachesim.scenario import Scenario, bundled, load

HOT_KEY = load(bundled()["hot-key"])


def read_back(command: str) -> Scenario:
    _, _, name, *options = shlex.split(command)
    values = dict(enumerate(options))
    changes = [values[i + 1] for i in values if values[i] == "--set"]
    return scenario_named(name, changes, int(values[options.index("--seed") + 1]))


@given(
    title=st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(["true", "inf", "nan", "5", "a=b", "-x"]),
    ttl=st.floats(0.001, 1e9) | st.integers(1, 10**9),
    seed=st.integers(min_value=0),
)
def test_set_reads_back_every_value(title: str, ttl: float, seed: int) -> None:
    changes = {"title": title, "cache.ttl": ttl, "seed": seed}
    scenario = HOT_KEY.replace(**changes)
    assert read_back(replay("hot-key", scenario, changes)) == scenario


def test_what_set_cannot_say_stands_in_a_scenario_file(tmp_path: Path) -> None:
    changes = {"keys": {"type": "uniform", "n": 7}, "seed": 5}
    scenario = HOT_KEY.replace(**changes)
    for source, changed in (("hot-key", changes), (None, {})):
        command, _, file = replay(source, scenario, changed, "shop:cache").partition("\n\nwith this scenario.toml:\n\n")
        assert command == "cachesim run scenario.toml --cache shop:cache"
        (tmp_path / "scenario.toml").write_text(file)
        assert load(tmp_path / "scenario.toml") == scenario


CODE = """
class Cache:
    class Inner: pass
    @classmethod
    def made(cls, node): pass

def nested():
    def factory(node): pass
    return factory

def shadowed(node): pass
first = shadowed
def shadowed(node): pass
closure = nested()
instance = Cache()
builtin = int
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Writes `CODE` to a file below `tmp_path` and imports it from a folder there."""
    monkeypatch.setattr(sys, "modules", dict(sys.modules))

    def imported(file: str, name: str, folder: str = ".", imports: str = "") -> Any:
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(imports + CODE)
        monkeypatch.syspath_prepend(tmp_path / folder)
        invalidate_caches()
        return import_module(name)

    return imported


def test_the_top_level_of_a_module_has_names(module: Any, tmp_path: Path) -> None:
    code = module("shop_of_test.py", "shop_of_test")
    known = {name: factory_name(getattr(code, name), [str(tmp_path)]) for name in ("Cache", "nested", "shadowed")}
    assert known == {name: f"shop_of_test:{name}" for name in known}
    assert factory_name(code.Cache.Inner, [str(tmp_path)]) == "shop_of_test:Cache.Inner"
    assert factory_name(code.Cache.made, [str(tmp_path)]) == "shop_of_test:Cache.made"


@pytest.mark.parametrize("name", ["first", "closure", "instance", "builtin"])
def test_what_a_module_does_not_hold_under_its_own_name_has_none(name: str, module: Any, tmp_path: Path) -> None:
    code = module("shop_of_test.py", "shop_of_test")
    assert factory_name(getattr(code, name), [str(tmp_path)]) is None


def test_a_file_that_pytest_imports_under_its_own_name_has_that_of_its_place(module: Any, tmp_path: Path) -> None:
    code = module("checks_of_shop/unit/test_shop_of_test.py", "test_shop_of_test", folder="checks_of_shop/unit")
    assert factory_name(code.Cache, [str(tmp_path)]) == "checks_of_shop.unit.test_shop_of_test:Cache"


def test_a_module_that_a_new_process_does_not_find_has_no_name(module: Any, tmp_path: Path) -> None:
    """Neither by its own name nor, since it may import its neighbours by theirs, by that of its place."""
    code = module("src/shop_of_test/caches.py", "shop_of_test.caches", folder="src")
    assert factory_name(code.Cache, [str(tmp_path)]) is None
    assert factory_name(code.Cache, [str(tmp_path), str(tmp_path / "src")]) == "shop_of_test.caches:Cache"


def test_another_module_of_the_name_takes_it(module: Any, tmp_path: Path) -> None:
    """A folder without `__init__.py` gives way to a package anywhere on the path: `test` is one of Python's own."""
    code = module("test/shop_of_test.py", "shop_of_test", folder="test")
    assert factory_name(code.Cache, [str(tmp_path)]) == "test.shop_of_test:Cache"
    assert factory_name(code.Cache, [str(tmp_path), *sys.path[1:]]) is None
    assert factory_name(code.Cache, [str(tmp_path / "nowhere"), str(tmp_path / "test")]) == "shop_of_test:Cache"


def test_what_a_module_imports_has_to_be_found_too(module: Any, tmp_path: Path) -> None:
    """From file to file; a constant alone tells nothing of where it comes from."""
    module("hidden/hidden_of_test.py", "hidden_of_test", folder="hidden", imports="SECONDS = 5")
    module("between_of_test.py", "between_of_test", imports="from hidden_of_test import SECONDS")
    code = module("shop_of_test.py", "shop_of_test", imports="from between_of_test import SECONDS")
    assert factory_name(code.Cache, [str(tmp_path), *sys.path[3:]]) is None
    assert factory_name(code.Cache, [str(tmp_path), str(tmp_path / "hidden")]) == "shop_of_test:Cache"


def test_what_is_built_in_or_relative_or_missing_anyway_is_no_obstacle(module: Any, tmp_path: Path) -> None:
    imports = """
import sys, os.path
from os import path
from . import near_of_test
from .near_of_test import Cache as Other
try:
    import missing_of_test
except ImportError:
    pass
"""
    module("shop_of_test/near_of_test.py", "shop_of_test.near_of_test", imports="import json")
    code = module("shop_of_test/caches.py", "shop_of_test.caches", imports=imports)
    assert factory_name(code.Cache, [str(tmp_path), *sys.path]) == "shop_of_test.caches:Cache"


def test_what_installed_modules_import_is_their_own_business(module: Any, tmp_path: Path) -> None:
    """Also where they are installed below the folder in which one works."""
    module("hidden/hidden_of_test.py", "hidden_of_test", folder="hidden")
    module(".venv/library_of_test.py", "library_of_test", folder=".venv", imports="import hidden_of_test")
    code = module("shop_of_test.py", "shop_of_test", imports="import library_of_test")
    assert factory_name(code.Cache, [str(tmp_path), str(tmp_path / ".venv")]) == "shop_of_test:Cache"
