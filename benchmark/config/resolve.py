"""A column of a paper → the recipe of one cell: base, column, protocol switches, profile."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from benchmark.config.paper import Column, Paper, Switch
from benchmark.config.recipe import ARGUMENTS, OF_SAM, PROFILE, Recipe, Sourced, Training, fields_of, of_perturbation
from benchmark.workloads import WORKLOADS, Workload

PROFILES = ("paper", "quick")
"""`quick` is a smoke run: one seed, and the bounds that the workload gives it."""


class Refusal(Exception):
    """Why a cell cannot exist."""


def resolve(
    paper: Paper, column: Column, dataset: str, horizon: int, sam: bool, switches: Sequence[str], profile: str
) -> Recipe:
    """The recipe of one cell, but for the seed: base, column, protocol switches, profile, in this order.

    Of a model in closed form it keeps what concerns a model that is not trained. Its `lookback` is a tuple where the
    recipe lists several. Raises Refusal where a value that the cell needs stands nowhere.
    """
    where = {"dataset": dataset, "horizon": horizon, "model": column.looked_up, "sam": sam}
    values: dict[str, Sourced] = {}
    for name, value in {**paper.recipe, **column.recipe}.items():
        found = value.at(where)
        if found is not None:
            values[name] = found
    for name, value in column.arguments.items():
        found = value.at(where)
        if found is None:
            raise Refusal(f"the recipe has no {name} of {column.name} for {dataset} at horizon {horizon}")
        values[ARGUMENTS + name] = found
    if not sam:
        values["rho"] = Sourced(None, "no SAM", "verified")
    closed_form = column.info.closed_form
    if closed_form and sam:
        raise Refusal(f"{column.name} is not trained: SAM has nothing to act on")
    workload = WORKLOADS[paper.workload]
    fields = fields_of(workload, closed_form)
    missing = {name for name, field in fields.items() if field.is_required()} - values.keys()
    if missing:
        raise Refusal(f"the recipe has no {', '.join(sorted(missing))} for {dataset} at horizon {horizon}")
    changed = {name: _apply(paper.switches[name], where, column.model, values) for name in switches}
    active = [name for name, fields_set in changed.items() if fields_set]
    if closed_form:
        values = {k: v for k, v in values.items() if _concerns(fields, k)}
        active = [name for name in active if any(_concerns(fields, k) for k in changed[name])]
    else:
        lacking = {**paper.recipe, **column.recipe}.keys() - values.keys()
        idle = _without_use(values, sam, lacking, f"for {dataset} at horizon {horizon}")
        values = {k: v for k, v in values.items() if k not in idle and (k, v.value) != _UNSAID}
        active = [name for name in active if not changed[name] <= idle]
    for name, value in workload.unsaid.items():
        if name in values and values[name].value == value:
            del values[name]
    _bound(values, profile, workload)
    source = column.own.source if column.own is not None else None
    return Recipe(paper.workload, column.model, sam, values, tuple(active), source)


def _without_use(values: Mapping[str, Sourced], sam: bool, lacking: Collection[str], cell: str) -> set[str]:
    """The fields of SAM and its kin that a training does not ask for.

    Raises Refusal where one that it asks for is `lacking`, since the recipe says it of other cells alone, and where a
    radius would grow as the rate falls. `cell`: in words.
    """
    name, default = _UNSAID
    used = of_perturbation(values[name].value if name in values else default) if sam else ()
    for field in used:
        if field in lacking:
            raise Refusal(f"the recipe has no {field} {cell}")
    least, most = (values[field].value if field in values else None for field in ("rho_min", "rho"))
    if "rho_min" in used and least is not None and least > most:
        raise Refusal(
            f"rho_min is expected to be at most rho, which is {most:g}; found {least:g} ({values['rho_min'].source})"
        )
    return set(OF_SAM) - set(used)


_UNSAID = ("perturbation", Training.model_fields["perturbation"].default)
"""What a recipe says by saying nothing: it enters no digest."""


def _concerns(fields: Mapping[str, object], name: str) -> bool:
    """Whether a recipe value reaches a model that has these fields."""
    return name in fields or name.startswith(ARGUMENTS)


def _bound(values: dict[str, Sourced], profile: str, workload: Workload) -> None:
    """Puts a profile's bounds into a recipe."""
    bounds, listed = workload.profiles[profile], workload.listed
    most = bounds.get(f"max_{listed}")
    if listed is not None and most is not None:
        wanted = values[listed].value
        if isinstance(wanted, tuple):
            values[listed] = replace(values[listed], value=tuple(sorted({min(most, each) for each in wanted})))
        elif wanted > most:
            values[listed] = Sourced(most, f"profile {profile}", "ours")
    for bound in ("max_steps", "max_windows"):
        if bound in bounds and (bound != "max_steps" or "epochs" in values):
            values[PROFILE + bound] = Sourced(bounds[bound], f"profile {profile}: a smoke run", "ours")


def candidates(recipe: Recipe) -> list[Recipe]:
    """The recipe, once for each value that it lists of the field that validation chooses (forecasting: the look-back)."""
    field = WORKLOADS[recipe.workload].listed
    listed = recipe.values[field] if field is not None else None
    if field is None or listed is None or not isinstance(listed.value, tuple):
        return [recipe]
    each = [replace(listed, value=value) for value in listed.value]
    return [replace(recipe, values={**recipe.values, field: one}) for one in each]


def _apply(switch: Switch, where: Mapping[str, Any], model: str, values: dict[str, Sourced]) -> set[str]:
    """Sets what a switch sets, where its conditions hold (rho, with SAM alone); the names of the values that it changed."""
    of_cell = {"dataset": where["dataset"], "model": model, "sam": where["sam"]}
    have = dict([_UNSAID]) | {k: v.value for k, v in values.items()} | of_cell
    if not any(all(have.get(k, _UNSET) in wanted for k, wanted in each.items()) for each in switch.when):
        return set()
    found = {name: value.at(where) for name, value in switch.sets.items() if where["sam"] or name != "rho"}
    changed = {k: v.value for k, v in found.items() if v is not None and have.get(k, _UNSET) != v.value}
    for key, value in changed.items():
        values[key] = Sourced(value, f"switch {switch.name}: {switch.source}", switch.status)
    return set(changed)


_UNSET = object()
