"""What a training writes while it runs, which is no result: told from one, and refused with what is to be given instead.

Code that is made from Time-Series-Library's prints, after each epoch, its losses on training, validation and test windows.
github.com/LJC-FVNR/Structural-Aligned-Mixture-of-VAR (exp/exp_main.py at 4e2581f) computes the metrics of its last test
and writes them nowhere: its result.txt has the settings alone, its pred.npy the forecasts.
"""

from __future__ import annotations

import re

from tables.imported import csvfile, tslib

EPOCH = re.compile(r"Train Loss:\s*\S+\s+Vali Loss:\s*\S+\s+Test Loss:\s*\S+", re.IGNORECASE)
INSTEAD = f"give a CSV ({csvfile.FORM}) of the weights that validation chose"


def no_result(text: str) -> tuple[int, str] | None:
    """The line by which a text is a log, or settings alone, and a sentence on what it lacks; None: it is neither."""
    lines = [(line, words.strip()) for line, words in enumerate(text.splitlines(), 1) if words.strip()]
    epoch = next((line for line, words in lines if EPOCH.search(words)), None)
    if epoch is not None:
        return epoch, (
            "a log, which has a loss on the test windows after every epoch, and not which epoch counts; give the "
            "result_long_term_forecast.txt that Time-Series-Library writes, or, for code that writes no test metrics "
            f"(SAMoVAR's, whose pred.npy has the forecasts), {INSTEAD}"
        )
    if lines and all(tslib.SETTING.match(words) for _, words in lines):
        return lines[0][0], f"settings without their errors, as SAMoVAR's code writes them into result.txt; {INSTEAD}"
    return None
