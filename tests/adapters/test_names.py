"""What is said of adapters without making one: their names, their versions, and what is missing."""

import pickle
import subprocess
import sys
from importlib import import_module
from importlib.metadata import version
from typing import Any

import pytest

import cachesim as cs
from cachesim.adapters import (
    CACHES,
    MissingLibraryError,
    UnknownLibraryError,
    asgi,
    library_cache,
    names,
    versions,
)


def _app(node: cs.Node) -> Any:
    raise NotImplementedError


MODULES = {library.distribution: library.module for library in CACHES.values()}


@pytest.mark.parametrize("distribution", MODULES)
def test_the_names_are_the_variants_of_the_modules(distribution):
    variants = [library.variant for library in CACHES.values() if library.distribution == distribution]
    assert list(import_module(MODULES[distribution]).VARIANTS) == variants


def test_versions_are_those_of_the_libraries_each_once():
    found = versions(["cashews:lock", "aiocache:cached", "cashews:redis"])
    assert found == {"cashews": version("cashews"), "aiocache": version("aiocache")}
    assert list(versions(names())) == list(MODULES)


@pytest.mark.parametrize("ask", [lambda name: library_cache(name, ttl=1), lambda name: versions([name])])
def test_an_unknown_name_is_answered_with_those_that_there_are(ask):
    with pytest.raises(UnknownLibraryError) as told:
        ask("cashews:locks")
    assert str(told.value) == f"no adapter is called 'cashews:locks'; there are {', '.join(names())}"


@pytest.mark.parametrize("name", ["cashews:lock", "async-lru:ttl", "hishel:redis"])
def test_a_library_that_is_not_installed_is_named_in_one_line(name, monkeypatch):
    library = CACHES[name]
    monkeypatch.delitem(sys.modules, library.module, raising=False)
    monkeypatch.setitem(sys.modules, library.distribution.replace("-", "_"), None)
    with pytest.raises(MissingLibraryError) as told:
        library_cache(name, ttl=1)
    assert str(told.value) == f"{name} needs {library.distribution}; pip install 'cachesim[libraries]'"


def test_factories_can_be_sent_to_other_processes():
    made = library_cache("cashews:lock", ttl=3)
    assert pickle.loads(pickle.dumps(made)) == made
    assert pickle.loads(pickle.dumps(asgi(_app, path="/rows/{key}"))).args == (_app, "/rows/{key}", None)


def test_adapters_import_no_library_before_one_is_asked_for():
    libraries = {module.rpartition(".")[2] for module in MODULES.values()} - {"cachetools"}  # our policies use it
    code = f"import sys, cachesim.adapters; sys.exit(str(sorted({libraries} & set(sys.modules)) or ''))"
    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True).stderr == "\n"
