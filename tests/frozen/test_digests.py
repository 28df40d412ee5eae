"""No digest changes: a store that an earlier version wrote is found again, cell by cell.

Frozen, made by commit 8f7e94c but for TSMixer's quick cells, whose steps follow its memory: `digests.json`
(literal digests by config and key; the checksums that stand for the
data files; one SHA-256 over the whole grid), `keys.txt.gz` (the keys of that grid in order, each with four letters that
tell which line changed), `bounds.json` (steps of quick cells, memory and evaluation batch). Cells that join later break
nothing here; a cell that is gone, or another, is named. What is more of the released code since then is left out of
`released` here (`RELEASED`): the cells of then are found under the switches of then.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import seams

pytestmark = pytest.mark.usefixtures("semantics_2")

FROZEN = Path(__file__).resolve().parent
LITERAL: dict[str, Any] = json.loads((FROZEN / "digests.json").read_text("utf-8"))
BOUNDS: dict[str, Any] = json.loads((FROZEN / "bounds.json").read_text("utf-8"))
OWN = """
datasets:
  mine: {file: mine.csv, step: 1 h, papers: [samformer], horizons: [24]}
recipes:
  samformer: {learning_rate: 1e-3, rho: 0.5, arguments: {blocks: 2, dropout: 0.9, ff_width: 64, season: 24}}
"""
OVERRIDE = """
recipes:
  samformer:
    epochs: 50
    arguments: {width: 32}
  samovar: {lookback: 336}
  toy: {epochs: 2}
"""
MOST_NAMED = 10
RELEASED = {
    "itransformer": "paper+shuffled_truncated_validation",
    "ltsf_linear": "paper+drop_last_test_batch+shuffled_truncated_validation",
    "samformer": "paper+batch_mixed_denorm+epochs_100+fixed_rho_0.7",
    "samovar": "paper+clip_before_unscale+cycled_beta1+last_epoch_weights+void_accumulation",
}
"""What `released` was when these were frozen, of the papers whose released code has more switches today."""


def checksum() -> seams.Checksum:
    return seams.checksums(LITERAL["checksums"], Path())


def own_config(folder: Path) -> Path:
    """A data set of one's own: 960 hours of two channels, and no random generator in it."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        f"2024-{1 + day // 28:02d}-{1 + day % 28:02d} {hour:02d}:00,{day % 7}.{hour},{(day * hour) % 11}"
        for day, hour in product(range(40), range(24))
    ]
    (folder / "mine.csv").write_text("\n".join(["date,left,right", *lines]) + "\n")
    (folder / "own.yaml").write_text(OWN)
    return folder / "own.yaml"


def override_config(folder: Path) -> Path:
    (folder / "override.yaml").write_text(OVERRIDE)
    return folder / "override.yaml"


CONFIGS = {"own": own_config, "override": override_config}


def find(key: str, sums: seams.Checksum, config: tuple[Path, ...] = ()) -> seams.Planned | None:
    """The planned cell of a key, SAM on, off or as its column has it."""
    paper, *parts = key.split("/")
    protocol = parts.pop(0) if parts[0] == "released" or parts[0].startswith("paper+") else "paper"
    protocol = RELEASED.get(paper, protocol) if protocol == "released" else protocol
    profile = parts.pop(0) if parts[0] == "quick" else "paper"
    horizon = next(int(part) for part in parts[1:] if part.isdigit())
    cells = seams.planned(
        sums, config, subset=(parts[0],), papers=(paper,), models=("all",), horizons=(horizon,), sam="both",
        seeds=(int(parts[-1][1:]),), protocol=protocol, profile=profile,
    )  # fmt: skip
    return next((each for each in cells if of_then(each) == key), None)


def of_then(planned: seams.Planned) -> str:
    """A cell's key, with `released` for what that was."""
    then = RELEASED.get(planned.cell.paper)
    return planned.cell.key.replace(f"/{then}/", "/released/") if then else planned.cell.key


