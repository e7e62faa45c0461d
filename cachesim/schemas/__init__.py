"""The JSON documents that cachesim writes: each names its schema, and so its version, in its first field.

`"schema": "cachesim.run/1"` is described by the file `run-1.json` beside this one (JSON Schema 2020-12). *Within a
version fields may be added, so readers leave alone what they do not know; a field that goes, or means something else,
makes a new version.* Numbers that do not exist (NaN) are null; seconds and bytes everywhere, ratios in 0..1.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from importlib.metadata import version
from typing import Any

import orjson

__all__ = ["document", "names", "schema"]


def document(kind: str, fields: Mapping[str, Any]) -> bytes:
    """One JSON document of a kind such as "run/1": its schema, the version of cachesim, and the fields.

    >>> document("run/1", {"seed": 2**70}).splitlines()[1]
    b'  "schema": "cachesim.run/1",'
    """
    head = {"schema": f"cachesim.{kind}", "cachesim": version("cachesim")}
    return orjson.dumps(_jsonable({**head, **fields}), option=orjson.OPT_INDENT_2)


def _jsonable(value: Any) -> Any:
    """What orjson takes: it knows neither whole numbers beyond 64 bits nor text that is no Unicode."""
    if isinstance(value, dict):
        return {_jsonable(name): _jsonable(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(item) for item in value]
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, int) and value.bit_length() > 63:
        return orjson.Fragment(str(value))
    return value


def names() -> list[str]:
    """What the field `schema` of a document may say."""
    files = (file.name for file in resources.files(__package__).iterdir() if file.name.endswith(".json"))
    return sorted("cachesim." + name.removesuffix(".json").replace("-", "/") for name in files)


def schema(name: str) -> dict[str, Any]:
    """The JSON Schema of the documents whose field `schema` says `name`.

    Raises `ValueError` for a name that is unknown.

    >>> schema("cachesim.run/1")["properties"]["schema"]["const"]
    'cachesim.run/1'
    """
    if name not in names():
        raise ValueError(f"schema: {name!r} is unknown; known: {', '.join(names())}")
    file = name.removeprefix("cachesim.").replace("/", "-") + ".json"
    table: dict[str, Any] = json.loads(resources.files(__package__).joinpath(file).read_text(encoding="utf-8"))
    return table
