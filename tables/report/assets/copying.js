// A table as it is shown at this moment, filtered and sorted, as Markdown, LaTeX or CSV.
"use strict";

const Copying = (() => {
  // A head becomes as many columns as its cells have parts: ours, printed, verdict.
  function grid(table) {
    const heads = [...table.tHead.rows[0].cells].map((cell) => text(cell, " "));
    const rows = [...table.tBodies[0].rows].filter((row) => !row.hidden).map((row) => [...row.cells]);
    const parts = heads.map((_, i) => [...new Set(rows.flatMap((row) => partsOf(row[i]).map((part) => part.dataset.part)))]);
    const right = heads.map((_, i) => rows.some((row) => row[i]?.classList.contains("n") || row[i]?.style.textAlign === "right"));
    const columns = heads.flatMap((head, i) => parts[i].length ? parts[i].map((part) => `${head}, ${part}`) : [head]);
    const aligns = heads.flatMap((_, i) => (parts[i].length ? parts[i] : [""]).map((part) => part === "verdict" || !right[i] ? "l" : "r"));
    const lines = rows.map((row) => heads.flatMap((_, i) => {
      if (!parts[i].length) return [text(row[i])];
      return parts[i].map((part) => text(partsOf(row[i]).find((each) => each.dataset.part === part)));
    }));
    return { columns, aligns, lines };
  }

  const partsOf = (cell) => cell ? [...cell.querySelectorAll("[data-part]")] : [];
  function text(cell) {
    if (!cell) return "";
    const copy = cell.cloneNode(true);
    for (const br of copy.querySelectorAll("br")) br.replaceWith(", ");
    return copy.textContent.replace(/\s+/g, " ").trim();
  }

  const escapes = { "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "±": "$\\pm$", "−": "$-$", "√": "$\\surd$",
    "–": "--", "†": "$\\dagger$", "‡": "$\\ddagger$", "§": "\\S{}", "¶": "\\P{}", "◊": "$\\Diamond$", "Δ": "$\\Delta$", "→": "$\\to$", ">": "$>$", "<": "$<$" };
  const latexText = (value) => value.replace(/[\\~^±−√–†‡§¶◊Δ→<>&%$#_{}]/g, (found) => escapes[found] ?? `\\${found}`);
  const latexLine = (cells) => `${cells.map(latexText).join(" & ")} \\\\`;

  const formats = {
    Markdown({ columns, aligns, lines }) {
      const line = (cells) => `| ${cells.map((cell) => cell.replaceAll("\\", "\\\\").replaceAll("|", "\\|")).join(" | ")} |`;
      return [line(columns), line(aligns.map((align) => (align === "r" ? "---:" : "---"))), ...lines.map(line)].join("\n");
    },
    LaTeX({ columns, aligns, lines }) {
      const body = lines.map(latexLine).join("\n");
      return `% needs: \\usepackage{booktabs}\n\\begin{tabular}{${aligns.join("")}}\n\\toprule\n${latexLine(columns)}\n\\midrule\n${body}\n\\bottomrule\n\\end{tabular}`;
    },
    CSV({ columns, lines }) { // a text that a spreadsheet would take for a formula gets an apostrophe, a number does not
      const field = (cell) => {
        const plain = cell.replaceAll("−", "-"), safe = /^[=+@-]/.test(plain) && !/^[+-]?[\d.]+( |$)/.test(plain) ? `'${plain}` : plain;
        return /[",\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
      };
      return [columns, ...lines].map((cells) => cells.map(field).join(",")).join("\n");
    },
  };

  async function toClipboard(content) {
    try {
      await navigator.clipboard.writeText(content);
    } catch { // a page from a disk may have no clipboard of its own: the older way asks for none
      const area = document.createElement("textarea");
      area.value = content;
      document.body.append(area);
      area.select();
      const done = document.execCommand("copy");
      area.remove();
      if (!done) throw new Error("the browser does not let a page copy");
    }
  }

  function offer(table) {
    const say = Charts.element("span", { role: "status" });
    const buttons = Object.keys(formats).map((name) => {
      const button = Charts.element("button", { type: "button" }, name);
      button.addEventListener("click", async () => {
        try {
          await toClipboard(`${formats[name](grid(table))}\n`);
          say.textContent = `copied as ${name}`;
        } catch (error) {
          say.textContent = `not copied: ${error.message}`;
        }
      });
      return button;
    });
    const frame = table.closest(".scroll") ?? table;
    frame.before(Charts.element("div", { class: "copy", role: "group", "aria-label": `Copy ${table.dataset.name ?? "table"}` }, ["Copy as ", ...buttons, say]));
  }

  return { offer, text: (table, format) => formats[format](grid(table)) };
})();