@pytest.mark.parametrize("config", LITERAL["digests"])
def test_literal_digests(config: str, tmp_path: Path) -> None:
    own = (CONFIGS[config](tmp_path),) if config else ()
    frozen: dict[str, str] = LITERAL["digests"][config]
    sums = checksum()
    for key, digest in frozen.items():
        found = find(key, sums, own)
        assert found is not None, f"no cell {key} any more"
        assert found.digest == digest, key


def test_the_folder_of_a_data_set_of_ones_own_does_not_matter_its_bytes_and_its_name_do(tmp_path: Path) -> None:
    key, sums = "samformer/mine/24/SAMformer/sam/s0", checksum()
    digest = LITERAL["digests"]["own"][key]
    there = own_config(tmp_path / "some" / "where else")
    found = find(key, sums, (there,))
    assert found is not None and found.digest == digest
    file = there.with_name("mine.csv")
    file.rename(file.with_name("renamed.csv"))
    there.write_text(OWN.replace("mine.csv", "renamed.csv"))
    found = find(key, checksum(), (there,))
    assert found is not None and found.digest == digest, "the file's own name is no part of it"
    there.write_text(OWN.replace("mine.csv", "renamed.csv").replace("  mine:", "  other:"))
    other = find(key.replace("/mine/", "/other/"), checksum(), (there,))
    assert other is not None and other.digest not in (None, digest)
    there.write_text(OWN)
    file.write_text(file.with_name("renamed.csv").read_text() + "2024-02-13 00:00,1,1\n")
    changed = find(key, checksum(), (there,))
    assert changed is not None and changed.digest not in (None, digest)


def frozen_keys() -> list[tuple[str, str]]:
    lines = gzip.decompress((FROZEN / "keys.txt.gz").read_bytes()).decode().splitlines()
    return [(key, short) for key, _, short in (line.rpartition(" ") for line in lines)]


@cache
def todays_grid() -> dict[str, str]:
    """By key the digest, or why there is none, of every cell of every paper, protocol paper and released."""
    papers, datasets = seams.names()
    others = tuple(name for name in papers if name not in RELEASED)
    asked = [("paper", papers), ("released", others), *((then, (paper,)) for paper, then in RELEASED.items())]
    return {
        of_then(each): each.digest or f"refused: {each.refused}"
        for (protocol, of), profile in product(asked, ("paper", "quick"))
        for each in seams.planned(
            checksum(), papers=of, subset=datasets, models=("all",), sam="both", seeds=(0, 1), protocol=protocol,
            profile=profile,
        )
    }  # fmt: skip


def test_every_digest_of_the_grid() -> None:
    today, frozen = todays_grid(), frozen_keys()
    gone = [key for key, _ in frozen if key not in today]
    assert not gone, f"{len(gone)} cells are gone: {', '.join(gone[:MOST_NAMED])}"
    changed = [key for key, short in frozen if hashlib.sha256(today[key].encode()).hexdigest()[: len(short)] != short]
    assert not changed, f"{len(changed)} cells are other ones: {[(key, today[key]) for key in changed[:MOST_NAMED]]}"
    lines = "".join(f"{key} {today[key]}\n" for key, _ in frozen)
    assert hashlib.sha256(lines.encode()).hexdigest() == LITERAL["grid"]


def test_the_checksums_are_those_of_the_registry() -> None:
    known = seams.registry()
    made_up = {name: hashlib.sha256(name.encode()).hexdigest() for name in LITERAL["checksums"]}
    real = {name: value for name, value in LITERAL["checksums"].items() if value != made_up[name]}
    assert len(real) == 6 and real == {name: known[name] for name in real}


def test_quick_cells_take_the_steps_that_they_took() -> None:
    _, datasets = seams.names()
    cells = seams.planned(checksum(), subset=datasets, models=("all",), seeds=(0,), profile="quick")
    today = {each.cell.key.removesuffix("/s0"): seams.most_steps(each) for each in cells if each.recipe}
    frozen: dict[str, int | None] = BOUNDS["steps"]
    assert {key: today.get(key, "gone") for key in frozen} == frozen


@pytest.mark.parametrize("key", BOUNDS["sizes"])
def test_memory_and_evaluation_batch(key: str) -> None:
    found = find(key, checksum())
    assert found is not None and list(seams.sizes(found)) == BOUNDS["sizes"][key]
