// Draws a figure, which is data (tables/figures/page_renderer.py), with Observable Plot; it knows nothing of what it shows.
"use strict";

const Charts = (() => {
  const INCH = 104; // pixels: a panel on the page is a little larger than on paper
  const POINT = 1.25; // pixels of a typographic point, at the same scale
  const SERIES = 7;
  const SYMBOLS = { circle: "circle", square: "square2", triangle: "triangle2", diamond: "diamond2", plus: "plus",
    "heavy cross": "star", cross: "times" };
  const DOWN = { draw(context, size) {
    const half = Math.sqrt(size / 2.6);
    context.moveTo(-half, -half * 0.8); context.lineTo(half, -half * 0.8); context.lineTo(0, half); context.closePath();
  } };
  const DARK = 0.75; // the share of a heat map's scale beyond which its texts are white

  const colour = (name) => {
    if (typeof name === "number") return `var(--s${name % SERIES})`;
    return name === "white" ? "var(--page)" : `var(--${name.replace(" ", "-")})`;
  };
  const symbol = (shape) => (shape === "triangle down" ? DOWN : SYMBOLS[shape]);
  const numbers = (values, count) => Array.isArray(values) ? values : Array.from({ length: count }, (_, i) => values.from + i);
  const shown = (value) => Math.abs(value) >= 1e5 ? value.toExponential(2) : String(Number(value.toPrecision(4)));

  function place(axis, value) {
    if (!axis.categories) return shown(value);
    return axis.categories[Math.round(value)] ?? "";
  }

  function points(mark, style, panel) {
    const x = numbers(mark.x, mark.y.length);
    const rows = mark.y.map((y, i) => ({ x: x[i], y, spread: mark.spread?.[i], about: mark.labels?.[i] }));
    const there = rows.filter((row) => row.y !== null);
    const bright = panel.surface && style.colour === "white"; // on a map white is white, in the dark page too
    const tone = bright ? "#fff" : colour(style.colour), width = style.width ?? 1, strokeOpacity = style.opacity ?? 1, marks = [];
    if (style.line && style.line !== "none") {
      const strokeDasharray = style.line === "dashed" ? "5 3" : undefined;
      const strokeWidth = width * POINT; // what lies beyond the axes' limits is cut off, as it is in the pictures
      marks.push(Plot.line(rows, { x: "x", y: "y", stroke: tone, strokeWidth, strokeDasharray, strokeOpacity, clip: true }));
    }
    if (mark.spread) {
      const bars = there.filter((row) => row.spread != null);
      marks.push(Plot.ruleX(bars, { x: "x", y1: (row) => row.y - row.spread, y2: (row) => row.y + row.spread,
        stroke: tone, strokeWidth: width * POINT }));
    }
    if (style.shape) {
      const strokes = style.shape === "cross", filled = style.filled ?? true;
      const dot = { x: "x", y: "y", r: Math.max(1.4, ((style.size ?? 6) / 2) * POINT), symbol: symbol(style.shape), strokeOpacity,
        fill: strokes ? "none" : filled ? tone : "var(--page)", fillOpacity: strokeOpacity };
      if (bright && style.outlined) {
        marks.push(Plot.dot(there, { ...dot, stroke: "#000", strokeWidth: 4 }), Plot.dot(there, { ...dot, stroke: tone, strokeWidth: 2 }));
      } else {
        marks.push(Plot.dot(there, { ...dot, stroke: style.outlined ? "currentColor" : tone, strokeWidth: strokes ? width * POINT : 1.2 }));
      }
    }
    const said = there.map((row) => ({ x: row.x, y: row.y, said: [
      [mark.series, mark.meaning].filter(Boolean).join(": "), row.about,
      `${place(panel.x, row.x)}${panel.x.categories ? "" : ` ${panel.x.label ?? ""}`}: ${shown(row.y)}` +
        (row.spread != null ? ` ± ${shown(row.spread)}` : ""),
    ].filter(Boolean).join("\n") }));
    return [marks, said];
  }

  function arrows(mark, style) {
    const rows = mark.x.map((x, i) => ({ x, start: mark.start[i], end: mark.end[i], about: mark.labels?.[i] }));
    const tone = colour(style.colour), r = ((style.size ?? 6) / 2) * POINT, shape = symbol(style.shape ?? "circle");
    const marks = [
      Plot.link(rows, { x: "x", y1: "start", y2: "end", stroke: tone, strokeWidth: (style.width ?? 1) * POINT }),
      Plot.dot(rows, { x: "x", y: "start", r, symbol: shape, stroke: tone, fill: "var(--page)" }),
      Plot.dot(rows, { x: "x", y: "end", r, symbol: shape, stroke: tone, fill: tone }),
    ];
    const said = rows.map((row) => ({ x: row.x, y: row.end, said: [`${mark.series ?? ""}`, mark.meaning,
      `${shown(row.start)} → ${shown(row.end)}`, row.about].filter(Boolean).join("\n") }));
    return [marks, said];
  }

  function heat(mark) {
    const cells = mark.cells.flatMap((line, y) => line.map((cell, x) => ({ x, y, cell })));
    const box = { x1: (d) => d.x - 0.5, x2: (d) => d.x + 0.5, y1: (d) => d.y - 0.5, y2: (d) => d.y + 0.5 };
    const there = cells.filter((d) => d.cell);
    const marks = [
      Plot.rect(cells.filter((d) => !d.cell), { ...box, fill: "var(--line)" }),
      Plot.rect(there.filter((d) => d.height !== null), { ...box, fill: (d) => d.cell[0] }),
      Plot.text(there, { x: "x", y: "y", text: (d) => d.cell[1],
        fill: (d) => Math.abs(d.cell[0]) > DARK * mark.most ? "white" : "black" }),
    ];
    return [marks, there.map((d) => ({ x: d.x, y: d.y, said: [mark.meaning, d.cell[1], d.cell[2]].filter(Boolean).join("\n") }))];
  }

  function surface(mark) {
    const half = (places, i) => (places[Math.min(i + 1, places.length - 1)] - places[Math.max(i - 1, 0)]) /
      (2 * (Math.min(i + 1, places.length - 1) - Math.max(i - 1, 0)));
    const there = mark.heights.flatMap((line, j) => line.map((height, i) => ({ x: mark.x[i], y: mark.y[j], height,
      x1: mark.x[i] - half(mark.x, i), x2: mark.x[i] + half(mark.x, i),
      y1: mark.y[j] - half(mark.y, j), y2: mark.y[j] + half(mark.y, j) })));
    const marks = [
      Plot.rect(there, { x1: "x1", x2: "x2", y1: "y1", y2: "y2", fill: "height" }),
      Plot.line(contours(mark), { x: "x", y: "y", z: "of", stroke: "#fff", strokeWidth: 0.7 }),
    ];
    return [marks, there.filter((d) => d.height !== null).map((d) => ({ x: d.x, y: d.y, said: `${mark.meaning}\n${shown(d.height)}` }))];
  }

  function contours(mark) { // between the outermost places alone: beyond them d3 closes its rings, where nothing is known
    const [across, down] = [mark.x.length, mark.y.length], found = [];
    const at = (places, grid) => {
      const i = Math.max(0, Math.min(Math.floor(grid - 0.5), places.length - 2));
      return places[i] + (grid - 0.5 - i) * (places[i + 1] - places[i]);
    };
    const inside = ([x, y]) => x >= 0.5 && x <= across - 0.5 && y >= 0.5 && y <= down - 0.5;
    const heights = mark.heights.flat().map((height) => height ?? NaN);
    let of = 0;
    for (const { coordinates } of d3.contours().size([across, down]).thresholds(mark.levels)(heights)) {
      for (const ring of coordinates.flat()) {
        of += 1;
        for (const place of ring) {
          if (inside(place)) found.push({ of, x: at(mark.x, place[0]), y: at(mark.y, place[1]) });
          else of += 1;
        }
      }
    }
    return found;
  }

  function drawn(mark, data, panel) {
    if (mark.kind === "heat") return heat(mark);
    if (mark.kind === "surface") return surface(mark);
    const style = data.styles[mark.style];
    if (mark.kind === "points") return points(mark, style, panel);
    if (mark.kind === "arrows") return arrows(mark, style);
    const rule = mark.across === "x" ? Plot.ruleX : Plot.ruleY;
    const strokeDasharray = style.line === "dashed" ? "5 3" : undefined;
    return [[rule([mark.at], { stroke: colour(style.colour), strokeWidth: (style.width ?? 1) * POINT, strokeDasharray })], []];
  }

  function scale(axis, width, places) {
    const made = { label: axis.label ?? null, labelArrow: "none", grid: true, type: axis.scale ?? "linear" };
    if (axis.scale === "symlog") made.constant = 1;
    if (axis.scale === "log") made.tickFormat = "~g"; // else 0.2 would be 200m
    if (axis.limits) made.domain = axis.limits;
    else made.inset = 7; // so that no bar or mark ends at the edge
    if (axis.categories) {
      const count = axis.categories.length;
      made.domain = axis.limits ?? [-0.5, count - 0.5];
      made.inset = 0;
      made.ticks = d3.range(count);
      made.tickFormat = (i) => axis.categories[i];
    } else if (axis.ticks) {
      made.ticks = axis.ticks;
      made.tickFormat = shown;
    } else if (axis.whole) {
      const [first, last] = axis.limits ?? d3.extent(places);
      made.ticks = d3.ticks(first, last, Math.max(2, Math.round(width / 60))).filter(Number.isInteger);
      made.tickFormat = (value) => String(value).replace("-", "−");
    } else {
      made.ticks = Math.max(3, Math.round(width / 55));
    }
    return made;
  }

  const longest = (axis) => Math.max(0, ...(axis.categories ?? []).map((name) => name.length));

  function panel(of, figure, data) {
    const heights = of.marks.find((mark) => mark.kind === "surface");
    const colouring = heights && `${heights.label}: ${shown(heights.limits[0])} (violet) to ${shown(heights.limits[1])} (yellow)`;
    const remark = of.remark ?? colouring ?? "";
    const head = element("div", {}, [element("strong", {}, of.title ?? ""), element("span", {}, remark)]);
    if (!of.marks.length) return element("div", { class: "panel" }, [head, element("p", {}, "Nothing to show.")]);
    const [across, down] = figure.size, height = Math.max(150, down * INCH), width = Math.max(230, across * INCH);
    const places = of.marks.flatMap((mark) => mark.kind === "points" ? numbers(mark.x, mark.y.length) : []);
    const x = scale(of.x ?? {}, width, places), y = scale(of.y ?? {}, height, []), map = of.marks.find((mark) => mark.kind === "heat");
    const parts = of.marks.map((mark) => drawn(mark, data, { x: of.x ?? {}, y: of.y ?? {}, surface: Boolean(heights) }));
    const said = parts.flatMap(([, texts]) => texts);
    const crowded = (of.x?.categories ?? []).length * longest(of.x ?? {}) * 7 > width;
    if (crowded) x.tickRotate = -40;
    if (map) { x.grid = y.grid = false; y.reverse = true; }
    if (heights) x.inset = y.inset = 0;
    if (heights) x.grid = y.grid = false;
    const colours = heights && { type: heights.scale, scheme: "viridis", domain: heights.limits, clamp: true };
    const color = map ? { type: "diverging", scheme: "PuOr", domain: [-map.most, map.most], clamp: true } : colours;
    const svg = Plot.plot({
      width, height: height + (crowded ? 30 : 0), x, y, ...(color ? { color } : {}), marginTop: 22, marginRight: 14,
      marginLeft: 34 + Math.max(14, longest(of.y ?? {}) * 6.4), marginBottom: crowded ? 40 + longest(of.x) * 4 : 36,
      style: { fontSize: "11px" }, ariaLabel: [figure.title, of.title, heights?.label].filter(Boolean).join(": "),
      marks: [...parts.flatMap(([marks]) => marks), ...(said.length ? [tip(said)] : [])],
    });
    svg.setAttribute("role", "img"); // a picture with one name: its parts have none of their own
    for (const part of svg.querySelectorAll("[aria-label]")) part.removeAttribute("aria-label");
    return element("div", { class: "panel" }, of.title || remark ? [head, svg] : [svg]);
  }

  const tip = (said) => Plot.tip(said, Plot.pointer({ x: "x", y: "y", title: "said", fill: "var(--raised)", stroke: "var(--line)" }));

  function key(name, style) {
    const svg = d3.create("svg").attr("width", 26).attr("height", 14).attr("viewBox", "-13 -7 26 14").attr("aria-hidden", "true");
    const tone = colour(style.colour), filled = style.filled ?? true;
    if (style.line && style.line !== "none") {
      svg.append("line").attr("x1", -12).attr("x2", 12).attr("stroke", tone).attr("stroke-width", (style.width ?? 1) * POINT)
        .attr("stroke-dasharray", style.line === "dashed" ? "5 3" : null);
    }
    if (style.shape) {
      const types = { square: d3.symbolSquare2, triangle: d3.symbolTriangle2, diamond: d3.symbolDiamond2, plus: d3.symbolPlus,
        "heavy cross": d3.symbolStar, cross: d3.symbolTimes, "triangle down": DOWN, circle: d3.symbolCircle };
      const r = Math.min(5, Math.max(1.6, ((style.size ?? 6) / 2) * POINT));
      svg.append("path").attr("d", d3.symbol(types[style.shape], Math.PI * r * r)()).attr("stroke", style.outlined ? "currentColor" : tone)
        .attr("stroke-width", style.shape === "cross" ? (style.width ?? 1) * POINT : 1.2)
        .attr("fill", style.shape === "cross" ? "none" : filled ? tone : "var(--page)");
    }
    return element("li", {}, [svg.node(), name]);
  }

  function element(tag, attributes = {}, content = []) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...(Array.isArray(content) ? content : [content]));
    return made;
  }

  function into(place, figure, data) {
    place.append(element("div", { class: "panels" }, figure.panels.map((of) => panel(of, figure, data))));
    const legend = (figure.legend ?? []).map(([name, style]) => key(name, data.styles[style]));
    if (legend.length) place.append(element("ul", { class: "legend" }, legend));
    const notes = [...(figure.notes ?? []), ...(figure.every ? [`Of long lines one point in ${figure.every} is shown`] : [])];
    if (notes.length) place.append(element("p", { class: "notes" }, `${notes.join(". ")}.`));
  }

  return { into, element };
})();
