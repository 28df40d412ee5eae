"""The page in a real browser: no error, no request, cells open, the list is filtered and sorted, readable by everybody."""

from __future__ import annotations

import re
import shutil
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up import CLAIM, EVIL, PAPER

from benchmark.config.catalogue import Catalogue
from benchmark.config.reader import parse_paper
from benchmark.config.yamlfile import load
from benchmark.data.files import synthetic_sha256
from benchmark.data.registry import DATASETS, DataSet
from benchmark.grid.cells import Selection
from benchmark.grid.plan import plan
from benchmark.judging import printed
from benchmark.store.kept import Kept
from benchmark.store.measured import of_results, write
from benchmark.store.result import Result
from benchmark.store.store import Store
from tables.claims import reader as claims_reader
from tables.claims.evidence import Evidence
from tables.render import read, write_report
from tables.rows.build import rows
from tables.rows.results import Index

pytest_plugins = ("tests.tables.made_up",)

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-component-update",
         "--disable-background-networking", "--disable-sync"]  # fmt: skip
SETS, HORIZONS, SEEDS = 25, (4, 8, 12, 16), 5
"""With four columns, 2,000 Results."""


@dataclass
class Opened:
    """A page, and what it did that it should not have done."""

    page: Any
    amiss: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A context of Debian's chromium that has no network; without a browser the tests are skipped, and say so."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no browser: install Debian's chromium; what the page does is NOT tested")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        profile = tmp_path_factory.mktemp("profile")
        context = driver.chromium.launch_persistent_context(profile, executable_path=path, headless=True, args=FLAGS)
        context.set_offline(True)
        yield context
        context.close()


def opened(browser: Any, path: Path, place: str = "", scheme: str = "light") -> Opened:
    """The page in the browser, with an ear on all that it asks for and says."""
    there = Opened(browser.new_page())
    there.page.emulate_media(color_scheme=scheme)
    there.page.on("console", lambda said: there.amiss.append(f"{said.type}: {said.text}"))
    there.page.on("pageerror", lambda error: there.amiss.append(str(error)))
    there.page.on("request", lambda asked: asked.url.startswith(("file:", "data:")) or there.amiss.append(asked.url))
    there.page.goto(f"{path.as_uri()}{place}")
    return there


@pytest.fixture
def small(made: Any) -> Path:
    """A page of the made-up store, with curves."""
    made.fill()
    made.add(EVIL, 4, "With_SAM", 0.1)
    store = Store(made.results)
    for result in list(store.results()):
        epochs = tuple({"val_mse": 0.5 + (seed + 1) / (i + 2)} for i, seed in enumerate([0] * 12))
        store.write(Result(**{**vars(result), "epochs": epochs, "best_epoch": 12, "seconds": 2.0, "n_params": 100}))
    return write_report(*read(made.catalogue, made.results), made.results)


def test_nothing_is_asked_for_and_every_chart_is_drawn(browser: Any, small: Path, tmp_path: Path) -> None:
    there = opened(browser, small)
    page = there.page
    page.emulate_media(media="print")
    page.pdf(path=tmp_path / "page.pdf")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    count = page.locator("figure.chart").count()
    drawn = page.locator("figure.chart:has(svg[role=img])").count()
    assert there.amiss == [] and drawn == count > 5, "on paper all are drawn"
    assert page.evaluate("document.querySelectorAll('main details:not([open])').length") == 0, "and nothing is folded away"
    assert "NaN" not in page.evaluate("[...document.querySelectorAll('svg')].map((svg) => svg.outerHTML).join()")
    page.close()


