/* Sums that follow the typing: of each line, of each unit of measure, and how many lines are ready. */
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
    this.change(line.versus, compared - line.base);
  }

  change(td, value) {
    const text = signed(format(value, 2));
    td.textContent = text;
    td.className = `g-vs ${text.startsWith("+") ? "up" : text.startsWith("-") ? "down" : "flat"}`;
  }

  ofAll() {
    const { show, horizon } = this.model.config;
    if (show === "revenue") return;
    const groups = new Map();
    for (const line of this.model.lines) {
      if (!line.live) continue;
      if (!groups.has(line.uom)) groups.set(line.uom, []);
      groups.get(line.uom).push(line);
    }
    for (const [uom, lines] of groups) {
      const row = this.row(uom);
      for (let n = 0; n < horizon; n += 1) {
        const text = show === "price" ? average(lines, n) : sum(lines, n);
        row.months[n].textContent = text;
        this.model.makeRoom(text);
      }
      if (show === "quantity") this.sides(row, lines);
    }
  }

  sides(row, lines) {
    const { mandatory } = this.model.config;
    let next = 0;
    let change = 0;
    let compared = false;
    for (const line of lines) {
      for (let n = 0; n < mandatory; n += 1) {
        const value = Number(line.cells[n].value ?? 0);
        next += value;
        if (line.base !== null && (!line.covered || line.covered[n] === "1")) change += value;
      }
      if (line.base !== null) {
        change -= line.base;
        compared = true;
      }
    }
    row.tr.querySelector(".g-next12").textContent = format(next, 2);
    this.model.makeRoom("", format(next, 2));
    if (compared) this.change(row.tr.querySelector(".g-vs"), change);
  }

  /* The row of a unit of measure; made when the first line of the unit got a forecast. */
  row(uom) {
    let tr = [...this.foot.rows].find((candidate) => candidate.dataset.uom === uom);
    if (!tr) {
      const line = this.model.lines.find((candidate) => candidate.uom === uom);
      tr = document.createElement("tr");
      tr.className = "g-total";
      tr.dataset.uom = uom;
      for (const cell of line.tr.cells) {
        const copy = document.createElement(cell.tagName);
        copy.className = cell.tagName === "TH" ? "g-prod" : cell.className.split(" ")[0];
        if (cell.classList.contains("yr")) copy.classList.add("yr");
        if (cell.tagName === "TH") {
          copy.scope = "row";
          copy.textContent = `Total, ${uom}`;
        }
        tr.append(copy);
      }
      this.foot.append(tr);
    }
    return { tr, months: tr.querySelectorAll("td.c") };
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

function sum(lines, n) {
  return format(
    lines.reduce((total, line) => total + Number(line.cells[n].value ?? 0), 0),
    2,
  );
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
