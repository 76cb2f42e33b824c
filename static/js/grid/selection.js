/* Which cell is current and which block is selected; moving as in a spreadsheet. One cell of the table takes the tab. */
import { RISK } from "./model.js";

export class Selection {
  constructor(model, onMove) {
    this.model = model;
    this.onMove = onMove;
    this.current = null; // {line, n}
    this.anchor = null;
    this.head = null;
    this.marked = new Set();
  }

  get last() {
    return this.model.config.horizon - 1;
  }

  /* The selected block as {top, bottom, left, right}, in indices of lines and months. */
  get block() {
    const [a, b] = [this.anchor, this.head];
    return {
      top: Math.min(a.line.index, b.line.index),
      bottom: Math.max(a.line.index, b.line.index),
      left: Math.min(a.n, b.n),
      right: Math.max(a.n, b.n),
    };
  }

  get isOne() {
    return this.anchor.line === this.head.line && this.anchor.n === this.head.n;
  }

  /* Every selected cell as {line, n}. */
  *cells() {
    const { top, bottom, left, right } = this.block;
    for (let index = top; index <= bottom; index += 1) {
      for (let n = left; n <= right; n += 1) yield { line: this.model.lines[index], n };
    }
  }

  go(line, n, { extend = false, focus = true } = {}) {
    if (!line) return;
    if (extend) {
      this.head = { line, n: Math.max(n, 0) };
      if (this.anchor.n === RISK) this.anchor = { line: this.anchor.line, n: 0 };
    } else {
      this.anchor = this.head = { line, n };
      this.makeCurrent(line, n);
    }
    this.paint();
    const td = this.model.td(extend ? line : this.current.line, extend ? this.head.n : this.current.n);
    if (focus) this.model.td(this.current.line, this.current.n).focus({ preventScroll: true });
    td.scrollIntoView({ block: "nearest", inline: "nearest" });
    this.onMove(extend);
  }

  makeCurrent(line, n) {
    if (this.current) {
      const old = this.model.td(this.current.line, this.current.n);
      old.removeAttribute("tabindex");
      old.classList.remove("cur");
      this.current.line.tr.classList.remove("is-focus");
      if (this.current.n !== RISK) this.current.line.cells[this.current.n].current = false;
    }
    this.current = { line, n };
    const td = this.model.td(line, n);
    td.tabIndex = 0;
    td.classList.add("cur");
    line.tr.classList.add("is-focus");
    if (n !== RISK) line.cells[n].current = true;
  }

  /* Mark the cells of the block; only what changed is touched. */
  paint() {
    const now = new Set();
    if (!this.isOne && this.anchor.n !== RISK) {
      for (const { line, n } of this.cells()) now.add(line.cells[n]);
    }
    for (const cell of this.marked) {
      if (!now.has(cell)) {
        cell.selected = false;
        cell.td.classList.remove("sel");
      }
    }
    for (const cell of now) {
      if (!cell.selected) {
        cell.selected = true;
        cell.td.classList.add("sel");
      }
    }
    this.marked = now;
  }

  all() {
    const { lines } = this.model;
    if (!lines.length) return;
    this.anchor = { line: lines[0], n: 0 };
    this.head = { line: lines.at(-1), n: this.last };
    this.paint();
    this.onMove(true);
  }

  /* Rows came or went: what is gone is forgotten. */
  settle() {
    const { lines } = this.model;
    const gone = (place) => !place || lines[place.line.index] !== place.line;
    if (!lines.length) {
      this.current = this.anchor = this.head = null;
      return;
    }
    if (gone(this.current)) {
      this.current = null;
      this.go(lines[0], 0, { focus: false });
    } else if (gone(this.anchor) || gone(this.head)) {
      this.anchor = this.head = { ...this.current };
    }
    this.paint();
  }

  /* Move by lines and months; `extend` moves the end of the block. */
  step(lines, months, extend = false) {
    const from = extend ? this.head : this.current;
    const line = this.model.lines[clamp(from.line.index + lines, 0, this.model.lines.length - 1)];
    const least = extend ? 0 : RISK;
    this.go(line, clamp(from.n + months, least, this.last), { extend });
  }

  /* To the edge of the filled cells in a direction, as Ctrl with an arrow does. */
  jump(lines, months, extend = false) {
    let place = extend ? this.head : this.current;
    const filled = (spot) => spot.n !== RISK && spot.line.cells[spot.n].value !== null;
    const after = (spot) => {
      const line = this.model.lines[spot.line.index + lines];
      const n = spot.n + months;
      return line && n >= 0 && n <= this.last ? { line, n } : null;
    };
    let next = after(place);
    if (!next) return;
    const inBlock = filled(place) && filled(next);
    do {
      place = next;
      next = after(place);
    } while (next && (inBlock ? filled(next) : !filled(place)));
    this.go(place.line, place.n, { extend });
  }

  edge(toLine, toMonth, extend = false) {
    const from = extend ? this.head : this.current;
    const { lines } = this.model;
    const line = toLine === null ? from.line : toLine < 0 ? lines[0] : lines.at(-1);
    const n = toMonth === null ? from.n : toMonth < 0 ? 0 : this.last;
    this.go(line, n, { extend });
  }

  /* Tab and Enter: the next cell, within the block when one is selected. False when there is none. */
  advance(lines, months) {
    if (!this.isOne) return this.cycle(lines, months);
    const { line, n } = this.current;
    let index = line.index + lines;
    let month = n + months;
    if (months && month > this.last) [index, month] = [index + 1, 0];
    if (months && month < 0) [index, month] = [index - 1, this.last];
    const next = this.model.lines[index];
    if (!next) return false;
    this.go(next, month);
    return true;
  }

  cycle(lines, months) {
    const { top, bottom, left, right } = this.block;
    const [height, width] = [bottom - top + 1, right - left + 1];
    const [down, over] = [this.current.line.index - top, this.current.n - left];
    const place = months ? down * width + over + months : over * height + down + lines;
    const wrapped = (place + height * width) % (height * width);
    const index = months ? Math.floor(wrapped / width) : wrapped % height;
    const n = months ? wrapped % width : Math.floor(wrapped / height);
    const [anchor, head] = [this.anchor, this.head];
    this.makeCurrent(this.model.lines[top + index], left + n);
    [this.anchor, this.head] = [anchor, head];
    const td = this.model.td(this.current.line, this.current.n);
    td.focus({ preventScroll: true });
    td.scrollIntoView({ block: "nearest", inline: "nearest" });
    this.onMove(false);
    return true;
  }
}

function clamp(value, low, high) {
  return Math.min(Math.max(value, low), high);
}
