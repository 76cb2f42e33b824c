/* Lines and cells as the page shows them: read once from the table, written back cell by cell. */
import { MAX_PRICE, MAX_QUANTITY, format } from "./numbers.js";

const QUANTITY_LOOK = { c: "carried", b: "baseline", e: "entered", u: "uploaded", a: "api", l: "legacy" };
const PRICE_LOOK = { ...QUANTITY_LOOK, m: "carried", p: "carried" };
const ENTERED = "e";
const BLANK = "-";
export const RISK = -1;
// How many characters fit a month's column as it is and at its widest, and the columns of sums (forecasts/grid_html.py).
const [MONTH_FITS, WIDEST, SUM_FITS] = [6, 9, 8];

export class Cell {
  constructor(td, value, source) {
    this.td = td;
    this.value = value; // digits with a point, null for a blank
    this.source = source;
    this.saved = { value, source };
    this.state = ""; // "", dirty, saving, bad
    this.text = ""; // what was typed, while it is not accepted
    this.error = "";
    this.year = td.classList.contains("yr");
    this.selected = false;
    this.current = false;
  }
}

export class Line {
  constructor(tr, grid) {
    const { dataset } = tr;
    this.tr = tr;
    this.grid = grid;
    this.id = Number(dataset.line);
    this.revision = Number(dataset.rev);
    this.status = dataset.status;
    this.live = !tr.classList.contains("is-dormant");
    this.readOnly = "ro" in dataset;
    this.uom = dataset.uom;
    this.base = dataset.base === undefined ? null : Number(dataset.base);
    this.covered = dataset.covered || "";
    this.weight = dataset.weight ? Number(dataset.weight) : null; // of one unit, in kg
    this.worth = dataset.worth === undefined ? null : Number(dataset.worth); // the earlier plan in money
    this.code = tr.querySelector(".code").textContent;
    this.name = tr.querySelector(".name").textContent;
    this.riskCell = tr.querySelector(".g-risk");
    this.risk = this.savedRisk = grid.config.risks.indexOf(this.riskCell.textContent);
    this.next = tr.querySelector(".g-next12");
    this.versus = tr.querySelector(".g-vs");
    this.other = spread(dataset.other, grid.config.horizon);
    this.otherSource = dataset.psource ? dataset.psource.padEnd(grid.config.horizon, dataset.psource[0]) : "";
    const source = dataset.source;
    this.cells = [...tr.querySelectorAll("td.c")].map((td, n) => new Cell(td, valueOf(td), source[n]));
    this.index = -1;
  }

  /* What keeps the line from being submitted, by position: "blank" or "price". */
  problems() {
    const { field, mandatory } = this.grid.config;
    const found = new Map();
    if (!this.live || !field) return found;
    this.cells.forEach((cell, n) => {
      const [quantity, price] = field === "quantity" ? [cell.value, this.other[n]] : [this.other[n], cell.value];
      if (quantity === null) {
        if (n < mandatory) found.set(n, "blank");
      } else if (Number(quantity) > 0 && price === null) found.set(n, "price");
    });
    return found;
  }

  get ready() {
    if (this.status === "submitted" || this.status === "approved") return true;
    return this.status === "draft" && this.live && !this.problems().size;
  }

  paintRisk() {
    if (!this.riskCell.firstElementChild) this.riskCell.textContent = this.grid.config.risks[this.risk];
  }

  /* The words beside the name that depend on the cells. */
  paintPills(problems) {
    const missing = [...problems.values()].includes("price");
    let pill = this.tr.querySelector(".pill-bad");
    if (missing && !pill) {
      pill = document.createElement("span");
      pill.className = "pill pill-bad";
      pill.textContent = "price";
      this.tr.querySelector(".g-prod > div").append(" ", pill);
    } else if (!missing && pill) pill.remove();
    if (this.status === "draft") {
      for (const word of this.tr.querySelectorAll(".pill-warn")) if (word.textContent === "rejected") word.remove();
    }
  }

  paint(n, problems) {
    const cell = this.cells[n];
    const { show, mandatory } = this.grid.config;
    const looks = show === "price" ? PRICE_LOOK : QUANTITY_LOOK;
    let look = looks[cell.source] || "";
    let text = show === "price" ? format(cell.value, 4, 2) : format(cell.value, show === "revenue" ? 0 : 2);
    if (cell.state === "bad") [look, text] = ["bad", cell.text];
    else if (cell.value === null) {
      const missing = problems.get(n) === (show === "price" ? "price" : "blank");
      if (missing) [look, text] = ["missing", "?"];
      else look = n >= mandatory && show === "quantity" ? "optional" : "";
    }
    const names = ["c", look, cell.year && "yr", this.readOnly && this.status === "draft" && "ro"];
    names.push(cell.state !== "bad" && cell.state, cell.selected && "sel", cell.current && "cur");
    cell.td.className = names.filter(Boolean).join(" ");
    this.grid.makeRoom(text);
    // While somebody types in the cell its field stays.
    if (!cell.td.firstElementChild) cell.td.textContent = text;
    if (cell.error) {
      cell.td.title = cell.error;
      cell.td.setAttribute("aria-invalid", "true");
    } else if (cell.td.title) {
      cell.td.removeAttribute("title");
      cell.td.removeAttribute("aria-invalid");
    }
  }

