/* The forecast grid: keyboard, mouse and clipboard of one table, bound to the modules beside this one. */
import * as clipboard from "./clipboard.js";
import { Editor } from "./editor.js";
import { Keys } from "./keys.js";
import { Model, RISK } from "./model.js";
import { Notices } from "./notices.js";
import { parseNumber, plain } from "./numbers.js";
import { Panel } from "./panel.js";
import { Saver } from "./saver.js";
import { Search } from "./search.js";
import { Selection } from "./selection.js";
import { Totals } from "./totals.js";
import { Undo, contentOf } from "./undo.js";

export class Grid {
  constructor(wrap, config) {
    this.config = config;
    this.wrap = wrap;
    this.table = wrap.querySelector("table.grid");
    this.model = new Model(this.table, config);
    this.undo = new Undo();
    this.totals = new Totals(this.model);
    this.notices = new Notices(this.model, {
      goTo: (line, n) => this.goTo(line, n),
      useMine: (line, mine) =>
        this.write([...mine].map(([n, raw]) => ({ line, n, ...(typeof raw === "string" ? { text: raw } : { value: raw }) }))),
    });
    this.saver = new Saver(this.model, {
      state: (state, at) => this.notices.state(state, at),
      saved: (lines, notes) => this.saved(lines, notes),
      conflict: (line, mine) => {
        this.totals.refresh([line]);
        this.notices.conflict(line, mine);
        this.notices.count();
      },
      refusedCell: (line, n, raw, sentence) => {
        line.refuse(n, String(raw ?? ""), sentence);
        line.paintAll();
        this.notices.count();
        this.notices.say(sentence);
      },
      refusedLine: (line, mine, sentence) => {
        this.lock([line]);
        this.totals.refresh([line]);
        this.notices.refusedLine(line, mine, sentence);
      },
      refused: (sentence) => this.closed(sentence),
    });
    this.panel = new Panel(this.model);
    this.selection = new Selection(this.model, (extend) => this.moved(extend));
    this.editor = new Editor(this.model, this.selection, (line, n, text) => this.typed(line, n, text));
    this.search = new Search(this.model, (first) => this.rowsChanged(first));
    this.keys = new Keys(this);
    this.prepare();
  }

  prepare() {
    this.table.setAttribute("role", "grid");
    this.table.setAttribute("aria-multiselectable", "true");
    this.table.setAttribute("aria-describedby", "grid-hint");
    if (!this.config.field || this.config.readOnly) this.table.setAttribute("aria-readonly", "true");
    this.wrap.removeAttribute("tabindex");
    this.keepClear();
    for (const element of document.querySelectorAll("[data-script-only]")) element.hidden = false;
    this.bindMouse();
    this.bindLeaving();
    this.selection.settle();
    this.fromHash();
    window.addEventListener("hashchange", () => this.fromHash());
  }

  /* There are as many rows of totals as units of measure; a cell brought into view must not hide behind them. */
  keepClear() {
    const foot = this.table.tFoot;
    if (!foot) return;
    const measure = () => (this.wrap.style.scrollPaddingBottom = `${foot.offsetHeight + 9}px`);
    measure();
    new ResizeObserver(measure).observe(foot);
  }

  /* "#l12-2027-03" is a cell, "#l12" a line. */
  fromHash() {
    const match = /^#l(\d+)(?:-(\d{4}-\d{2}))?$/.exec(location.hash);
    const line = match && this.model.byId.get(Number(match[1]));
    if (line && this.model.lines[line.index] === line) this.goTo(line, Math.max(0, this.config.periods.indexOf(match[2])));
  }

  goTo(line, n) {
    this.selection.go(line, n);
  }

  moved(extend) {
    const { line, n } = this.selection.current;
    this.panel.show(line, n);
    if (extend && !this.selection.isOne) {
      const { top, bottom, left, right } = this.selection.block;
      this.notices.say(`${(bottom - top + 1) * (right - left + 1)} cells selected`);
    }
  }

