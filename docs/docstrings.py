"""How docstrings appear in the reference: an extension of griffe, which reads them for mkdocstrings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import Any

import griffe

from cachesim.settings import Setting

__all__ = ["Docstrings", "fenced"]

_POSITIONAL = griffe.ParameterKind.positional_or_keyword
_EXAMPLE = re.compile(r"^>>> .*?(?=\n\n|\Z)", re.DOTALL | re.MULTILINE)


def fenced(text: str) -> str:
    r"""A docstring as Markdown: its examples are code.

    >>> fenced("One more.\n\n>>> add(1)\n2\n\nThat is all.")
    'One more.\n\n```pycon\n>>> add(1)\n2\n```\n\nThat is all.'
    """
    return _EXAMPLE.sub(lambda example: f"```pycon\n{example[0]}\n```", text)


class Docstrings(griffe.Extension):
    """Examples are code; settings and named tuples are made of their fields."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = fenced(obj.docstring.value)

    def on_class(self, *, cls: griffe.Class, **_: Any) -> None:
        if any(base.path == "cachesim.settings.Setting" for base in cls.mro()):
            setting = getattr(import_module(cls.module.path), cls.name, None)
            if setting is not None and "__init__" not in cls.members:
                _made_of(cls, _of_setting(cls, setting))
        elif any(str(base) == "NamedTuple" for base in cls.bases):
            fields = [field for field in cls.attributes.values() if field.annotation is not None]
            _made_of(cls, (_parameter(field, default=field.value) for field in fields))


def _of_setting(cls: griffe.Class, setting: type[Setting]) -> Iterator[griffe.Parameter]:
    """What pydantic makes of the fields."""
    written = [parent.members for parent in (cls, *cls.mro())]
    for name, field in setting.model_fields.items():
        attribute: Any = next(members[name] for members in written if name in members)
        kind = _POSITIONAL if field.kw_only is False else griffe.ParameterKind.keyword_only
        yield _parameter(attribute, kind=kind, default=None if field.is_required() else repr(field.default))


def _parameter(
    field: griffe.Attribute, *, default: str | griffe.Expr | None, kind: griffe.ParameterKind = _POSITIONAL
) -> griffe.Parameter:
    return griffe.Parameter(field.name, annotation=field.annotation, kind=kind, default=default)


def _made_of(cls: griffe.Class, fields: Iterable[griffe.Parameter]) -> None:
    parameters = griffe.Parameters(griffe.Parameter("self", kind=_POSITIONAL), *fields)
    cls.set_member("__init__", griffe.Function("__init__", parameters=parameters, returns="None", parent=cls))