  paintAll() {
    const problems = this.problems();
    this.cells.forEach((_, n) => this.paint(n, problems));
    this.paintPills(problems);
  }

  /* Take over what the server says about the line, but for cells that were typed in since. */
  accept(answer, keep) {
    const { field } = this.grid.config;
    const price = field === "unit_price";
    this.revision = answer.revision;
    this.status = answer.status;
    if (answer.live !== undefined) this.live = answer.live;
    const values = price ? answer.unit_price : answer.quantity;
    const source = price ? answer.price_source : answer.quantity_source;
    this.other = price ? answer.quantity : answer.unit_price;
    if (!price) this.otherSource = answer.price_source;
    this.cells.forEach((cell, n) => {
      cell.saved = { value: values[n], source: source[n] };
      if (keep.has(n)) return;
      cell.value = values[n];
      cell.source = source[n];
      cell.state = cell.text = cell.error = "";
    });
    this.savedRisk = answer.risk_class;
    if (!keep.has(RISK)) {
      this.risk = answer.risk_class;
      if (answer.risk_is_default === false) this.riskCell.classList.remove("carried");
      this.paintRisk();
    }
    this.paintAll();
  }

  /* Put back what the server has, in these cells. */
  revert(columns) {
    for (const n of columns) {
      if (n === RISK) {
        this.risk = this.savedRisk;
        this.paintRisk();
        continue;
      }
      const cell = this.cells[n];
      cell.value = cell.saved.value;
      cell.source = cell.saved.source;
      cell.state = cell.text = cell.error = "";
    }
    this.paintAll();
  }

  type(n, value) {
    const cell = this.cells[n];
    cell.value = value;
    cell.source = value === null ? BLANK : ENTERED;
    cell.state = "dirty";
    cell.text = cell.error = "";
    if (value !== null && this.grid.config.field === "quantity") this.live = true;
    if (this.status === "rejected") this.status = "draft";
  }

  refuse(n, text, error) {
    const cell = this.cells[n];
    cell.state = "bad";
    cell.text = text;
    cell.error = error;
  }
}

export class Model {
  constructor(table, config) {
    this.table = table;
    this.config = config;
    this.fold = table.querySelector(".g-fold");
    this.byId = new Map();
    this.lines = [];
    this.limits =
      config.field === "unit_price" ? { decimals: 4, max: MAX_PRICE } : { decimals: 2, max: MAX_QUANTITY };
    this.read();
  }

  /* Look at the table again after rows came, went or moved. */
  read() {
    this.lines = [...this.table.tBodies[0].querySelectorAll("tr.g-row:not([hidden])")].map((tr) => {
      const id = Number(tr.dataset.line);
      let line = this.byId.get(id);
      if (!line || line.tr !== tr) this.byId.set(id, (line = new Line(tr, this)));
      return line;
    });
    this.lines.forEach((line, index) => (line.index = index));
    this.places = new Map();
  }

  /* {line, n} of a table cell, or null; n is RISK for the risk column. */
  at(td) {
    const tr = td?.closest("tr.g-row");
    const line = tr && this.byId.get(Number(tr.dataset.line));
    if (!line) return null;
    if (td === line.riskCell) return { line, n: RISK };
    const n = td.cellIndex - (this.table.tHead.rows[0].cells.length - this.config.horizon);
    return n >= 0 ? { line, n } : null;
  }

  /* Columns get wider as soon as a longer figure stands in one. */
  makeRoom(month, sum = "") {
    if (month.length > MONTH_FITS) this.table.classList.add(`w${Math.min(month.length, WIDEST)}`);
    if (sum.length > SUM_FITS) this.table.classList.add("long");
  }

  td(line, n) {
    return n === RISK ? line.riskCell : line.cells[n].td;
  }

  /* A line that got its first value stands with the live ones, above the fold. */
  wake(line) {
    if (!line.tr.classList.contains("is-dormant") || !this.fold) return false;
    line.tr.classList.remove("is-dormant");
    this.fold.before(line.tr);
    return true;
  }

  label(line, n) {
    return n === RISK ? `${line.name}, risk class` : `${line.name}, ${this.config.months[n]}`;
  }
}

function valueOf(td) {
  const text = td.dataset.v ?? td.textContent;
  return text === "" || text === "?" ? null : text.replaceAll(",", "");
}

function spread(text, length) {
  const parts = (text ?? "").split(",");
  const values = parts.length === 1 ? Array(length).fill(parts[0]) : parts;
  return values.map((value) => (value === "" ? null : value));
}

