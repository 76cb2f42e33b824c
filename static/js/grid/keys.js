/* Which key does what; _grid_keys.html lists them for people. */
import { RISK } from "./model.js";

const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
const ROW_HEIGHT = 27;

export class Keys {
  constructor(grid) {
    this.grid = grid;
    this.leaving = false;
    grid.table.addEventListener("keydown", (event) => this.press(event));
    for (const kind of ["copy", "cut", "paste"]) {
      document.addEventListener(kind, (event) => this.clip(kind, event));
      // WebKit asks before each whether it is possible here, and takes no answer for no: nothing is selected as text.
      document.addEventListener(`before${kind}`, (event) => {
        if (this.isIdle || this.onCell) event.preventDefault();
      });
    }
    document.addEventListener("keydown", (event) => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "s") {
        event.preventDefault();
        this.saveNow();
      } else if (event.key === "?" && !event.target.closest("input, select, textarea, dialog")) {
        event.preventDefault();
        document.getElementById("grid-keys").showModal();
      } else if (isNowhere(event.target) && this.isForCells(event)) {
        // Nothing has the focus yet: what is typed goes where the frame of the current cell is seen.
        this.takeFocus();
        this.press(event);
      }
    });
  }

  /* Whether keys are for the cells, not for a field or link inside the table. */
  get onCell() {
    const { current } = this.grid.selection;
    return current && document.activeElement === this.grid.model.td(current.line, current.n);
  }

  /* Whether nothing has the focus and no text is selected. */
  get isIdle() {
    return Boolean(this.grid.selection.current) && isNowhere(document.activeElement) && getSelection().isCollapsed;
  }

  isForCells({ key, ctrlKey, metaKey, altKey }) {
    if (!this.grid.selection.current || altKey) return false;
    if (ctrlKey || metaKey) return ["z", "a"].includes(key.toLowerCase());
    return /^[0-9.,]$/.test(key) || key in ARROWS || key === "F2";
  }

  takeFocus() {
    const { line, n } = this.grid.selection.current;
    this.grid.model.td(line, n).focus({ preventScroll: true });
  }

  async saveNow() {
    const { editor, saver, notices } = this.grid;
    editor.close(true);
    notices.say((await saver.flush()) ? "Everything is saved" : "Not everything is saved");
  }

  press(event) {
    if (!this.onCell || event.isComposing || event.altKey) return;
    const command = event.ctrlKey || event.metaKey;
    const done = command ? this.command(event) : this.plain(event);
    if (event.key !== "Escape" && event.key !== "Tab" && event.key !== "Shift") this.leaving = false;
    if (done) event.preventDefault();
  }

  command({ key, shiftKey }) {
    const { selection } = this.grid;
    if (ARROWS[key]) selection.jump(...ARROWS[key], shiftKey);
    else if (key === "Home") selection.edge(-1, -1, shiftKey);
    else if (key === "End") selection.edge(1, 1, shiftKey);
    else if (key.toLowerCase() === "a") selection.all();
    else if (key.toLowerCase() === "z" && !shiftKey) this.grid.takeBack();
    else return false;
    return true;
  }

  plain(event) {
    const { key, shiftKey } = event;
    const { selection, editor } = this.grid;
    if (ARROWS[key]) selection.step(...ARROWS[key], shiftKey);
    else if (key === "Home") selection.edge(null, -1, shiftKey);
    else if (key === "End") selection.edge(null, 1, shiftKey);
    else if (key === "PageDown") selection.step(this.screen, 0, shiftKey);
    else if (key === "PageUp") selection.step(-this.screen, 0, shiftKey);
    else if (key === "Tab") return !this.leaving && selection.advance(0, shiftKey ? -1 : 1);
    else if (key === "Escape") this.leaving = true;
    else if (key === "Enter" && selection.current.n !== RISK) selection.advance(shiftKey ? -1 : 1, 0);
    else if (key === "F2" || key === "Enter" || (key === " " && selection.current.n === RISK)) this.grid.edit();
    else if (key === "Delete" || key === "Backspace") this.grid.clear();
    else if (key.length === 1 && key !== "?" && key !== " ") return this.type(key);
    else return false;
    return true;
  }

  type(key) {
    const { line, n } = this.grid.selection.current;
    if (this.grid.isLocked(line)) return true;
    if (n !== RISK) return this.grid.editor.open(key);
    const risk = this.riskOf(key);
    if (risk !== null) this.grid.typed(line, RISK, risk);
    // Nor are other signs for the browser: Firefox would search the page for what follows a slash.
    return true;
  }

  /* The risk class that a digit, a name or its beginning means, or null. */
  riskOf(text) {
    const { risks } = this.grid.config;
    if (/^[0-3]$/.test(text)) return Number(text);
    const found = risks.findIndex((label) => text && label.toLowerCase().startsWith(text.toLowerCase()));
    return found < 0 ? null : found;
  }

  get screen() {
    return Math.max(1, Math.floor(this.grid.wrap.clientHeight / ROW_HEIGHT) - 3);
  }

  clip(kind, event) {
    if (this.isIdle) this.takeFocus();
    if (!this.onCell) return;
    event.preventDefault();
    if (kind === "paste") {
      this.grid.paste(event.clipboardData.getData("text/plain"));
      return;
    }
    event.clipboardData.setData("text/plain", this.grid.copy());
    if (kind === "cut") this.grid.clear();
    else this.grid.notices.say("copied");
  }
}

/* Where the focus is while nothing has it: a click beside everything gives it to the page's main part. */
function isNowhere(element) {
  return element === document.body || Boolean(element?.matches?.("main"));
}