def test_a_cell_opens_by_key_by_click_and_by_address(browser: Any, small: Path) -> None:
    there = opened(browser, small)
    page = there.page
    link = page.locator("table.own a.cell").first
    link.focus()
    page.keyboard.press("Enter")
    dialog = page.locator("dialog")
    dialog.locator("svg[role=img]").wait_for()
    assert page.locator("#cell-title").inner_text() == "made/toy/4/With_SAM/sam"
    text = dialog.inner_text()
    for said in ("reproduced", "0.3810", "0.4810", "learning_rate", "verified", "Learning curves", "benchmark.show"):
        assert said in text, said
    page.keyboard.press("Escape")
    assert not dialog.is_visible() and page.evaluate("document.activeElement.className") == "cell"
    page.close()
    there = opened(browser, small, "#made/a_b%20%26%2050%25%23%3C1/8/Plain")
    assert "Ended without a finite number: seed 0" in there.page.locator("dialog").inner_text()
    there.page.get_by_role("button", name="Close").click()
    assert not there.page.locator("dialog").is_visible() and there.amiss == []
    there.page.close()


def test_the_list_is_searched_filtered_and_sorted(browser: Any, small: Path) -> None:
    from playwright.sync_api import expect

    page = opened(browser, small).page
    shown = page.locator("table.cells tbody tr:visible")
    everything = shown.count()
    page.get_by_label("Search").fill("toy 4 plain")
    assert 0 < shown.count() < everything
    assert page.locator("#shown").inner_text() == f"{shown.count()} of {everything} cells."
    assert all("toy" in text and "Plain" in text for text in shown.all_inner_texts())
    page.get_by_role("button", name="Show all").click()
    expect(shown).to_have_count(everything)  # waits; a string to wait for would be evaluated, which the page forbids
    page.get_by_label("verdict", exact=True).select_option("reproduced")
    assert shown.count() == 2 and all("reproduced" in text for text in shown.all_inner_texts())
    page.get_by_label("verdict", exact=True).select_option("")
    head = page.get_by_role("button", name="printed")
    head.click()
    assert page.locator("th[aria-sort=ascending]").count() == 1 and "0.100" in shown.first.inner_text()
    head.click()
    assert "0.600" in shown.first.inner_text()
    page.close()


