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
    // The Enter that ends a composition says so in Safari by this code alone.
    if (event.isComposing || event.keyCode === 229) return;
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
    const { input, before } = this;
    const { line, n } = this.place;
    this.input = null;
    input.remove();
    if (n === RISK) line.paintRisk();
    else line.paint(n, line.problems());
    if (focus) this.model.td(line, n).focus({ preventScroll: true });
    if (!keep) return;
    if (n !== RISK) {
      const text = input.value.trim();
      if (text !== before) this.commit(line, n, text);
    } else if (Number(input.value) !== line.risk || line.riskCell.classList.contains("carried")) {
      this.commit(line, RISK, Number(input.value));
    }
  }

  choose(line) {
    const select = (this.input = document.createElement("select"));
    this.place = { line, n: RISK };
    select.setAttribute("aria-label", this.model.label(line, RISK));
    this.model.config.risks.forEach((label, value) => select.add(new Option(label, value, false, value === line.risk)));
    line.riskCell.replaceChildren(select);
    select.addEventListener("blur", () => this.close(true, false));
    let stepping = false; // through the classes by arrow keys, with the list closed
    select.addEventListener("keydown", (event) => {
      event.stopPropagation();
      stepping = true;
      const { key, shiftKey } = event;
      if (!["Enter", "Escape", "Tab"].includes(key)) return;
      event.preventDefault();
      this.close(key !== "Escape");
      if (key === "Tab") this.selection.advance(0, shiftKey ? -1 : 1);
      if (key === "Enter") this.selection.advance(1, 0);
    });
    select.addEventListener("pointerdown", () => (stepping = false));
    // Browsers keep the keys of an open list to themselves: what comes without a key was chosen there.
    select.addEventListener("change", () => stepping || this.close(true));
    select.focus();
    try {
      select.showPicker();
    } catch {
      // A picker opens only after a click or a key; the field works without.
    }
    return true;
  }
}
