"""Values of a recipe's YAML: of the type that the recipe has, each with its source and its status."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from baselines import SCALAR, Kind, ModelInfo, argument
from benchmark.config.models.signature import Signature
from benchmark.config.paper import DIMENSIONS, OTHERWISE, Block, Value
from benchmark.config.recipe import ARGUMENTS, STATUSES, fields_of
from benchmark.config.yamlfile import Section
from benchmark.errors import nearest
from benchmark.workloads import WORKLOADS


@cache
def recipe_fields(workload: str) -> Mapping[str, Any]:
    """The fields of a recipe of that kind of task by name."""
    return fields_of(WORKLOADS[workload])


@cache
def _adapter(workload: str, field: str) -> TypeAdapter[Any]:
    info = recipe_fields(workload)[field]
    kind: Any = Annotated[(info.annotation, *info.metadata)] if info.metadata else info.annotation
    return TypeAdapter(kind, config=ConfigDict(strict=True, allow_inf_nan=False))


def checked(section: Section, workload: str, field: str | Kind | None, value: Any) -> Any:
    """A leaf value, as the recipe's field or the model's argument (``arguments.NAME``, or its kind) asks for it.

    Any scalar, where `field` is None.
    """
    if field is None or isinstance(field, Kind) or field.startswith(ARGUMENTS):
        known = argument((field or "").removeprefix(ARGUMENTS)) if not isinstance(field, Kind) else None
        kind = field if isinstance(field, Kind) else known.kind if known else SCALAR
        if kind.fits(value):
            return value
        raise section.fail(f"expected {kind.what}, found {value!r}")
    if field == WORKLOADS[workload].listed and isinstance(value, list):
        return _lookbacks(section, value)
    try:
        checked = _adapter(workload, field).validate_python(tuple(value) if isinstance(value, list) else value)
    except ValidationError as error:
        first = error.errors()[0]
        raise section.fail(f"{first['msg'][0].lower()}{first['msg'][1:]}, found {first['input']!r}") from None
    return checked


def _lookbacks(section: Section, value: list[Any]) -> tuple[int, ...]:
    """Several look-backs, of which validation chooses, in rising order."""
    if any(isinstance(v, bool) or not isinstance(v, int) or v < 1 for v in value) or len(set(value)) < max(1, len(value)):
        raise section.fail(f"expected a look-back, or a list of different ones, in whole steps from 1, found {value!r}")
    return tuple(sorted(value))


class Reader:
    """Parses one paper's YAML; knows the data sets and columns that keys of tables may name."""

    def __init__(
        self,
        datasets: tuple[str, ...],
        workload: str,
        overriding: bool = False,
        models: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self.datasets = datasets
        self.models = models
        self.workload = workload
        self.columns: tuple[str, ...] = ()
        self.overriding = overriding

    def value(self, section: Section, field: str | Kind | None) -> Value:
        """A block, a list of blocks, or (in an override, whose source is the user's file) a plain value."""
        if isinstance(section.data, list) and section.data and all(isinstance(b, dict) for b in section.data):
            return Value(tuple(self._block(child, field) for child in section.children().values()))
        if not isinstance(section.data, dict):
            if self.overriding:
                value = checked(section, self.workload, field, section.data)
                return Value((Block(value, (), f"{section.file}:{section.line}", "ours"),))
            raise section.fail("expected {value: …, source: …, status: …}: no number without its source")
        return Value((self._block(section, field),))

    def _block(self, section: Section, field: str | Kind | None) -> Block:
        part = section.known(["value", "by", "values", "source", "status", "note"])
        if ("value" in part) == ("values" in part) or ("by" in part) != ("values" in part):
            raise section.fail("expected either 'value', or 'by' with 'values'")
        source, status = self.provenance(section, part)
        if "value" in part:
            return Block(checked(part["value"], self.workload, field, part["value"].data), (), source, status)
        return self._by(part, field, source, status)

    def setting(self, section: Section, field: str | None, source: str, status: str) -> Value:
        """What a switch sets: a plain value, or `by` with `values`; source and status are the switch's."""
        if not isinstance(section.data, dict):
            return Value((Block(checked(section, self.workload, field, section.data), (), source, status),))
        part = section.known(["by", "values"])
        if len(part) < 2:
            raise section.fail("expected a value, or 'by' with 'values'")
        return Value((self._by(part, field, source, status),))

    def _by(self, part: Mapping[str, Section], field: str | Kind | None, source: str, status: str) -> Block:
        names = part["by"].data if isinstance(part["by"].data, list) else [part["by"].data]
        for name in names:
            if name not in DIMENSIONS:
                raise part["by"].fail(f"unknown dimension '{name}'{nearest(str(name), DIMENSIONS)}")
        return Block(self._table(part["values"], list(names), field), tuple(names), source, status)

    def provenance(self, section: Section, part: Mapping[str, Section]) -> tuple[str, str]:
        """`source` and `status` of a block; both have to be there, but in a user's own file (status: ours)."""
        line = section.line
        if self.overriding and "source" not in part and "status" not in part:
            return f"{section.file}:{line}", "ours"
        for key in ("source", "status"):
            if key not in part:
                raise section.fail(f"'{key}' is missing: every value says where it was read")
        status = part["status"].of(str, "a status")
        if self.overriding and status != "ours":
            raise part["status"].fail(f"a value of your own file is 'ours', not '{status}'; leave status out")
        if status not in STATUSES:
            raise part["status"].fail(f"unknown status '{status}'{nearest(status, STATUSES)}")
        return part["source"].of(str, "a text"), status

    def _table(self, section: Section, names: list[str], field: str | Kind | None) -> Any:
        if not names:
            return checked(section, self.workload, field, section.data)
        keys: dict[str, tuple[Any, ...]] = {"dataset": self.datasets, "model": self.columns, "sam": (True, False)}
        table = {}
        for key, child in section.mapping().children().items():
            allowed = keys.get(names[0])
            wrong = key not in allowed if allowed else (isinstance(key, bool) or not isinstance(key, int))
            if wrong and key != OTHERWISE:
                raise child.fail(f"unknown {names[0]} '{key}'{nearest(str(key), map(str, allowed or ()))}")
            table[key] = self._table(child, names[1:], field)
        return table

    def arguments(self, section: Section, info: ModelInfo | Signature) -> dict[str, Value]:
        """The arguments that a section gives a model. Raises UsageError for one that the model does not take, or not so."""
        known = info.arguments
        given = section.named() if info.takes_any else section.known(known)
        return {name: self.value(child, known[name].kind if name in known else SCALAR) for name, child in given.items()}

    def recipe(self, section: Section) -> dict[str, Value]:
        """The values of a recipe section, by name."""
        return {name: self.value(child, name) for name, child in section.known(recipe_fields(self.workload)).items()}
