// What the page does: cells open, the list is searched, filtered and sorted, charts are drawn once they are near.
"use strict";

(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const { element } = Charts;
  const list = document.querySelector("table.cells");

  // Charts
  const draw = (place) => {
    if (place.dataset.drawn) return;
    place.dataset.drawn = "yes";
    Charts.into(place, data.figures[Number(place.dataset.figure)], data);
  };
  const near = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) { near.unobserve(entry.target); draw(entry.target); }
  }, { rootMargin: "600px" });
  const figures = [...document.querySelectorAll("figure.chart")];
  for (const figure of figures) {
    const [across, down] = data.figures[Number(figure.dataset.figure)].size;
    figure.style.minHeight = `${Math.round(down * 104)}px`; // so that nothing jumps when it is drawn
    near.observe(figure);
  }

  // Cells
  const dialog = document.getElementById("cell");
  const body = document.getElementById("cell-body");
  const table = (caption, heads, lines) => {
    const cell = (tag, content, more = {}) => element(tag, more, content instanceof Node ? content : String(content ?? "–"));
    const made = element("table", { "data-name": caption }, [
      element("caption", {}, caption),
      element("thead", {}, element("tr", {}, heads.map((head) => cell("th", head, { scope: "col" })))),
      element("tbody", {}, lines.map((line) => element("tr", {}, line.map((value) => cell("td", value, String(value).length > 32 && !(value instanceof Node) ? { class: "long" } : {}))))),
    ]);
    const frame = element("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": caption }, made);
    return [frame, made];
  };
  function metrics(cell) {
    return table("Ours beside the printed number", ["metric", "ours (n)", "printed", "its look-back", "deviation", "spread", "m", "verdict", "would decide", "where it was read"],
      cell.metrics.map(([title, ours, printed, lookback, source, off, spread, m, kind, words, more]) =>
        [title, ours, printed, lookback || "–", off, spread, m, element("span", { class: `verdict ${kind || "none"}` }, words), more || "–", source || "–"]));
  }
  function seeds(cell) {
    const heads = ["seed", ...cell.metrics.map(([title]) => `test ${title}`), "validation", "best epoch", "epochs", "seconds", "Result", "trained with"];
    return table("Seeds", heads, cell.seeds.map(([seed, values, validation, best, epochs, seconds, digest, environment]) => {
      const of = Object.fromEntries(data.environments[environment]);
      const machine = [of.torch && `torch ${of.torch}`, of.device && of.device !== "cpu" ? of.device : of.processor].filter(Boolean).join(", ");
      return [seed, ...values, validation, best ?? "–", epochs || "not trained", seconds, element("code", {}, digest), machine || "not known"];
    }));
  }
  function open(name) {
    const cell = data.cells[name];
    document.getElementById("cell-title").textContent = name;
    const first = cell.seeds?.length ? `s${cell.seeds[0][0]}` : "s0";
    const made = [metrics(cell), ...(cell.seeds ? [seeds(cell)] : [])];
    const recipe = (cell.recipe ?? []).map((place) => data.values[place]);
    if (recipe.length) made.push(table("Recipe, every value with its source", ["name", "value", "status", "where it was read"], recipe));
    const [[beside], ...others] = made;
    const parts = [beside];
    for (const remark of cell.remarks ?? []) parts.push(element("p", { class: "hint" }, remark));
    if (cell.lost) parts.push(element("p", {}, `Ended without a finite number: seed ${cell.lost.join(", ")}.`));
    if (cell.switches) parts.push(element("p", {}, `Switches of the protocol that change it: ${cell.switches.join(", ")}.`));
    if (others.length && cell.seeds) parts.push(others.shift()[0]);
    const side = element("div", { class: "side" });
    parts.push(side);
    for (const figure of [cell.curves, cell.forecast].filter(Boolean)) {
      const place = element("figure", { class: "chart" }, element("figcaption", {}, figure.name === "forecast" ? "A forecast: the median test window" : figure.title));
      Charts.into(place, figure, data);
      side.append(place);
    }
    for (const [frame] of others) parts.push(frame);
    const size = cell.parameters ? `${cell.parameters.toLocaleString("en")} parameters. ` : "";
    parts.push(element("p", { class: "hint" }, [size, "All of it: ", element("code", {}, `python -m benchmark.show "${name}/${first}"`)]));
    body.replaceChildren(...parts);
    for (const [, each] of made) Copying.offer(each);
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
  }
  let before = "";
  function follow() {
    let name = location.hash.slice(1);
    try { name = decodeURIComponent(name); } catch { /* no name of ours: an anchor as it stands */ }
    if (Object.hasOwn(data.cells, name)) return open(name);
    before = location.hash;
    if (dialog.open) dialog.close();
    document.getElementById(name)?.closest("details")?.setAttribute("open", "");
  }
  dialog.addEventListener("close", () => {
    const { scrollX, scrollY } = window;
    if (location.hash !== before) history.replaceState(null, "", before || location.pathname + location.search);
    window.scrollTo(scrollX, scrollY);
  });
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  document.getElementById("close").addEventListener("click", () => dialog.close());
  window.addEventListener("hashchange", follow);

  // The list: search, filter, sort
  const rows = list ? [...list.tBodies[0].rows] : [];
  const texts = rows.map((row) => [...row.cells].map((cell) => cell.textContent.trim()));
  const form = document.getElementById("filters");
  const heads = list ? [...list.tHead.rows[0].cells].map((cell) => cell.textContent) : [];
  const VERDICT = heads.indexOf("verdict"), DECIDE = heads.indexOf("would decide"), WORDS = [VERDICT, heads.indexOf("data set")];
  const FILTERS = ["paper", "protocol", "data set", "H", "column", "SAM", "verdict"].map((head) => [head, heads.indexOf(head)]);
  const kind = (place, value) => (place === VERDICT ? value.replace(/ [\d.]+ %.*$/, "") : value);
  function filter() {
    const asked = new FormData(form), words = String(asked.get("text")).toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = FILTERS.map(([name, place]) => [place, asked.get(name)]).filter(([, value]) => value);
    let count = 0;
    rows.forEach((row, i) => {
      const all = texts[i].filter((_, place) => place !== DECIDE).join(" ").toLowerCase(); // names and numbers, no sentences
      const fits = wanted.every(([place, value]) => kind(place, texts[i][place]) === value) && words.every((word) => all.includes(word));
      row.hidden = !fits;
      count += fits;
    });
    document.getElementById("shown").textContent = count === rows.length ? `${rows.length} cells.` : `${count} of ${rows.length} cells.`;
  }
  function sort(head, place) {
    const down = head.getAttribute("aria-sort") === "ascending", number = /^[−-]?[\d.]+/;
    for (const other of list.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const value = (i) => { const found = texts[i][place].match(number); return found ? Number(found[0].replace("−", "-")) : null; };
    const isNumber = !WORDS.includes(place) && texts.some((_, i) => value(i) !== null);
    const order = rows.map((_, i) => i).sort((a, b) => {
      if (!isNumber) return (down ? -1 : 1) * texts[a][place].localeCompare(texts[b][place], "en", { numeric: true }) || a - b;
      const x = value(a), y = value(b);
      if (x === null || y === null) return (x === null) - (y === null) || a - b; // what has no number is last either way
      return (down ? y - x : x - y) || a - b;
    });
    list.tBodies[0].append(...order.map((i) => rows[i]));
  }
  if (list) {
    for (const [name, place] of FILTERS) {
      const values = [...new Set(texts.map((text) => kind(place, text[place])))].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
      if (values.length < 2) continue;
      const options = [element("option", { value: "" }, "all"), ...values.map((value) => element("option", { value }, value))];
      form.append(element("label", {}, [name, element("select", { name, "aria-label": name }, options)]));
    }
    form.append(element("button", { type: "reset" }, "Show all"));
    form.hidden = false;
    form.addEventListener("input", filter);
    form.addEventListener("reset", () => setTimeout(filter));
    form.addEventListener("submit", (event) => event.preventDefault());
    [...list.tHead.rows[0].cells].forEach((head, place) => {
      const button = element("button", { type: "button" }, head.textContent);
      button.addEventListener("click", () => sort(head, place));
      head.replaceChildren(button);
    });
    for (const head of ["paper", "protocol", "metric", "H", "L"]) { // they say nothing where all cells have the same; H and L where none has any
      const place = heads.indexOf(head), values = new Set(texts.map((text) => text[place]));
      if (values.size > 1 || ("HL".includes(head) && !values.has("–"))) continue;
      for (const row of [list.tHead.rows[0], ...rows]) row.cells[place].hidden = true;
    }
    filter();
  }
  for (const each of document.querySelectorAll("main table")) Copying.offer(each);

  // Dark or light, and paper
  const theme = document.getElementById("theme");
  theme.hidden = false;
  theme.addEventListener("click", () => {
    const dark = matchMedia("(prefers-color-scheme: dark)").matches, root = document.documentElement;
    root.dataset.theme = (root.dataset.theme ?? (dark ? "dark" : "light")) === "dark" ? "light" : "dark";
  });
  let opened = [];
  window.addEventListener("beforeprint", () => {
    figures.forEach(draw);
    opened = [...document.querySelectorAll("main details:not([open])")];
    for (const each of opened) each.open = true;
  });
  window.addEventListener("afterprint", () => { for (const each of opened) each.open = false; });

  follow();
})();