  rowsChanged(first) {
    this.model.read();
    this.selection.settle();
    if (first) this.goTo(first, 0);
  }

  // --- Writing -------------------------------------------------------------------------------------------------------

  /* One cell that somebody typed in; n RISK with a class. */
  typed(line, n, text) {
    if (n === RISK) this.write([{ line, n, value: text }]);
    else this.write([{ line, n, text }]);
    this.notices.changed(line, n);
  }

  /* Put texts as typed, or exact values, into cells; one call is one step of undo. */
  write(edits, { undoing = false } = {}) {
    const step = [];
    const changed = new Set();
    for (const { line, n, text, value } of edits) {
      if (line.readOnly || this.saver.closed) continue;
      const before = contentOf(line, n);
      if (n === RISK) this.risk(line, value);
      else if (text === undefined) this.exact(line, n, value);
      else this.read(line, n, text);
      step.push({ line, n, before, after: contentOf(line, n) });
      changed.add(line);
    }
    if (!undoing) this.undo.note(step);
    let woken = 0;
    for (const line of changed) {
      if (line.live && this.model.wake(line)) {
        woken += 1;
        this.search.less();
      }
      line.paintAll();
    }
    if (woken) {
      this.model.read();
      this.selection.settle();
      this.model.td(this.selection.current.line, this.selection.current.n).scrollIntoView({ block: "nearest" });
    }
    this.totals.refresh(changed);
    this.notices.count();
    this.panel.show(this.selection.current.line, this.selection.current.n);
    this.saver.soon();
    return changed;
  }

  /* Whether nothing can be typed into `line`; if so it is said why. */
  isLocked(line) {
    const locked = line.readOnly || !this.config.field;
    if (locked) this.notices.locked(line);
    return locked;
  }

  edit() {
    if (!this.isLocked(this.selection.current.line)) this.editor.open();
  }

  risk(line, value) {
    line.risk = value;
    line.riskCell.classList.remove("carried");
    line.paintRisk();
    this.saver.queue(line, RISK, value);
  }

  /* A value of our own (undo, emptying): sent as a number, which no locale reads in two ways. */
  exact(line, n, value) {
    const digits = value === null ? null : String(value);
    line.type(n, digits);
    this.saver.queue(line, n, digits === null ? null : Number(digits));
  }

  /* A text as typed: sent as it is, and read here by the same rules so that a slip shows at once. */
  read(line, n, text) {
    const number = parseNumber(text, this.config.mark, this.model.limits);
    if (number.error) {
      line.refuse(n, text, `${this.model.label(line, n)}: ${number.error}`);
      this.saver.drop(line, n);
      return;
    }
    line.type(n, plain(number.digits));
    this.saver.queue(line, n, text);
  }

  clear() {
    const edits = [];
    for (const { line, n } of this.selection.cells()) if (n !== RISK) edits.push({ line, n, value: null });
    const changed = this.write(edits);
    if (!changed.size) this.isLocked(this.selection.current.line);
    else this.notices.say(edits.length === 1 ? "emptied" : `${edits.length} cells emptied`);
  }

  takeBack() {
    const step = this.undo.take();
    if (!step) return this.notices.say("Nothing to undo.");
    this.write(step.edits, { undoing: true });
    const [first] = step.edits;
    if (first) this.goTo(first.line, first.n);
    const words = `${step.edits.length} cell${step.edits.length === 1 ? "" : "s"} undone`;
    const passed = `${step.passed} changed since and stay${step.passed === 1 ? "s" : ""} as ${step.passed === 1 ? "it is" : "they are"}`;
    if (step.passed) this.notices.toast(`${words}; ${passed}.`);
    else this.notices.say(words);
    return undefined;
  }