def test_a_table_is_copied_as_it_is_shown(browser: Any, small: Path) -> None:
    page = opened(browser, small).page
    text = "(format) => Copying.text(document.querySelector('table.own'), format)"
    markdown, latex, csv = (page.evaluate(text, format) for format in ("Markdown", "LaTeX", "CSV"))
    heads = [f"{column}, {part}" for column in ("With_SAM", "Plain") for part in ("ours", "printed", "verdict")]
    assert markdown.splitlines()[0] == f"| data set | H | {' | '.join(heads)} |"
    assert markdown.splitlines()[2].startswith("| toy | 4 | 0.380 ± 0.001 | 0.380 | reproduced | 0.450 ± 0.000 § |")
    assert r"toy & 4 & 0.380 $\pm$ 0.001 & 0.380 & reproduced &" in latex and r"a\_b \& 50\%\#$<$1 &" in latex
    assert csv.splitlines()[1].startswith("toy,4,0.380 ± 0.001,0.380,reproduced,")
    group = page.get_by_role("group", name="Copy made").first
    group.get_by_role("button", name="Markdown").click()
    group.get_by_text("copied as Markdown").wait_for()
    page.get_by_label("Search").fill("no such cell")
    rest = page.evaluate("Copying.text(document.querySelector('table.cells'), 'CSV')")
    assert len(rest.splitlines()) == 1, "what is filtered out is not copied"
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nobody_is_shut_out(browser: Any, small: Path, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page = opened(browser, small, scheme=scheme).page
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")  # all charts, nothing folded away
    rules = {"resultTypes": ["violations"]} | ({} if scheme == "light" else {"runOnly": ["color-contrast"]})
    serious(Axe().run(page, {"exclude": [["svg *"]]}, rules))  # a chart is one picture with one name
    page.locator("table.own a.cell").first.click()
    serious(Axe().run(page, {"include": [["dialog"]], "exclude": [["svg *"]]}, rules))
    page.close()


def serious(found: Any) -> None:
    bad = [each for each in found.response["violations"] if each["impact"] in ("serious", "critical")]
    assert not bad, [(each["id"], each["help"], [node["html"][:200] for node in each["nodes"][:3]]) for each in bad]


BOXES = """() => [...document.querySelectorAll('figure.chart svg')].flatMap((svg) => {
  const boxes = (parts) => [...svg.querySelectorAll(parts)].map((each) => each.getBBox());
  const ends = (parts) => boxes(parts).map((box) => [box.x, box.x + box.width]);
  const lines = ends('g[stroke="#fff"] path:not([transform])');
  return lines.length ? [[ends('rect'), lines]] : [];
})"""
"""Of each map: from where to where its cells reach, and its lines."""


def test_lines_of_equal_loss_end_where_the_surface_was_looked_at(browser: Any, made: Any, small: Path) -> None:
    look(made.results, read(made.catalogue, made.results)[0])
    there = opened(browser, write_report(*read(made.catalogue, made.results), made.results)).page
    there.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    maps = there.evaluate(BOXES)
    assert maps
    for cells, lines in maps:
        left, right, half = min(cells)[0], max(end for _, end in cells), (cells[0][1] - cells[0][0]) / 2
        assert all(left + half - 1 < start and end < right - half + 1 for start, end in lines)
    there.close()


def test_on_a_telephone_the_page_is_read_without_scrolling_sideways(browser: Any, small: Path) -> None:
    there = opened(browser, small).page
    there.set_viewport_size({"width": 390, "height": 844})
    longer = "for (const head of document.querySelectorAll('h2, h3')) head.append('a_long_name'.repeat(9))"
    there.evaluate(longer)
    assert there.evaluate("document.documentElement.scrollWidth") == 390
    there.close()


def test_two_thousand_results_are_five_megabytes_and_open_in_two_seconds(
    browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = many(tmp_path, monkeypatch)
    assert path.stat().st_size < 5_000_000
    there = opened(browser, path)
    there.page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
    asked = there.page.context.new_cdp_session(there.page)
    asked.send("Performance.enable")
    found = {each["name"]: each["value"] for each in asked.send("Performance.getMetrics")["metrics"]}
    assert found["ProcessTime"] < 2, "of the page's own process, since others work on this machine"
    assert there.page.locator("table.cells tbody tr").count() == 400 and there.amiss == []
    inside = there.page.locator("#analysis")
    assert inside.locator("figure.chart").count() > 5 and "more would make the page too large" in inside.inner_text()
    there.page.close()
    there = opened(browser, path, "#analysis")
    there.page.locator("#analysis figure.chart svg[role=img]").first.wait_for()
    ticks = there.page.locator("#analysis figure.chart svg text").all_text_contents()
    assert any(re.fullmatch(r"0\.\d", tick) for tick in ticks), ticks
    assert not any(re.fullmatch(r"\d+m", tick) for tick in ticks), "a log axis says 0.2, and not 200m"
    there.page.close()


def many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The page of 2,000 made-up Results: of 400 cells five seeds each, 80 epochs long, and a forecast of 96 steps each;
    seed 0 of every cell has been looked into."""
    toy = DATASETS["toy"]
    names = [f"set{i}" for i in range(SETS)]
    datasets = {name: DataSet(name, None, "linear_pairs", 3, 0, "–", "pairs", options=toy.options) for name in names}
    wider = "  Wider:\n    like: With_SAM\n    main: true"
    text = PAPER.replace("datasets: [toy, 'a_b & 50%#<1']", f"datasets: {names}").replace(
        "  Wider:\n    like: With_SAM", wider
    )
    text = text.replace("value: [4, 8]", f"value: {list(HORIZONS)}").replace("value: 3, source", f"value: {SEEDS}, source")
    widest = wider.replace("Wider", "Widest") + "\n    arguments:\n      width: {value: 16, source: test, status: ours}\n"
    text = text.replace("switches:", f"{widest}switches:")
    (tmp_path / "published").mkdir()
    lines = [f"made,Table 1,{name},16,{h},{model},mse,0.4,,verified,paper"
             for name in names for h in HORIZONS for model in ("With_SAM", "Plain")]  # fmt: skip
    head = "paper,table,dataset,lookback,horizon,model,metric,value,std,status,provenance"
    (tmp_path / "published/made.csv").write_text("\n".join([head, *lines, ""]))
    (tmp_path / "many.yaml").write_text(text)
    (tmp_path / "claims.yaml").write_text(CLAIM)
    monkeypatch.setattr(printed, "CONFIG_DIR", tmp_path)
    monkeypatch.setattr(claims_reader, "CLAIMS", tmp_path / "claims.yaml")
    paper = parse_paper(load(tmp_path / "many.yaml"), tuple(datasets))
    catalogue = Catalogue({"made": paper}, datasets, {})
    found = Index.of(results(catalogue))
    forecasts(tmp_path / "forecasts", found)
    look(tmp_path, found)
    measured, amiss = of_results(tmp_path, found.done)
    assert len(measured) == 400 and not amiss
    assert len(found.done) == 2000
    rows_of = {"made": {("paper", "paper"): rows(catalogue, paper, found, "paper", "paper")}}
    path = write_report(found, Evidence(catalogue, rows_of, measured), tmp_path)
    return path


def results(catalogue: Catalogue) -> Iterator[Result]:
    """One of every cell, in memory alone."""
    random = np.random.default_rng(0)
    selection = Selection(papers=("made",), seeds=tuple(range(SEEDS)))
    for planned in plan(catalogue, selection, synthetic_sha256):
        assert planned.digest is not None, planned.refused
        curve = array("d", 0.4 + random.random(80) / 10)
        epochs = tuple({"train_loss": value, "val_mse": value} for value in curve)
        mse = float(0.4 + random.normal() / 50)
        metrics = {"test_mse": mse, "test_mae": mse, "val_mse": mse, "val_mae": mse}
        sha256 = synthetic_sha256(catalogue.datasets[planned.cell.dataset])
        environment = {"torch": "2.13.0+cpu", "processor": "a processor", "device": "cpu", "python": "3.11.7"}
        yield Result(planned.cell.key, planned.digest, "done", dict(vars(planned.cell)), metrics=metrics, epochs=epochs,
                     best_epoch=40, n_params=1000, seconds=30.0, data_sha256=sha256, environment=environment)  # fmt: skip


def forecasts(folder: Path, found: Index) -> None:
    """What seed 0 of every cell has kept."""
    folder.mkdir()
    random = np.random.default_rng(1)
    for digest in (digest for digest, seed in found.seed.items() if seed == 0):
        past, truth, forecast = (random.normal(size=(3, steps, 1)) for steps in (512, 96, 96))
        np.savez(folder / f"{digest}.npz", past=past, truth=truth, forecast=forecast, mse=np.ones(3), window=np.arange(3))


def look(root: Path, found: Index) -> None:
    """What analysis has found in seed 0 of every cell."""
    random = np.random.default_rng(2)
    places = np.linspace(-1, 1, 20)
    for digest in (digest for digest, seed in found.seed.items() if seed == 0):
        top = np.exp(random.uniform(np.log(0.1), np.log(2)))
        ends = {"lambda_max": top, "lambda_min": -top / 10, "trace": 100 * top, "trace_error": 1.0, "windows": 64}
        bowl = places[:, None] ** 2 + places**2 + 0.1 * random.random((20, 20))
        surface = {"x": places, "y": places, "loss": bowl, "centre": 0.4, "windows": 64, "split": "validation"}
        for command, arrays in (("sharpness", ends | {"split": "train"}), ("landscape", surface)):
            named = {name: np.array(value) for name, value in arrays.items()}
            write(Kept(root, digest).analysis / f"{command}.npz", {"metrics": found.done[digest]}, named)
