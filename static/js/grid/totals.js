/* Sums that follow the typing: of each line, of all lines together, and how many lines are ready. */
import { format, signed } from "./numbers.js";

export class Totals {
  constructor(model) {
    this.model = model;
    this.foot = model.table.tFoot;
    this.pill = document.querySelector("[data-ready]");
    if (this.pill) {
      const [ready, , all] = this.pill.textContent.split(" ");
      this.elsewhere = {
        ready: Number(ready) - model.lines.filter((line) => line.live && line.ready).length,
        all: Number(all) - model.lines.filter((line) => line.live).length,
      };
    }
    this.waiting = new Set();
  }

  /* Compute again before the next frame; `lines` are those whose cells changed. */
  refresh(lines) {
    for (const line of lines) this.waiting.add(line);
    this.frame ??= requestAnimationFrame(() => {
      this.frame = undefined;
      for (const line of this.waiting) this.ofLine(line);
      this.waiting.clear();
      this.ofAll();
      this.ofReady();
    });
  }

  ofLine(line) {
    const { show, mandatory } = this.model.config;
    if (show !== "quantity") return;
    const values = line.cells.map((cell) => Number(cell.value ?? 0));
    let next = 0;
    let compared = 0;
    for (let n = 0; n < mandatory; n += 1) {
      next += values[n];
      if (!line.covered || line.covered[n] === "1") compared += values[n];
    }
    line.next.textContent = line.live ? format(next, 2) : "";
    if (line.base === null) {
      line.versus.textContent = line.live ? "new" : "";
      return;
    }
    this.change(line.versus, compared - line.base, 2);
  }

  change(td, value, places) {
    const text = signed(format(value, places));
    td.textContent = text;
    td.className = `g-vs ${text.startsWith("+") ? "up" : text.startsWith("-") ? "down" : "flat"}`;
  }

  ofAll() {
    const { show } = this.model.config;
    if (show === "revenue") return;
    const lines = this.model.lines.filter((line) => line.live);
    const units = [...new Set(lines.map((line) => line.uom))];
    if (show === "price") for (const uom of units) this.prices(uom, lines);
    else if (units.length < 2) for (const uom of units) this.sums("unit", uom, lines, plain);
    else {
      // Different units are never added; the twin of sop_portal/lib/measures.py.
      this.foot.querySelector('[data-sum="unit"]')?.remove();
      const known = lines.filter((line) => line.weight !== null);
      this.sums("weight", "kg", known, weight);
      this.sums("money", "", lines, money);
      this.weightless(lines.filter((line) => line.weight === null));
    }
  }

  prices(uom, lines) {
    const row = this.row("price", uom);
    const own = lines.filter((line) => line.uom === uom);
    row.months.forEach((td, n) => this.write(td, average(own, n)));
  }

  /* A row of sums. measure: what one cell of a line counts, what the earlier plan of a line held, and the decimals. */
  sums(kind, uom, lines, { cell, before, places }) {
    const { mandatory } = this.model.config;
    const row = this.row(kind, uom);
    const months = row.months.map(() => 0);
    let change = 0;
    let compared = false;
    for (const line of lines) {
      const base = before(line);
      for (let n = 0; n < months.length; n += 1) {
        const value = cell(line, n);
        months[n] += value;
        if (base !== null && n < mandatory && (!line.covered || line.covered[n] === "1")) change += value;
      }
      if (base !== null) {
        change -= base;
        compared = true;
      }
    }
    const shown = (value) => (lines.length ? format(value, places) : "");
    row.months.forEach((td, n) => this.write(td, shown(months[n])));
    const next = shown(months.slice(0, mandatory).reduce((sum, value) => sum + value, 0));
    row.tr.querySelector(".g-next12").textContent = next;
    this.model.makeRoom("", next);
    if (compared) this.change(row.tr.querySelector(".g-vs"), change, places);
  }

  write(td, text) {
    td.textContent = text;
    this.model.makeRoom(text);
  }

  weightless(lines) {
    const note = document.querySelector("[data-weightless]");
    if (!note) return;
    note.hidden = !lines.length;
    note.querySelector("span").textContent = named(lines.map((line) => line.name).sort(), 6);
  }

  /* The row of a sum; made when the first line of its kind got a forecast. */
  row(kind, uom) {
    let tr = [...this.foot.rows].find((other) => other.dataset.sum === kind && other.dataset.uom === uom);
    if (!tr) {
      tr = document.createElement("tr");
      tr.className = "g-total";
      tr.dataset.sum = kind;
      tr.dataset.uom = uom;
      for (const cell of this.model.lines[0].tr.cells) {
        const copy = document.createElement(cell.tagName);
        copy.className = cell.tagName === "TH" ? "g-prod" : cell.className.split(" ")[0];
        if (cell.classList.contains("yr")) copy.classList.add("yr");
        if (cell.tagName === "TH") {
          copy.scope = "row";
          copy.textContent = { price: `Average price, ${uom}`, money: "Total, in money" }[kind] ?? `Total, ${uom}`;
        }
        tr.append(copy);
      }
      this.foot.append(tr);
    }
    return { tr, months: [...tr.querySelectorAll("td.c")] };
  }

  ofReady() {
    if (!this.pill) return;
    const live = this.model.lines.filter((line) => line.live);
    const ready = this.elsewhere.ready + live.filter((line) => line.ready).length;
    const all = this.elsewhere.all + live.length;
    this.pill.textContent = `${ready} of ${all} ready`;
    this.pill.className = `pill ${ready === all ? "pill-ok" : "pill-warn"}`;
  }
}

const amount = (line, n) => Number(line.cells[n].value ?? 0);
const plain = { cell: amount, before: (line) => line.base, places: 2 };
const weight = {
  cell: (line, n) => amount(line, n) * line.weight,
  before: (line) => (line.base === null ? null : line.base * line.weight),
  places: 0,
};
const money = { cell: (line, n) => amount(line, n) * Number(line.other[n] ?? 0), before: (line) => line.worth, places: 0 };

/* As `named` in sop_portal/accounts/formats.py. */
function named(names, most) {
  const shown = names.length > most ? [...names.slice(0, most), `${names.length - most} more`] : names;
  return shown.length < 2 ? shown.join("") : `${shown.slice(0, -1).join(", ")} and ${shown.at(-1)}`;
}

/* The price of a month over lines, weighted by their quantities. */
function average(lines, n) {
  let money = 0;
  let quantity = 0;
  for (const line of lines) {
    const price = line.cells[n].value;
    if (price === null) continue;
    quantity += Number(line.other[n] ?? 0);
    money += Number(line.other[n] ?? 0) * Number(price);
  }
  return quantity ? format(money / quantity, 2, 2) : "";
}
