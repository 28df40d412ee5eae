"""The data sets: one entry each. Neither numpy nor torch is imported here, so that a plan is made at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Split = Literal["months", "ratio", "pems", "pairs"]


@dataclass(frozen=True)
class DataSet:
    """One data set: where its file lies below the data folder, how it is read, split, and what it has to hold.

    `rows` × `channels` is the size that the papers used; `steps_per_hour` serves the splits by months. A synthetic set
    has no file: `reader` makes it from `options`.
    """

    name: str
    file: str | None
    reader: Literal["csv", "linear_pairs"]
    channels: int
    rows: int
    step: str
    split: Split
    steps_per_hour: int = 1
    sha256: str | None = None
    licence: str = ""
    by_hand: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)

    def identity(self) -> dict[str, Any]:
        """What of the entry decides the numbers that training sees; part of a cell's digest."""
        return {
            "name": self.name,
            "reader": self.reader,
            "split": self.split,
            "steps_per_hour": self.steps_per_hour,
            "options": dict(sorted(self.options.items())),
        }


_ETT = "https://github.com/zhouhaoyi/ETDataset (folder ETT-small)"


def _ett(name: str, minutes: bool, sha256: str) -> DataSet:
    return DataSet(
        name=name, file=f"ETT-small/{name}.csv", reader="csv", channels=7, rows=69_680 if minutes else 17_420,
        step="15 min" if minutes else "1 h", split="months", steps_per_hour=4 if minutes else 1, sha256=sha256,
        licence="CC BY-ND 4.0", by_hand=_ETT,
    )  # fmt: skip


DATASETS: dict[str, DataSet] = {
    d.name: d
    for d in (
        _ett("ETTh1", False, "f18de3ad269cef59bb07b5438d79bb3042d3be49bdeecf01c1cd6d29695ee066"),
        _ett("ETTh2", False, "a3dc2c597b9218c7ce1cd55eb77b283fd459a1d09d753063f944967dd6b9218b"),
        _ett("ETTm1", True, "6ce1759b1a18e3328421d5d75fadcb316c449fcd7cec32820c8dafda71986c9e"),
        _ett("ETTm2", True, "db973ca252c6410a30d0469b13d696cf919648d0f3fd588c60f03fdbdbadd1fd"),
        DataSet("Weather", "weather/weather.csv", "csv", 21, 52_696, "10 min", "ratio",
                sha256="34ee981d07313e51da2a50bb600072c8ae4a69cb4b0651f4cb93a069d7a2ba63"),
        DataSet("Exchange", "exchange_rate/exchange_rate.csv", "csv", 8, 7_588, "1 day", "ratio",
                sha256="48b4d9d3d508f5104162e85b9a6042e3557fde11aa9f2944eba8c0d0efc89842"),
        DataSet("ECL", "electricity/electricity.csv", "csv", 321, 26_304, "1 h", "ratio"),
        DataSet("Traffic", "traffic/traffic.csv", "csv", 862, 17_544, "1 h", "ratio"),
        DataSet("toy", None, "linear_pairs", 7, 0, "–", "pairs",
                options={"train": 2048, "validation": 512, "test": 512, "noise": 0.5, "seed": 2402}),
    )
}  # fmt: skip

GROUPS: dict[str, tuple[str, ...]] = {
    "ETT": ("ETTh1", "ETTh2", "ETTm1", "ETTm2"),
}
"""Names for several data sets at once, as `--subset` takes them."""
