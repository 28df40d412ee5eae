"""A column of a paper → the recipe of one cell: base, column, protocol switches, profile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from baselines import MODELS
from benchmark.config.paper import Column, Paper
from benchmark.config.recipe import Recipe, Resolved, Setting, Sourced

PROFILES: dict[str, dict[str, int]] = {
    "paper": {},
    "quick": {"max_lookback": 512, "max_steps": 60, "max_windows": 64},
}
"""Bounds of each profile. `quick` also has one seed, and takes fewer steps where one has large activations."""







class Refusal(Exception):
    """Why a cell cannot exist."""


def resolve(
    paper: Paper, column: Column, dataset: str, horizon: int, sam: bool, switches: Sequence[str], profile: str
) -> Resolved:
    """The recipe of one cell, but for the seed: base, column, protocol switches, profile, in this order.

    Of a model in closed form it keeps what concerns a model that is not trained. Its `lookback` is a tuple where the
    recipe lists several. Raises Refusal where a value that the cell needs stands nowhere.
    """
    where = {"dataset": dataset, "horizon": horizon, "model": column.name, "sam": sam}
    values: dict[str, Sourced] = {}
    for name, value in {**paper.recipe, **column.recipe}.items():
        found = value.at(where)
        if found is not None:
            values[name] = found
    for name, value in column.arguments.items():
        found = value.at(where)
        if found is None:
            raise Refusal(f"the recipe has no {name} of {column.name} for {dataset} at horizon {horizon}")
        values[f"arguments.{name}"] = found
    if not sam:
        values["rho"] = Sourced(None, "no SAM", "verified")
    closed_form = MODELS[column.model].closed_form
    if closed_form and sam:
        raise Refusal(f"{column.name} is not trained: SAM has nothing to act on")
    missing = (_REQUIRED_OF_ALL if closed_form else _REQUIRED) - values.keys()
    if missing:
        raise Refusal(f"the recipe has no {', '.join(sorted(missing))} for {dataset} at horizon {horizon}")
    active = []
    for name in switches:
        if _apply(paper, name, dataset, column.model, sam, values):
            active.append(name)
    if closed_form:
        values = {k: v for k, v in values.items() if _concerns_all(k)}
        active = [name for name in active if any(map(_concerns_all, paper.switches[name].sets))]
    _bound(values, profile)
    return Resolved(column.model, sam, values, tuple(active))


def _concerns_all(name: str) -> bool:
    """Whether a recipe value reaches a model that is not trained, too."""
    return name in Setting.model_fields or name.startswith("arguments.")


def _bound(values: dict[str, Sourced], profile: str) -> None:
    """Puts a profile's bounds into a recipe."""
    bounds, most = PROFILES[profile], PROFILES[profile].get("max_lookback")
    wanted = values["lookback"].value
    if most is not None and isinstance(wanted, tuple):
        values["lookback"] = replace(values["lookback"], value=tuple(sorted({min(most, each) for each in wanted})))
    elif most is not None and wanted > most:
        values["lookback"] = Sourced(most, f"profile {profile}", "ours")
    for bound in ("max_steps", "max_windows"):
        if bound in bounds and (bound != "max_steps" or "epochs" in values):
            values[f"profile.{bound}"] = Sourced(bounds[bound], f"profile {profile}: a smoke run", "ours")


def by_lookback(recipe: Resolved) -> list[Resolved]:
    """The recipe, once for each look-back that it lists."""
    listed = recipe.values["lookback"]
    if not isinstance(listed.value, tuple):
        return [recipe]
    each = [replace(listed, value=lookback) for lookback in listed.value]
    return [replace(recipe, values={**recipe.values, "lookback": one}) for one in each]


def _apply(paper: Paper, name: str, dataset: str, model: str, sam: bool, values: dict[str, Sourced]) -> bool:
    """Sets what a switch sets, where its conditions hold; says whether that changed anything."""
    switch = paper.switches[name]
    have = {k: v.value for k, v in values.items()} | {"dataset": dataset, "model": model, "sam": sam}
    if not any(all(have.get(k, _UNSET) in wanted for k, wanted in each.items()) for each in switch.when):
        return False
    changed = {k: v for k, v in switch.sets.items() if have.get(k, _UNSET) != v}
    for key, value in changed.items():
        values[key] = Sourced(value, f"switch {name}: {switch.source}", switch.status)
    return bool(changed)


_UNSET = object()


_REQUIRED = frozenset(name for name, field in Recipe.model_fields.items() if field.is_required())
_REQUIRED_OF_ALL = frozenset(name for name, field in Setting.model_fields.items() if field.is_required())
