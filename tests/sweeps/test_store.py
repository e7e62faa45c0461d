"""Findings are kept, whole, under what was run; a file that cannot be used is told in one line."""

import sqlite3
from math import isnan, nan
from pathlib import Path

import pytest

from cachesim.scenario import bundled, load
from cachesim.sweeps.cells import Finding
from cachesim.sweeps.store import Key, Store, StoreError

SCENARIO = load(bundled()["hot-key"])
KEY = Key(SCENARIO.digest, "", 1)
FOUND = Finding({"loads": 3.0, "latency_mean": 0.1 + 0.2, "database_utilization": nan})


def refused(path: Path) -> str:
    with pytest.raises(StoreError) as error:
        Store(path)
    text = str(error.value)
    assert text.startswith(f"{path}: ")
    assert len(text.splitlines()) == 1
    return text


def test_a_finding_comes_back_as_it_was(tmp_path):
    with Store(tmp_path / "runs.db") as store:
        store.put(KEY, SCENARIO, FOUND)
    with Store(tmp_path / "runs.db") as store:
        found = store.get(KEY)
    assert found is not None
    assert found.metrics is not None
    assert found.metrics["loads"] == 3.0
    assert found.metrics["latency_mean"] == 0.1 + 0.2
    assert isnan(found.metrics["database_utilization"])


def test_scenario_cache_and_seed_tell_findings_apart(tmp_path):
    keys = [KEY, KEY._replace(scenario="0" * 64), KEY._replace(cache="mine"), KEY._replace(seed=1 << 70)]
    with Store(tmp_path / "runs.db") as store:
        for number, key in enumerate(keys):
            store.put(key, SCENARIO, Finding({"loads": float(number)}))
        assert [store.get(key) for key in keys] == [Finding({"loads": float(number)}) for number in range(4)]
        assert store.get(KEY._replace(seed=2)) is None


def test_a_later_finding_takes_the_place_of_an_earlier_one(tmp_path):
    with Store(tmp_path / "runs.db") as store:
        store.put(KEY, SCENARIO, Finding(None, "its process was killed"))
        assert store.get(KEY) == Finding(None, "its process was killed")
        store.put(KEY, SCENARIO, Finding({"loads": 1.0}))
        assert store.get(KEY) == Finding({"loads": 1.0})


def test_what_another_version_of_cachesim_found_is_not_mixed_in(tmp_path, monkeypatch):
    with Store(tmp_path / "runs.db") as store:
        store.put(KEY, SCENARIO, FOUND)
    monkeypatch.setattr("cachesim.sweeps.store.version", lambda name: "99.0")
    with Store(tmp_path / "runs.db") as store:
        assert store.get(KEY) is None


@pytest.mark.parametrize("name", [":memory:", "file:runs?mode=memory", "runs 100%.d#b", "läufe", "-"])
def test_a_store_may_have_any_name(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with Store(name) as store:
        store.put(KEY, SCENARIO, Finding({"loads": 1.0}))
    assert (tmp_path / name).stat().st_size > 0
    with Store(name) as store:
        assert store.get(KEY) is not None


def test_a_store_that_does_not_exist_is_no_file_until_it_is_made(tmp_path):
    assert "unable to open database file" in refused(tmp_path / "no" / "such" / "runs.db")


def test_a_folder_is_no_store(tmp_path):
    assert "unable to open database file" in refused(tmp_path)


def test_another_file_is_no_store_and_stays_as_it_is(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("not a database\n" * 100)
    assert "file is not a database" in refused(path)
    assert path.read_text() == "not a database\n" * 100


def test_another_database_is_no_store_and_stays_as_it_is(tmp_path):
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE runs (id)")
    before = path.read_bytes()
    assert "is a database, but no store of sweeps" in refused(path)
    assert path.read_bytes() == before


def test_a_store_of_another_version_is_told(tmp_path):
    path = tmp_path / "runs.db"
    Store(path).__exit__(None, None, None)
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA user_version = 2")
    assert "is a store of version 2; this cachesim reads version 1" in refused(path)


def test_a_full_disk_is_told_and_what_was_kept_stays(tmp_path):
    path = tmp_path / "runs.db"
    with Store(path) as store:
        store.put(KEY, SCENARIO, FOUND)
        store._connection.execute("PRAGMA max_page_count = 8")  # SQLite's own way to make a disk small
        with pytest.raises(StoreError, match=r"runs\.db: cannot be used as a store; database or disk is full"):
            store.put(KEY._replace(seed=2), SCENARIO, Finding(None, "x" * 100_000))
    with Store(path) as store:
        assert store.get(KEY) is not None
        store.put(KEY._replace(seed=5000), SCENARIO, FOUND)


def test_a_store_that_cannot_be_written_is_told_and_can_be_read(tmp_path):
    path = tmp_path / "runs.db"
    with Store(path) as store:
        store.put(KEY, SCENARIO, FOUND)
        store._connection.execute(
            "PRAGMA query_only = ON"
        )  # a file's mode does not stop root, under whom tests may run
        assert store.get(KEY) is not None
        with pytest.raises(StoreError, match=r"cannot be used as a store; attempt to write a readonly database"):
            store.put(KEY._replace(seed=2), SCENARIO, FOUND)
