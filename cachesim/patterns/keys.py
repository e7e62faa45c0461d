"""Keys made of a template and arguments, so that two different arguments never share a key.

An escaped argument holds ASCII letters, digits and a few signs, so whatever else stands between two of them, a colon
say, shows where one ends and the next begins.
"""

from __future__ import annotations

import inspect
import re
import string
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any
from urllib.parse import quote
from uuid import UUID

__all__ = ["escape", "key_template"]

_LOOKS_LIKE_ANOTHER_TYPE = re.compile(r"[-.\d]|(None|True|False|nan|inf)$")
_MAY_BELONG_TO_AN_ARGUMENT = re.compile(r"[A-Za-z0-9_.~%'()+-]*")


def escape(value: object) -> str:
    """An argument as a part of a key: what could be mistaken for a separator or for another argument is marked.

    Raises `TypeError` for values with no text that tells them apart.

    >>> [escape(value) for value in (7, "7", "a:b", None, "None")]
    ['7', "'7", 'a%3Ab', 'None', "'None"]
    """
    if isinstance(value, str):
        return ("'" if _LOOKS_LIKE_ANOTHER_TYPE.match(value) else "") + quote(value, safe="", errors="surrogatepass")
    if value is None or type(value) in (int, float, bool):
        return repr(value)
    if isinstance(value, UUID | date | Decimal):
        return f"{type(value).__name__}({quote(str(value), safe='')})"
    raise TypeError(f"{value!r} cannot be part of a key; allowed: str, int, float, bool, None, UUID, date, Decimal")


def key_template(template: str, function: Callable[..., Any]) -> Callable[..., str]:
    """What makes the key of a call of `function` from a template such as `"user:{user_id}"`.

    Raises `ValueError` when two different calls would share a key: when the template does not name each parameter (but
    `self` and `cls`), shows a part of one only, or puts no separator between two.

    >>> key = key_template("user:{user_id}:{lang}", lambda user_id, lang="en": None)
    >>> key(7), key("7", lang="d:e")
    ('user:7:en', "user:'7:d%3Ae")
    """
    signature = inspect.signature(function)
    fields = [field for field in string.Formatter().parse(template) if field[1] is not None]
    names = [name for _, name, _, _ in fields if name is not None]
    expected = [name for name in signature.parameters if name not in ("self", "cls")]
    if sorted(names) != sorted(expected):
        given = ", ".join(map("{{{}}}".format, expected)) or "no parameter"
        raise ValueError(f"template {template!r} must name each parameter once, and nothing else: {given}")
    for index, (before, name, form, conversion) in enumerate(fields):
        if form or conversion:
            raise ValueError(f"template {template!r} must give {{{name}}} as it is, without a format")
        if index > 0 and _MAY_BELONG_TO_AN_ARGUMENT.fullmatch(before):
            raise ValueError(f"template {template!r} must separate {{{name}}} from what stands before it, by ':' say")

    def key(*args: Any, **options: Any) -> str:
        call = signature.bind(*args, **options)
        call.apply_defaults()
        return template.format(**{name: escape(call.arguments[name]) for name in names})

    return key
