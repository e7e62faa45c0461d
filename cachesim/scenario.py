"""What to simulate: a validated, frozen description, and its form as a TOML file."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from copy import deepcopy
from hashlib import sha256
from importlib import resources
from math import isfinite, nan
from operator import eq, ge, gt, le, lt
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self

import tomli_w
from pydantic import AfterValidator, Field, field_validator, model_validator

from cachesim.settings import Count, InvalidSetting, Positive, Problem, ScenarioError, Seconds, Setting, shown
from cachesim.world.arrivals import Arrivals
from cachesim.world.arrivals import Recorded as RecordedTimes
from cachesim.world.caches import CACHES
from cachesim.world.clients import Clients
from cachesim.world.database import Database
from cachesim.world.faults import Fault, NodePause
from cachesim.world.keys import Documentation, Keys
from cachesim.world.keys import Recorded as RecordedKeys
from cachesim.world.metrics import METRICS
from cachesim.world.redis import Redis
from cachesim.world.writes import Writes

__all__ = ["Expectation", "Pattern", "Scenario", "bundled", "load"]

_MOST_REQUESTS = 1e10
_MOST_BYTES = 10**8
_MOST = {"nodes": 10**4, "batch": 10**4, "clients.n": 10**9, "keys.n": 10**8, "arrivals.users": 10**6}
"""Of these a run holds each one in memory, or draws one."""
_DURATION = 60.0
_COMPARE = {">=": ge, "<=": le, "==": eq, ">": gt, "<": lt}


class Pattern(Setting):
    """A caching pattern by name, with its options: the keyword-only arguments of its class.

    >>> Pattern("cache-aside", ttl=10, single_flight="none")
    Pattern('cache-aside', ttl=10.0, single_flight='none')
    """

    pattern: str = Field(kw_only=False)
    options: dict[str, Any] = Field(default={})

    def __init__(self, /, *name: str, **options: Any) -> None:
        if len(name) > 1:
            raise TypeError(f"Pattern takes 1 positional argument, got {len(name)}")
        pattern = name[0] if name else options.pop("pattern", None)
        if not isinstance(pattern, str) or pattern not in CACHES:
            given = "missing" if pattern is None else f"{pattern!r} is unknown"
            raise ScenarioError(Problem("pattern", f"{given}; known: {', '.join(CACHES)}"))
        options_type = CACHES[pattern].options_type
        if options and not options_type.model_fields:
            message = f"unknown field; the pattern {pattern!r} has none"
            raise ScenarioError(*(Problem(option, message) for option in options))
        try:
            checked = options_type(**options)
        except InvalidSetting as error:
            raise ScenarioError(*error.problems) from None
        super().__init__(pattern=pattern, options={name: getattr(checked, name) for name in checked.chosen()})

    def __repr__(self) -> str:
        return f"Pattern({', '.join([repr(self.pattern), *(f'{k}={v!r}' for k, v in self.options.items())])})"

    __str__ = __repr__

    def table(self) -> dict[str, Any]:
        return {"pattern": self.pattern, **self.options}


class Expectation(NamedTuple):
    """A bound on a metric, as `[expect]` says it.

    >>> Expectation.parse("hit_ratio", ">= 0.9").met(0.95)
    True
    """

    metric: str
    comparison: str
    bound: float

    @classmethod
    def parse(cls, metric: str, text: Any) -> Self:
        """Raises `ScenarioError` for an unknown metric or a bound that is none."""
        if metric not in METRICS:
            raise ScenarioError(Problem(str(metric), f"unknown metric; known: {', '.join(METRICS)}"))
        match = re.fullmatch(r"\s*(>=|<=|==|>|<)\s*(\S+)\s*", text) if isinstance(text, str) else None
        try:
            bound = float(match[2]) if match else nan
        except ValueError:
            bound = nan
        if match is None or not isfinite(bound):
            message = f'{text!r} is not allowed; a bound such as ">= 0.9", with >=, <=, ==, > or <'
            raise ScenarioError(Problem(metric, message))
        return cls(metric, match[1], bound)

    def met(self, value: float) -> bool:
        """Whether `value` keeps the bound; NaN never does."""
        return bool(_COMPARE[self.comparison](value, self.bound))

    def __str__(self) -> str:
        return f"{self.metric} {self.comparison} {self.bound:.12g}"


class Scenario(Setting):
    """One experiment: who asks what of which cache in front of which database, and for how long.

    `writes`: the share of requests that write, or a `Writes`, which also knows of writes/s behind the cache's back.
    Each request goes to one of `nodes` by `balance`. `batch`: keys asked at once, each a request of its own, written or
    read together; `balance="key"` goes by the first. `clients`: how patiently they ask, and whether over HTTP.
    `faults`: what goes wrong (`cachesim.faults`). Requests arrive in [0, duration) s; what belongs to [0, warmup) is
    not measured. `duration` is 60 s unless keys or times are recorded: then, if left out, the run ends with the stream.
    Raises `ScenarioError`.
    """

    title: str = ""
    arrivals: Arrivals
    keys: Keys
    cache: Pattern
    database: Database
    redis: Redis = Redis()
    writes: float | Writes = 0.0
    nodes: Count = 1
    balance: Literal["random", "round-robin", "key"] = "random"
    batch: Count = 1
    clients: Clients = Clients()
    faults: Annotated[Sequence[Fault], AfterValidator(tuple)] = Field(default=())
    duration: Positive | None = None
    warmup: Seconds = 0.0
    seed: Annotated[int, Field(ge=0)] = 1
    expect: dict[str, str] = Field(default={})

    @field_validator("writes", mode="plain")
    @classmethod
    def _share_or_table(cls, value: Any) -> float | Writes:
        if isinstance(value, Writes) or (isinstance(value, Mapping) and value):
            writes = Writes.model_validate(value)
            return writes if writes.behind else writes.share
        try:
            return Writes(share=value).share
        except ScenarioError as error:
            raise ScenarioError(*(Problem("", problem.message) for problem in error.problems)) from None

    @field_validator("expect", mode="before")
    @classmethod
    def _bounds(cls, expect: Any) -> Any:
        for metric, text in expect.items() if isinstance(expect, Mapping) else ():
            Expectation.parse(metric, text)
        return expect

    @model_validator(mode="after")
    def _nodes_exist(self) -> Self:
        for index, fault in enumerate(self.faults):
            if isinstance(fault, NodePause) and fault.node >= self.nodes:
                message = f"{fault.node} is not allowed; below nodes ({self.nodes})"
                raise ScenarioError(Problem(f"faults.{index}.node", message))
        return self

    @model_validator(mode="after")
    def _can_be_held(self) -> Self:
        for name, most in _MOST.items():
            setting, _, field = name.rpartition(".")
            value = getattr(getattr(self, setting) if setting else self, field, None) or 0
            if value > most:
                raise ScenarioError(Problem(name, f"{shown(value)} is not allowed; {most:,} or less"))
        return self

    @model_validator(mode="after")
    def _fits(self) -> Self:
        recorded = isinstance(self.keys, RecordedKeys | Documentation)
        if recorded and isinstance(self.writes, Writes):
            message = f"{self.writes.behind!r} is not allowed; 0 with recorded keys, which are not known beforehand"
            raise ScenarioError(Problem("writes.behind", message))
        if self.duration is None:
            if recorded or isinstance(self.arrivals, RecordedTimes):
                return self  # it ends with the stream
            if "duration" in self.model_fields_set:
                raise ScenarioError(Problem("duration", "missing; only recorded keys or times end by themselves"))
            self.__dict__["duration"] = _DURATION
        assert self.duration is not None
        if self.warmup >= self.duration:
            message = f"{self.warmup!r} is not allowed; below duration ({self.duration:g})"
            raise ScenarioError(Problem("warmup", message))
        if not recorded and (expected := self.batch * self.arrivals.expected(self.duration)) > _MOST_REQUESTS:
            message = f"{self.duration!r} is not allowed; about {expected:.3g} requests would arrive, at most 1e10 may"
            raise ScenarioError(Problem("duration", message))
        return self

    def chosen(self) -> list[str]:
        """The fields that differ from their defaults; `duration` if it was given."""
        given = self.model_fields_set if self.duration is not None else ()
        return [name for name in super().chosen() if name != "duration" or name in given]

    @property
    def expectations(self) -> list[Expectation]:
        """The bounds of `expect`."""
        return [Expectation.parse(metric, text) for metric, text in self.expect.items()]

    def replace(self, /, **changes: Any) -> Scenario:
        """A changed, validated copy; dotted names reach inside: `replace(**{"cache.ttl": 5, "faults.0.start": 9})`."""
        table = deepcopy(self.table())
        for name, value in changes.items():
            *path, last = name.split(".")
            place: Any = table
            for step in path:
                where = _place(place, step, name)
                if isinstance(place, dict):
                    place.setdefault(step, {})
                inside = place[where]
                if isinstance(inside, Setting):  # put there by a change before this one
                    inside = place[where] = inside.table()
                elif isinstance(inside, tuple):  # so may be the faults
                    inside = place[where] = list(inside)
                elif step == "writes" and isinstance(inside, int | float):  # a number is their share
                    inside = place[where] = {"share": inside}
                if not isinstance(inside, dict | list):
                    raise ScenarioError(Problem(name, f"unknown field; {step!r} is no table"))
                place = inside
            place[_place(place, last, name)] = value
        return Scenario(**table)

    @property
    def digest(self) -> str:
        """Hex SHA-256 of what is simulated: the scenario as TOML, without title, expectations and seed.

        Equal scenarios have equal digests, however they were written; a recorded stream counts by its path.
        """
        table = {name: value for name, value in self.table().items() if name not in ("title", "expect", "seed")}
        if self.duration is not None:
            table["duration"] = self.duration  # written out or left to the default: the same
        return sha256(tomli_w.dumps(table).encode()).hexdigest()

    def to_toml(self) -> str:
        """The scenario as the text of a scenario file; reading it back gives an equal scenario."""
        return tomli_w.dumps(self.table())


def _place(inside: dict[str, Any] | list[Any], step: str, name: str) -> Any:
    """What a step of a dotted name stands for: a field, or a number from 0 in a list."""
    if isinstance(inside, dict):
        return step
    if not step.isdecimal() or int(step) >= len(inside):
        allowed = f"a number from 0 to {len(inside) - 1}" if inside else "nothing: the list is empty"
        raise ScenarioError(Problem(name, f"{step!r} is not allowed; {allowed}"))
    return int(step)


def load(path: str | Path) -> Scenario:
    """The scenario in a TOML file; paths of recorded streams in it are relative to the file.

    Raises `ScenarioError` with one line that names the file, the field, the value and what is allowed.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:  # a device, perhaps, that never ends
            raise ValueError(f"it has more than {_MOST_BYTES:,} bytes")
        table = tomllib.loads(data.decode())
    except FileNotFoundError:
        raise ScenarioError(Problem("", "no such file"), source=str(path)) from None
    except UnicodeDecodeError:
        raise ScenarioError(Problem("", "is not UTF-8 text"), source=str(path)) from None
    except OSError as error:
        raise ScenarioError(Problem("", f"cannot be read: {error.strerror}"), source=str(path)) from None
    except (ValueError, RecursionError) as error:  # not only its own error: a number may be too long, a list too deep
        raise ScenarioError(Problem("", f"is not TOML: {error}"), source=str(path)) from None
    for stream in ("arrivals", "keys"):
        match table.get(stream):
            case {"type": "recorded", "path": str(recorded)}:
                table[stream]["path"] = str(path.parent / recorded)
    try:
        return Scenario(**table)
    except ScenarioError as error:
        raise ScenarioError(*error.problems, source=str(path)) from None


def bundled() -> dict[str, Path]:
    """The scenario files that come with the package, by name."""
    folder = Path(str(resources.files("cachesim") / "scenarios"))
    return {path.stem: path for path in sorted(folder.glob("*.toml"), key=lambda path: path.stem)}
