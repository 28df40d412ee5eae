"""``result_long_term_forecast.txt`` of Time-Series-Library and its kin: a line with the setting, then one with its errors.

A setting is ``long_term_forecast_<model_id>_<model>_<data>_ftM_sl96_ll48_pl96_…_<run>`` (run.py of
github.com/thuml/Time-Series-Library); that of github.com/thuml/iTransformer has each value under the tag of the next one:
``<model_id>_<model>_<data>_M_ft96_sl48_ll96_pl512_…``. model_id is by custom ``<data set>_<look-back>_<horizon>``. The
errors are ``mse:0.386, mae:0.402``, more of them in some versions.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from tables.imported.number import Number, Read

ERRORS = re.compile(r"^\s*mse\s*:", re.IGNORECASE)
PAIR = re.compile(r"(\w+)\s*:\s*([^,\s]+)")
BEGIN, END = r"^(?:long_term_forecast_)?(?P<head>.+)_", r"_.*_(?P<run>\d+)$"
SETTING = re.compile(BEGIN + r"ft(?P<features>MS|M|S)_sl(?P<lookback>\d+)_ll\d+_pl(?P<horizon>\d+)" + END)
SHIFTED = re.compile(BEGIN + r"(?P<features>MS|M|S)_ft(?P<lookback>\d+)_sl\d+_ll(?P<horizon>\d+)_pl\d+" + END)
MODEL_ID = re.compile(r"^(?P<dataset>.+?)_\d+_\d+_(?P<model>.+)$")
CUSTOM = "custom"
"""What stands for the data set where its file is named by another option."""
FORM = "long_term_forecast_<model_id>_<model>_<data>_ftM_sl…_ll…_pl…_…_<run>"


def is_tslib(text: str) -> bool:
    """Whether a text has lines of errors as these files have them."""
    return any(ERRORS.match(line) for line in text.splitlines())


def read_tslib(text: str, models: Sequence[str]) -> Read:
    """Every pair of lines that can be read; of the others, why not. `models`: names that tell a model from its model_id
    where that is not of the usual form."""
    found = Read()
    setting: tuple[int, str] | None = None
    for line, words in enumerate(text.splitlines(), 1):
        if not words.strip():
            continue
        if not ERRORS.match(words):
            if setting is not None:
                found.left.append((setting[0], "a setting without errors below it (mse:…, mae:…)"))
            setting = (line, words.strip())
            continue
        if setting is None:
            found.left.append((line, "errors without a setting above them"))
            continue
        try:
            found.numbers.append(_number(*setting, words, models))
        except ValueError as error:
            found.left.append((setting[0], str(error)))
        setting = None
    if setting is not None:
        found.left.append((setting[0], "a setting without errors below it (mse:…, mae:…)"))
    return found


def _number(line: int, setting: str, errors: str, models: Sequence[str]) -> Number:
    of = SETTING.match(setting) or SHIFTED.match(setting)
    if of is None:
        raise ValueError(f"expected a setting {FORM}, found '{setting}'")
    if of["features"] != "M":
        raise ValueError(f"features {of['features']}: another task than a paper's tables, which are of all channels")
    dataset, model = _names(of["head"], models)
    pairs = {name.lower(): value for name, value in PAIR.findall(errors)}
    metrics = {}
    for name in ("mse", "mae"):
        try:
            metrics[name] = float(pairs[name])
        except (KeyError, ValueError):
            raise ValueError(f"expected {name}:NUMBER below it, found '{errors.strip()}'") from None
    return Number(line=line, dataset=dataset, horizon=int(of["horizon"]), model=model, metrics=metrics,
                  lookback=int(of["lookback"]), seed=int(of["run"]))  # fmt: skip


def _names(head: str, models: Sequence[str]) -> tuple[str, str]:
    """The data set and the model of ``<model_id>_<model>_<data>``, each of which may have a `_`."""
    front, _, data = head.rpartition("_")
    usual = MODEL_ID.match(front)
    if usual is not None:
        return data if data.startswith("ETT") else usual["dataset"], usual["model"]
    ends = [name for name in models if front.casefold().endswith(f"_{name.casefold()}")]
    if not ends:
        raise ValueError(
            f"cannot tell data set and model in '{head}'; expected <data set>_<look-back>_<horizon>_<model>_<data>"
        )
    model = max(ends, key=len)
    return (front.partition("_")[0] if data == CUSTOM else data), model
