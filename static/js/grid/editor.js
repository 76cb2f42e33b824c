/* The field that opens in a cell: typing replaces, F2 and a double click change what is there. */
import { RISK } from "./model.js";
import { bare } from "./numbers.js";

export class Editor {
  constructor(model, selection, commit) {
    this.model = model;
    this.selection = selection;
    this.commit = commit; // (line, n, text) after the field closed
    this.input = null;
  }

  get isOpen() {
    return this.input !== null;
  }

  /* text: what was typed to open it; null keeps what the cell holds. */
  open(text = null) {
    const { line, n } = this.selection.current;
    if (line.readOnly || !this.model.config.field) return false;
    if (n === RISK) return this.choose(line);
    const cell = line.cells[n];
    this.place = { line, n };
    this.before = cell.state === "bad" ? cell.text : bare(cell.value, this.model.config.mark);
    this.overwrite = text !== null;
    const input = (this.input = document.createElement("input"));
    input.className = "g-edit";
    input.inputMode = "decimal";
    input.autocomplete = "off";
    input.maxLength = 60;
    input.setAttribute("aria-label", this.model.label(line, n));
    input.value = text ?? this.before;
    cell.td.append(input);
    input.focus();
    if (text === null) input.select();
    input.addEventListener("blur", () => this.close(true, false));
    input.addEventListener("keydown", (event) => this.key(event));
    return true;
  }

  key(event) {
    const { key, shiftKey } = event;
    event.stopPropagation();
    if (event.isComposing) return;
    const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    if (key === "Escape") this.close(false);
    else if (key === "Enter") {
      this.close(true);
      this.selection.advance(shiftKey ? -1 : 1, 0);
    } else if (key === "Tab") {
      this.close(true);
      if (!this.selection.advance(0, shiftKey ? -1 : 1)) return;
    } else if (moves[key] && (this.overwrite || key === "ArrowUp" || key === "ArrowDown")) {
      this.close(true);
      this.selection.step(...moves[key]);
    } else return;
    event.preventDefault();
  }

  close(keep, focus = true) {
    if (!this.input) return;
    const { input, place, before } = this;
    const text = input.value;
    this.input = null;
    input.remove();
    place.line.paint(place.n, place.line.problems());
    if (focus) this.model.td(place.line, place.n).focus({ preventScroll: true });
    if (keep && text.trim() !== before) this.commit(place.line, place.n, text.trim());
  }

  choose(line) {
    const select = document.createElement("select");
    select.setAttribute("aria-label", this.model.label(line, RISK));
    this.model.config.risks.forEach((label, value) => select.add(new Option(label, value, false, value === line.risk)));
    line.riskCell.replaceChildren(select);
    this.input = select;
    this.place = { line, n: RISK };
    const done = (keep) => {
      if (this.input !== select) return;
      this.input = null;
      const risk = Number(select.value);
      select.remove();
      line.paintRisk();
      if (keep && (risk !== line.risk || line.riskCell.classList.contains("carried"))) this.commit(line, RISK, risk);
    };
    select.addEventListener("blur", () => done(true));
    select.addEventListener("keydown", (event) => {
      event.stopPropagation();
      const { key, shiftKey } = event;
      if (!["Enter", "Escape", "Tab"].includes(key)) return;
      event.preventDefault();
      done(key !== "Escape");
      line.riskCell.focus({ preventScroll: true });
      if (key === "Tab") this.selection.advance(0, shiftKey ? -1 : 1);
      if (key === "Enter") this.selection.advance(1, 0);
    });
    select.addEventListener("change", () => {
      if (select.matches(":hover")) done(true);
    });
    select.focus();
    try {
      select.showPicker();
    } catch {
      // A picker opens only after a click or a key; the field works without.
    }
    return true;
  }
}
