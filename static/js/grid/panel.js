/* What is known of the cell in focus, under the table. */
import { RISK } from "./model.js";
import { format } from "./numbers.js";

const QUANTITY_FROM = {
  c: "carried over from the earlier plan",
  b: "baseline",
  e: "entered",
  u: "uploaded",
  a: "sent by another system",
  l: "from the old workbook",
};
const PRICE_FROM = {
  m: "customer price",
  p: "list price",
  c: "carried over, entered earlier",
  e: "entered",
  u: "uploaded",
  a: "sent by another system",
  l: "from the old workbook",
};

export class Panel {
  constructor(model) {
    this.model = model;
    this.card = document.querySelector("[data-panel]");
    this.heading = document.createElement("h2");
    this.facts = document.createElement("dl");
    this.problem = document.createElement("p");
    this.problem.className = "bad";
    this.link = document.createElement("a");
    this.link.textContent = "History of this line";
    this.card.append(this.heading, this.facts, this.problem, this.link);
  }

  show(line, n) {
    const { config } = this.model;
    this.card.hidden = false;
    this.heading.textContent = n === RISK ? line.name : `${line.name}, ${config.months[n]}`;
    this.link.href = config.line.replace(/0\/$/, `${line.id}/`);
    const rows = [["Product", `${line.code}, counted in ${line.uom}`]];
    const cell = n === RISK ? null : line.cells[n];
    if (cell && config.field) {
      const here = [cell.value, cell.source];
      const there = [line.other[n], line.otherSource[n]];
      const [quantity, price] = config.field === "quantity" ? [here, there] : [there, here];
      rows.push(["Quantity", words(quantity, QUANTITY_FROM, 2, 0, "not answered")]);
      rows.push(["Price", words(price, PRICE_FROM, 4, 2, "no price")]);
    }
    rows.push(["Risk class", config.risks[line.risk]]);
    this.facts.replaceChildren(
      ...rows.map(([term, value]) => {
        const pair = document.createElement("div");
        const dt = document.createElement("dt");
        const dd = document.createElement("dd");
        dt.textContent = term;
        dd.textContent = value;
        pair.append(dt, dd);
        return pair;
      }),
    );
    this.problem.textContent = cell?.error || problem(line.problems().get(n), config, n);
    this.problem.hidden = !this.problem.textContent;
  }
}

function words([value, source], from, places, least, blank) {
  if (value === null || value === undefined) return blank;
  const origin = from[source];
  return format(value, places, least) + (origin ? `, ${origin}` : "");
}

function problem(kind, config, n) {
  const where = { blank: "quantity", price: "price" }[kind];
  const there = where === config.show ? "" : ` in the ${where} view`;
  if (kind === "blank") return `${config.months[n]} must be answered; enter a quantity or 0${there}.`;
  if (kind === "price") return `There is no price for ${config.months[n]}; enter one${there}.`;
  return "";
}
