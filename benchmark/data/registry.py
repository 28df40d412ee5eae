"""The data sets: one entry each. Neither numpy nor torch is imported here, so that a plan is made at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Split = Literal["months", "ratio", "dates", "pems", "pairs", "given"]
Reader = Literal["csv", "solar", "pems", "linear_pairs", "var", "cifar", "idx"]


@dataclass(frozen=True)
class Source:
    """One place from which a file comes: itself, or as the member of an archive.

    `where` is a Google Drive file id (`gdrive`) or a URL (`https`). `archive` is the name under which the archive is kept
    below ``downloads/``, empty for a bare file; the member is the one that ends like the data set's own path.
    """

    kind: Literal["gdrive", "https"]
    where: str
    archive: str = ""

    def page(self) -> str:
        """The address that a person opens in a browser."""
        return f"https://drive.google.com/file/d/{self.where}/view" if self.kind == "gdrive" else self.where


@dataclass(frozen=True)
class DataSet:
    """One data set: where its file lies below the data folder, how it is read, split, and what it has to hold.

    name, file: as it is called, and its path (None: synthetic, `reader` makes it from `options`). rows × channels: the
    size that the papers used (None for a set of one's own until its file was seen); of images their number and colours.
    step: in words. split: how.
    steps_per_hour: serves the splits by months. season: the main period in steps: a day, for daily data a week (of a set of
    one's own see `series.own_season`). sha256,
    size: of the file, in bytes; None where we have not seen it. licence, origin: in words. sources: from where it can be
    fetched. own: from the user's YAML, so its times are checked. bounds: of a split by dates, the first rows of validation
    and test and the first that is not used (None until the file was seen); of a split that is given, the same: validation
    is drawn from what is there to train on. parts: the names of its files, where `file` is a folder. installed: the folder
    in which a package of the system has it. recording: what it shares with other sets that are the same numbers at other
    steps, so that they say less together than as many sets apart; empty: nothing.
    """

    name: str
    file: str | None
    reader: Reader
    channels: int | None
    rows: int | None
    step: str
    split: Split
    steps_per_hour: int = 1
    season: int = 1
    sha256: str | None = None
    size: int | None = None
    licence: str = ""
    origin: str = ""
    sources: tuple[Source, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    own: bool = False
    bounds: tuple[int, int, int] | None = None
    parts: tuple[str, ...] = ()
    installed: str | None = None
    recording: str = ""

    def identity(self) -> dict[str, Any]:
        """What of the entry decides the numbers that training sees; part of a cell's digest."""
        return {
            "name": self.name,
            "reader": self.reader,
            "split": self.split,
            "steps_per_hour": self.steps_per_hour,
            "options": dict(sorted(self.options.items())),
        }

    def told(self) -> list[str]:
        """What a reader of its tables should know of how the user has it read, each without a full stop."""
        fill, told = self.options.get("fill"), []
        if fill is not None:
            told.append(
                "missing values and rows count in no loss and no metric; inputs hold the last value there (fill: mask)"
                if fill == "mask"
                else f"missing values and rows are filled in training, validation and test alike (fill: {fill})"
            )
        if self.own and self.step == "none":
            told.append("its rows follow each other by no constant step (step: none)")
        return told


CIFAR = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")
IDX = tuple(f"{of}-{what}-ubyte.gz" for of in ("train", "t10k") for what in ("images-idx3", "labels-idx1"))
"""The files of a set of images, as CIFAR-10's and MNIST's official layouts have them; IDX' may stand unpacked."""

ITRANSFORMER = Source("gdrive", "1l51QsKvQPcqILT3DwfjCgx8Dsg2rpjot", "itransformer_datasets.zip")
"""The iTransformer archive: all thirteen sets."""
SAMFORMER = Source("gdrive", "1alE33S1GmP5wACMXaLu50rDIoVzBM4ik", "samformer_datasets.zip")
"""SAMformer's archive: its eight sets."""
_ETT = "https://raw.githubusercontent.com/zhouhaoyi/ETDataset/main/ETT-small/"
_LSTNET = "Lai et al., SIGIR 2018 (github.com/laiguokun/multivariate-time-series-data), from "
_ZALANDO = "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/"
_CALTRANS = "Caltrans Performance Measurement System (pems.dot.ca.gov)"


def _ett(name: str, size: int, sha256: str) -> DataSet:
    minutes = name.startswith("ETTm")
    return DataSet(
        name, f"ETT-small/{name}.csv", "csv", 7, 69_680 if minutes else 17_420, "15 min" if minutes else "1 h", "months",
        steps_per_hour=4 if minutes else 1, season=96 if minutes else 24, sha256=sha256, size=size,
        licence="CC BY-ND 4.0", origin="Zhou et al., AAAI 2021 (github.com/zhouhaoyi/ETDataset)",
        sources=(Source("https", f"{_ETT}{name}.csv"), ITRANSFORMER, SAMFORMER),
        recording=f"transformer {name[-1]}",  # every fourth row of ETTm1 is ETTh1, of ETTm2 ETTh2
    )  # fmt: skip


def _pems(name: str, channels: int, rows: int) -> DataSet:
    return DataSet(
        name, f"PEMS/{name}.npz", "pems", channels, rows, "5 min", "pems", season=288,
        licence="not stated", origin=_CALTRANS, sources=(ITRANSFORMER,),
    )  # fmt: skip


DATASETS: dict[str, DataSet] = {
    d.name: d
    for d in (
        _ett("ETTh1", 2_589_657, "f18de3ad269cef59bb07b5438d79bb3042d3be49bdeecf01c1cd6d29695ee066"),
        _ett("ETTh2", 2_417_960, "a3dc2c597b9218c7ce1cd55eb77b283fd459a1d09d753063f944967dd6b9218b"),
        _ett("ETTm1", 10_360_719, "6ce1759b1a18e3328421d5d75fadcb316c449fcd7cec32820c8dafda71986c9e"),
        _ett("ETTm2", 9_677_236, "db973ca252c6410a30d0469b13d696cf919648d0f3fd588c60f03fdbdbadd1fd"),
        DataSet("Weather", "weather/weather.csv", "csv", 21, 52_696, "10 min", "ratio", season=144,
                sha256="34ee981d07313e51da2a50bb600072c8ae4a69cb4b0651f4cb93a069d7a2ba63", size=7_235_425,
                licence="not stated", origin="Max Planck Institute for Biogeochemistry, Jena (bgc-jena.mpg.de/wetter)",
                sources=(ITRANSFORMER, SAMFORMER)),
        DataSet("Exchange", "exchange_rate/exchange_rate.csv", "csv", 8, 7_588, "1 day", "ratio", season=7,
                sha256="48b4d9d3d508f5104162e85b9a6042e3557fde11aa9f2944eba8c0d0efc89842", size=637_800,
                licence="not stated", origin=f"{_LSTNET}daily exchange rates", sources=(ITRANSFORMER, SAMFORMER)),
        DataSet("Solar", "Solar/solar_AL.txt", "solar", 137, 52_560, "10 min", "ratio", season=144,
                licence="not stated", origin=f"{_LSTNET}NREL's solar power data for Alabama, 2006",
                sources=(ITRANSFORMER,)),
        DataSet("ECL", "electricity/electricity.csv", "csv", 321, 26_304, "1 h", "ratio", season=24,
                licence="not stated", origin=f"{_LSTNET}UCI ElectricityLoadDiagrams20112014",
                sources=(ITRANSFORMER, SAMFORMER)),
        DataSet("Traffic", "traffic/traffic.csv", "csv", 862, 17_544, "1 h", "ratio", season=24,
                licence="not stated", origin=f"{_LSTNET}{_CALTRANS}", sources=(ITRANSFORMER, SAMFORMER)),
        _pems("PEMS03", 358, 26_208),
        _pems("PEMS04", 307, 16_992),
        _pems("PEMS07", 883, 28_224),
        _pems("PEMS08", 170, 17_856),
        DataSet("toy", None, "linear_pairs", 7, 0, "–", "pairs",
                options={"train": 2048, "validation": 512, "test": 512, "noise": 0.5, "seed": 2402}),
        DataSet("toy_large", None, "linear_pairs", 7, 0, "–", "pairs",
                options={"train": 10_000, "validation": 5000, "test": 2000, "noise": 0.5, "seed": 2402}),
        DataSet("var", None, "var", 7, 12_000, "–", "ratio", season=24,
                options={"radii": [0.995, 0.99, 0.98, 0.97, 0.95, 0.9, 0.8], "periods": [24, 48, 12, 96, 8, 24, 6],
                         "noise": 1.0, "burn_in": 4000, "seed": 2502}),
        DataSet("CIFAR-10", "cifar-10/cifar-10-python.tar.gz", "cifar", 3, 60_000, "–", "given",
                sha256="6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce", size=170_498_071,
                licence="not stated", origin="A. Krizhevsky, 2009 (cs.toronto.edu/~kriz/cifar.html)",
                bounds=(50_000, 50_000, 60_000),
                sources=(Source("https", "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"),)),
        DataSet("Fashion-MNIST", "fashion-mnist", "idx", 3, 70_000, "–", "given", parts=IDX,
                installed="/usr/share/datasets/fashion-mnist", bounds=(60_000, 60_000, 70_000), licence="MIT",
                origin="Xiao, Rasul and Vollgraf, 2017 (github.com/zalandoresearch/fashion-mnist)",
                sources=(Source("https", f"{_ZALANDO}master/data/fashion/"),)),
    )
}  # fmt: skip

GROUPS: dict[str, tuple[str, ...]] = {
    "ETT": ("ETTh1", "ETTh2", "ETTm1", "ETTm2"),
    "PEMS": ("PEMS03", "PEMS04", "PEMS07", "PEMS08"),
}
"""Names for several data sets at once, as `--subset` takes them."""


def recording(name: str) -> str:
    """Of what a data set is, by its name: sets of one recording have the same; a set that shares none has its own name."""
    return (name in DATASETS and DATASETS[name].recording) or name

FILLS = ("previous", "linear", "mask")
"""What may take the place of missing values of one's own data, where the user says so (`options["fill"]`)."""
