"""What pip meets when it is asked to build or install this folder: one sentence. See [build-system] in pyproject.toml."""

from __future__ import annotations

import sys
from typing import NoReturn

REFUSAL = (
    "forecast-benchmark is not installed as a package: clone it, run `pip install -r requirements.txt` in the clone, "
    "and work there with `python run_all.py`."
)


def _refuse(*_: object, **__: object) -> NoReturn:
    sys.exit(REFUSAL)


# pip and `python -m build` ask these first; the others are named so that any other front end hears the same.
get_requires_for_build_wheel = get_requires_for_build_sdist = get_requires_for_build_editable = _refuse
prepare_metadata_for_build_wheel = prepare_metadata_for_build_editable = _refuse
build_wheel = build_sdist = build_editable = _refuse
