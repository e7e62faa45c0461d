"""What a setting accepts, and errors that name the field, the value and what is allowed.

A *setting* is a frozen, validated value: numbers are finite and of their own type (a bool or a text is no number), and
unknown fields are refused. A *family* is a base class of settings that a table tells apart by `type`, the class name in
kebab case: `{type = "poisson", rate = 100}` is `Poisson(rate=100)`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

__all__ = [
    "Count",
    "Family",
    "InvalidSetting",
    "NonNegative",
    "Positive",
    "Problem",
    "ScenarioError",
    "Seconds",
    "Setting",
    "Share",
    "kebab_case",
    "problems_of",
    "shown",
]

NonNegative = Annotated[float, Field(ge=0)]
"""A number of 0 or more."""
Seconds = NonNegative
"""A time of 0 s or more."""
Positive = Annotated[float, Field(gt=0)]
"""A number above 0."""
Share = Annotated[float, Field(ge=0, le=1)]
"""A number from 0 to 1."""
Count = Annotated[int, Field(ge=1)]
"""A whole number of 1 or more."""


def shown(value: object) -> str:
    """A value as error messages show it: its repr, cut to 80 characters."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


class Problem(NamedTuple):
    """One thing that is wrong with a setting: where (dotted; empty for the whole) and what."""

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


class InvalidSetting(ValueError):
    """A setting was refused; `problems` says which fields and why, and the text is one line."""

    def __init__(self, *problems: Problem, source: str = "") -> None:
        text = (f"{source}: " if source else "") + "; ".join(map(str, problems))
        super().__init__(" ".join(text.splitlines()))
        self.problems = problems


class ScenarioError(InvalidSetting):
    """A scenario was refused: one line with the field, the value and what is allowed."""


class Setting(BaseModel):
    """A frozen, validated value. Fields are keyword-only, but for those declared with `Field(kw_only=False)`."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
    error: ClassVar[Callable[..., InvalidSetting]] = ScenarioError

    def __init__(self, /, *positional: Any, **fields: Any) -> None:
        names = [name for name, field in type(self).model_fields.items() if field.kw_only is False]
        if len(positional) > len(names):
            raise TypeError(f"{type(self).__name__} takes {len(names)} positional argument(s), got {len(positional)}")
        try:
            super().__init__(**dict(zip(names, positional, strict=False)), **fields)
        except ValidationError as error:
            raise self.error(*problems_of(error, type(self))) from None

    def __repr_args__(self) -> Any:
        """Only what differs from the defaults."""
        return [(name, getattr(self, name)) for name in self.chosen()]

    __str__ = BaseModel.__repr__

    def chosen(self) -> list[str]:
        """The fields that differ from their defaults, in the order of their definition."""
        fields = type(self).model_fields
        return [name for name, field in fields.items() if getattr(self, name) != field.get_default()]

    def table(self) -> dict[str, Any]:
        """This setting as a TOML table, without what is left at its default."""
        return {name: _plain(getattr(self, name)) for name in self.chosen()}


class Family(Setting):
    """The base of settings that stand for one another; only its subclasses can be made."""

    @model_validator(mode="wrap")
    @classmethod
    def _member(cls, value: Any, handler: Callable[[Any], Any]) -> Any:
        if Family not in cls.__bases__ or isinstance(value, cls):
            return handler(value)
        members = {kebab_case(member.__name__): member for member in _leaves(cls)}
        known = ", ".join(members)
        if not isinstance(value, Mapping):
            raise cls.error(Problem("", f"{shown(value)} is not allowed; a table with type = one of {known}"))
        kind = value.get("type")
        if not isinstance(kind, str) or kind not in members:
            given = f"{shown(value['type'])} is unknown" if "type" in value else "missing"
            raise cls.error(Problem("type", f"{given}; known: {known}"))
        return members[kind](**{name: field for name, field in value.items() if name != "type"})

    def table(self) -> dict[str, Any]:
        return {"type": kebab_case(type(self).__name__), **super().table()}


def _leaves(cls: type[Setting]) -> list[type[Setting]]:
    below = cls.__subclasses__()
    return [leaf for member in below for leaf in (_leaves(member) or [member])]


def _plain(value: Any) -> Any:
    if isinstance(value, Setting):
        return value.table()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def kebab_case(name: str) -> str:
    """The name of a class as scenario files spell it.

    >>> kebab_case("FlashCrowd"), kebab_case("TwoQ")
    ('flash-crowd', 'two-q')
    """
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()


_ALLOWED = {
    "greater_than": "above {gt:g}",
    "greater_than_equal": "{ge:g} or more",
    "less_than": "below {lt:g}",
    "less_than_equal": "{le:g} or less",
    "finite_number": "a finite number",
    "float_type": "a number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "string_type": "a text",
    "bool_type": "true or false",
    "model_type": "a table",
    "dict_type": "a table",
    "list_type": "a list",
    "is_instance_of": "a list",
    "tuple_type": "a list",
    "literal_error": "{expected}",
    "too_short": "at least {min_length} value(s)",
}


def problems_of(error: ValidationError, setting: type[BaseModel]) -> list[Problem]:
    """The problems that pydantic found, in our words; those of settings inside keep their own."""
    found = []
    for item in error.errors(include_url=False):
        field = ".".join(str(part) for part in item["loc"])
        context = item.get("ctx", {})
        inner = context.get("error")
        if isinstance(inner, InvalidSetting):
            found += [Problem(".".join(filter(None, (field, p.field))), p.message) for p in inner.problems]
        elif item["type"] == "missing":
            found.append(Problem(field, "missing"))
        elif item["type"] == "extra_forbidden":
            found.append(Problem(field, f"unknown field; known: {', '.join(setting.model_fields)}"))
        elif inner is not None:
            found.append(Problem(field, str(inner)))
        else:
            allowed = _ALLOWED.get(item["type"], item["msg"]).format(**context)
            found.append(Problem(field, f"{shown(item['input'])} is not allowed; {allowed}"))
    return found