  paste(text) {
    const { current, isOne } = this.selection;
    if (current.n === RISK && isOne) {
      const risk = this.keys.riskOf(text.trim());
      if (risk !== null) this.typed(current.line, RISK, risk);
      return;
    }
    const rows = clipboard.read(text);
    const { edits, cut, locked } = clipboard.plan(rows, this.selection);
    this.write(edits);
    const bad = edits.filter(({ line, n }) => line.cells[n].state === "bad").length;
    const parts = [`${edits.length} cell${edits.length === 1 ? "" : "s"} pasted`];
    if (cut.lines) parts.push(`${cut.lines} line${cut.lines === 1 ? "" : "s"} did not fit below`);
    if (cut.months) parts.push(`${cut.months} column${cut.months === 1 ? "" : "s"} did not fit to the right`);
    if (locked) parts.push(`${locked} cell${locked === 1 ? " is" : "s are"} read-only`);
    if (bad) parts.push(`${bad} not accepted`);
    const sentence = `${parts.join("; ")}.`;
    if (parts.length > 1) this.notices.toast(sentence);
    else this.notices.say(sentence);
  }

  copy() {
    return clipboard.write(this.selection, this.config.mark);
  }

  // --- What the server said ------------------------------------------------------------------------------------------

  saved(lines, notes) {
    this.totals.refresh(lines);
    this.notices.count();
    if (this.selection.current) this.panel.show(this.selection.current.line, this.selection.current.n);
    // How such texts are read is said in full once; after that it is only heard.
    if (notes.length && this.explained) this.notices.say(notes[0].sentence);
    else if (notes.length) {
      this.explained = true;
      const more = notes.length > 1 ? ` and ${notes.length - 1} more like it` : "";
      this.notices.toast(notes[0].sentence.replace(/\.$/, `${more}.`));
    }
  }

  lock(lines) {
    for (const line of lines) {
      line.readOnly = true;
      line.tr.dataset.ro = "";
      line.paintAll();
    }
  }

  /* Nothing can be saved any more; what was typed is offered back. */
  closed(sentence) {
    const lost = [...this.saver.pending].map(([line, mine]) => `${line.name}: ${this.notices.list(line, [...mine])}`);
    this.lock(this.model.lines);
    const names = `${lost.slice(0, 10).join("; ")}${lost.length > 10 ? "; and more" : ""}`;
    this.notices.note("closed", "bad", `${sentence} Not saved: ${names}.`, [["Reload the page", () => location.reload()]]);
  }

  // --- Mouse and leaving ---------------------------------------------------------------------------------------------

  bindMouse() {
    this.table.addEventListener("pointerdown", (event) => {
      const place = this.model.at(event.target.closest("td"));
      if (!place || event.button !== 0 || event.target.closest(".g-edit, select")) return;
      // The browser would move the focus and select text by itself.
      if (event.pointerType === "mouse") event.preventDefault();
      this.editor.close(true, false);
      this.selection.go(place.line, place.n, { extend: event.shiftKey });
      if (event.pointerType !== "mouse" || place.n === RISK) return;
      this.dragging = true;
      this.table.dataset.dragging = "";
    });
    this.table.addEventListener("mouseover", (event) => {
      const place = this.dragging && this.model.at(event.target.closest("td"));
      if (place && place.n !== RISK) this.selection.go(place.line, place.n, { extend: true });
    });
    window.addEventListener("pointerup", () => {
      this.dragging = false;
      delete this.table.dataset.dragging;
    });
    this.table.addEventListener("dblclick", (event) => {
      if (this.model.at(event.target.closest("td"))) this.edit();
    });
  }

  bindLeaving() {
    window.addEventListener("beforeunload", (event) => {
      if (this.saver.busy || this.notices.bad().length || this.editor.isOpen) event.preventDefault();
    });
    // Going elsewhere by our own links first waits for what is not saved yet.
    document.addEventListener("click", async (event) => {
      const link = event.target.closest("a[data-leave]");
      if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
      this.editor.close(true);
      if (!this.saver.busy) return;
      event.preventDefault();
      await this.saver.flush();
      location.assign(link.href);
    });
  }
}

const wrap = document.querySelector("[data-grid]");
if (wrap?.querySelector("table.grid")) {
  new Grid(wrap, JSON.parse(document.getElementById("grid-config").textContent));
}
