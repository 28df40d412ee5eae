"""The paper's protocol and the switches of its released code, side by side: what one departure is worth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from benchmark.config.paper import Paper
from benchmark.errors import counted
from benchmark.grid.plan import in_order, switches_of
from benchmark.judging.verdict import LEAST_SEEDS
from tables.layout.markdown import HOLE, LEGEND, escape, marks, number, printed, spread
from tables.numbers import fixed
from tables.pipe import pipe
from tables.rows.row import Row

Key = tuple[str, int, str, bool]
"""Data set, horizon, column, SAM."""
RowsByKind = Mapping[tuple[str, str], Sequence[Row]]
"""The rows of each protocol and profile of a paper."""

INTRODUCTION = (
    "What each departure of a paper's released code from its text is worth, as measured here. Test {metrics}, mean ± "
    "sample standard deviation (n seeds). Δ: difference of the means, before rounding, to protocol `paper`. "
    "`=`: none of the protocol's switches changes this cell, so it is the same training. Nearest: the protocol whose mean, "
    "as shown, lies nearest to a printed number that can be compared (same look-back, not quoted). That is a measured "
    "distance; which protocol the paper's own runs followed is not known."
)


def document(papers: Iterable[tuple[Paper, RowsByKind]]) -> str:
    """A table a paper and profile that has Results of any protocol but `paper`, then what the paper's switches are."""
    papers = list(papers)
    told = [paper for paper, rows_of in papers if any(protocol != "paper" for protocol, _ in rows_of)]
    shown = dict.fromkeys(paper.metric for paper in told or [paper for paper, rows_of in papers if rows_of])
    metrics = " and ".join(f"{metric.title} {metric.scale}" for metric in shown)
    parts = ["# Protocols side by side", INTRODUCTION.format(metrics=metrics)]
    for paper, rows_of in papers:
        for profile in sorted({profile for _, profile in rows_of}):
            of_profile = {name: rows for (name, p), rows in rows_of.items() if p == profile}
            if set(of_profile) - {"paper"}:
                parts += _section(paper, profile, of_profile)
        if any(name != "paper" for name, _ in rows_of):
            parts.append("\n".join(switches(paper)))
    if len(parts) == 2:
        parts.append("The store has no Result of another protocol than `paper`.")
    text = "\n".join(parts)
    legend = [line for mark, line in LEGEND.items() if mark in text]
    return "\n\n".join([*parts, *(["\\\n".join(legend)] if legend else [])]) + "\n"


def _section(paper: Paper, profile: str, rows_of: Mapping[str, Sequence[Row]]) -> list[str]:
    """Heading, table, the count of what lies nearest."""
    others = in_order(paper, rows_of.keys() - {"paper"})
    cells = {name: {_key(r): r for r in rows if r.key.metric == paper.metric.name} for name, rows in rows_of.items()}
    cells.setdefault("paper", {})
    keys = _keys(paper, cells)
    smoke = "" if profile == "paper" else f" (profile {profile}: a smoke run that says nothing about the paper)"
    parts = [f"## {paper.name}{smoke}"]
    nearest: dict[Key, list[str]] = {}
    steps = ["H"] if "horizon" in paper.axes else []
    lines = [_line(key, cells, others, nearest) for key in keys]
    heads = ["data set", *steps, "column", "SAM", "printed", "paper"]
    for name in others:
        heads += [escape(name), "Δ"]
    align = (
        ["left", *("right" for _ in steps), "left", "left", "right", "right"] + ["right", "right"] * len(others) + ["left"]
    )
    parts.append(pipe(lines, [*heads, "nearest"], align))
    if nearest:
        counts = ", ".join(f"{escape(n)} {sum(n in names for names in nearest.values())}" for n in ["paper", *others])
        few = sum(any(0 < r.ours.n < LEAST_SEEDS for of in cells.values() if (r := of.get(key))) for key in nearest)
        less = f" ({few} of them with fewer than {LEAST_SEEDS} seeds under one of these)" if few else ""
        among = counted(len(nearest), "cell")
        parts.append(f"Nearest to the printed number, of {among} with more than one protocol{less}: {counts}.")
    return parts


def _key(row: Row) -> Key:
    return row.key.dataset, row.key.horizon, row.key.model, row.key.sam


def _keys(paper: Paper, cells: Mapping[str, Mapping[Key, Row]]) -> list[Key]:
    """The cells that any protocol has a Result of, in the order of the recipe."""
    found = {key for rows in cells.values() for key, row in rows.items() if row.ours.n}
    columns = list(paper.columns)
    return sorted(found, key=lambda k: (paper.datasets.index(k[0]), k[1], columns.index(k[2]), not k[3]))


def _line(
    key: Key, cells: Mapping[str, Mapping[Key, Row]], others: Sequence[str], nearest: dict[Key, list[str]]
) -> list[str]:
    """One row of the table; what lies nearest, where that can be said, is added to `nearest`."""
    base = cells["paper"].get(key)
    rows = {name: row for name in ("paper", *others) if (row := cells[name].get(key)) and row.ours.n}
    number_of = next((r for r in (base, *rows.values()) if r and r.printed is not None), None)
    dataset, horizon, model, sam = key
    line = [escape(dataset), *([str(horizon)] if horizon else []), escape(model), "on" if sam else "off",
            printed(number_of) if number_of else HOLE, _measured(rows.get("paper"))]  # fmt: skip
    for name in others:
        row = rows.get(name)
        same = row is not None and not row.switches
        line += ["=", HOLE] if same else [_measured(row), _difference(row, rows.get("paper"))]
    trained = {n: r for n, r in rows.items() if n == "paper" or r.switches}
    comparable = all(r.comparison.verdict != "not comparable" for r in trained.values())
    names = _nearest(trained, number_of.printed.value) if number_of and number_of.printed is not None and comparable else []
    if names:
        nearest[key] = names
    return [*line, ", ".join(map(escape, names)) or HOLE]


def _measured(row: Row | None) -> str:
    if row is None:
        return HOLE
    return spread(row) + marks(row)


def _difference(row: Row | None, base: Row | None) -> str:
    """Signed, with three digits; a dash where one of the two is missing."""
    if row is None or base is None or row.ours.mean is None or base.ours.mean is None:
        return HOLE
    text = number(row.ours.mean - base.ours.mean)
    return text if text.startswith("−") or float(text) == 0 else "+" + text


def _nearest(rows: Mapping[str, Row], value: float) -> list[str]:
    """The protocols whose shown mean is nearest to a printed number; all of a tie; none of fewer than two."""
    shown = {name: fixed(row.ours.mean) for name, row in rows.items()}
    distance = {name: round(abs(float(text) - value), 6) for name, text in shown.items() if text is not None}
    if len(distance) < 2:
        return []
    least = min(distance.values())
    return [name for name, d in distance.items() if d == least]


def switches(paper: Paper) -> list[str]:
    """The legend: every switch of the paper with its source, and what `released` is made of."""
    lines = [
        f"- {escape(s.name)}: {escape(s.what)} (source: {escape(s.source)}; {escape(s.status)})"
        for s in paper.switches.values()
    ]
    released = " + ".join(map(escape, switches_of(paper, "released")))
    return [*lines, f"- released: {released}"] if released else lines
