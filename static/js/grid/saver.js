/* Saves as one types: short waits, one request at a time, per line with the revision its author saw.
   What the server does not take is told to `events`; nothing typed is forgotten before it is saved. */
import { RISK } from "./model.js";

const WAIT = 600;
const LONGEST_WAIT = 30000;
const MOST_LINES = 1000;

export class Saver {
  constructor(model, events) {
    this.model = model;
    this.events = events;
    this.pending = new Map(); // line -> Map(column -> raw)
    this.flying = new Map();
    this.uncertain = new Map(); // line -> Map(column -> value) of requests whose answer never came
    this.failures = 0;
    this.state = "";
    this.savedAt = null;
    this.closed = false;
    this.token = document.querySelector('meta[name="csrf-token"]').content;
    window.addEventListener("online", () => this.pending.size && this.now());
    window.addEventListener("focus", () => this.state === "signed-out" && this.now());
    document.addEventListener("visibilitychange", () => document.hidden && this.pending.size && this.now());
  }

  get busy() {
    return this.pending.size > 0 || this.flying.size > 0;
  }

  /* raw: text as typed, an exact number, null, or a risk class for RISK. */
  queue(line, n, raw) {
    if (!this.pending.has(line)) this.pending.set(line, new Map());
    this.pending.get(line).set(n, raw);
  }

  drop(line, n) {
    const columns = this.pending.get(line);
    columns?.delete(n);
    if (columns && !columns.size) this.pending.delete(line);
  }

  soon() {
    if (!this.pending.size || this.closed) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.send(), WAIT);
    if (!this.flying.size && !this.failures) this.show("dirty");
  }

  now() {
    clearTimeout(this.timer);
    return this.send();
  }

  /* Resolves when nothing waits any more; false when something could not be saved. */
  async flush() {
    for (let turn = 0; turn < 20 && this.busy && !this.closed; turn += 1) {
      await (this.running ?? this.now());
      if (this.failures) return false;
    }
    return !this.busy;
  }

  send() {
    if (this.running || !this.pending.size || this.closed) return this.running ?? Promise.resolve();
    this.running = this.post().finally(() => {
      this.running = null;
      if (this.failures) this.retry();
      else if (this.pending.size) this.now();
    });
    return this.running;
  }

  retry() {
    if (!this.pending.size || this.closed) return;
    clearTimeout(this.timer);
    const wait = this.retryAfter ?? Math.min(1000 * 2 ** (this.failures - 1), LONGEST_WAIT);
    this.retryAfter = undefined;
    this.timer = setTimeout(() => this.send(), wait);
  }

  async post() {
    const { field, periods } = this.model.config;
    const batch = [...this.pending.entries()].slice(0, MOST_LINES);
    const edits = batch.map(([line, columns]) => {
      const edit = { line: line.id, revision: line.revision };
      for (const [n, raw] of columns) {
        if (n === RISK) edit.risk_class = raw;
        else (edit[field] ??= {})[periods[n]] = raw;
      }
      return edit;
    });
    const sent = new Map();
    for (const [line, columns] of batch) {
      this.flying.set(line, columns);
      this.pending.delete(line);
      sent.set(line, new Map([...columns.keys()].map((n) => [n, n === RISK ? line.risk : line.cells[n].value])));
      for (const n of columns.keys()) this.mark(line, n, "saving");
    }
    this.show("saving");
    let response;
    let answer;
    try {
      response = await fetch(this.model.config.save, {
        method: "POST",
        headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRFToken": this.token },
        body: JSON.stringify({ edits }),
        credentials: "same-origin",
      });
      answer = isJson(response) ? await response.json() : null;
    } catch {
      for (const [line, values] of sent) this.uncertain.set(line, new Map([...(this.uncertain.get(line) ?? []), ...values]));
      return this.failed("offline");
    }
    if (response.ok && answer?.lines) return this.saved(answer);
    if (response.redirected || response.status === 401) return this.failed("signed-out");
    if (response.status === 403 && !answer?.lines && !this.renewed) return this.renew(answer);
    if (response.status === 409) return answer?.stale ? this.stale(answer) : this.refused(answer, true);
    if (response.status === 422) return this.rejected(answer, edits);
    if (response.status === 429) {
      this.retryAfter = 1000 * Number(response.headers.get("Retry-After") || 5);
      return this.failed("offline");
    }
    if (response.status >= 500) return this.failed("offline");
    return this.refused(answer, false);
  }

  saved(answer) {
    this.failures = 0;
    this.renewed = false;
    const lines = [];
    for (const state of answer.lines) {
      const line = this.model.byId.get(state.line);
      lines.push(line);
      this.flying.delete(line);
      this.uncertain.delete(line);
      line.accept(state, this.kept(line));
    }
    this.flying.clear();
    this.savedAt = new Date(answer.saved_at);
    this.show(this.pending.size ? "dirty" : "saved");
    this.events.saved(lines, answer.notes);
  }

  /* Columns whose newest text is not the one that was sent. */
  kept(line) {
    const keep = new Set(this.pending.get(line)?.keys());
    line.cells.forEach((cell, n) => cell.state === "bad" && keep.add(n));
    return keep;
  }

  /* Everything in flight goes back to waiting; what was typed meanwhile stands. */
  land(except = new Map()) {
    for (const [line, columns] of this.flying) {
      const newer = this.pending.get(line) ?? new Map();
      const back = new Map([...columns].filter(([n]) => !except.get(line)?.has(n)));
      const merged = new Map([...back, ...newer]);
      if (merged.size) this.pending.set(line, merged);
      for (const n of merged.keys()) this.mark(line, n, "dirty");
    }
    this.flying.clear();
  }

  failed(state) {
    this.failures += 1;
    this.renewed = false;
    this.land();
    this.show(state);
  }

  /* Somebody else saved some of the lines: theirs are shown, ours are handed over, the rest goes again at once. */
  stale(answer) {
    this.failures = 0;
    for (const theirs of answer.stale) {
      const line = this.model.byId.get(theirs.line);
      const mine = new Map([...(this.flying.get(line) ?? []), ...(this.pending.get(line) ?? [])]);
      this.flying.delete(line);
      this.pending.delete(line);
      const own = this.isOwn(line, theirs);
      this.uncertain.delete(line);
      if (own) {
        this.pending.set(line, mine);
        line.accept(theirs, new Set(mine.keys()));
      } else {
        line.accept(theirs, new Set());
        this.events.conflict(line, mine, answer.detail);
      }
    }
    this.land();
    this.show(this.pending.size ? "dirty" : "conflict");
  }

  /* Whether what changed on the server is only what we sent ourselves before the connection broke. */
  isOwn(line, theirs) {
    const sent = this.uncertain.get(line);
    if (!sent) return false;
    const values = this.model.config.field === "unit_price" ? theirs.unit_price : theirs.quantity;
    if (!sent.has(RISK) && theirs.risk_class !== line.savedRisk) return false;
    return line.cells.every((cell, n) => (sent.has(n) ? values[n] === sent.get(n) : values[n] === cell.saved.value));
  }

  /* Some texts or lines are not taken: they keep their text and say why, the rest goes again at once. */
  rejected(answer, edits) {
    this.failures = 0;
    const { periods, field } = this.model.config;
    const except = new Map();
    const put = (line, n) => except.set(line, (except.get(line) ?? new Set()).add(n));
    const told = new Set();
    for (const cell of answer?.cells ?? []) {
      const line = this.model.byId.get(cell.line);
      const n = periods.indexOf(cell.period);
      if (!line || n < 0 || cell.field !== field) continue;
      told.add(line);
      const raw = this.flying.get(line)?.get(n);
      put(line, n);
      if (!this.pending.get(line)?.has(n)) this.events.refusedCell(line, n, raw, cell.sentence);
    }
    for (const [position, sentence] of Object.entries(answer?.lines ?? {})) {
      const line = this.model.byId.get(edits[position]?.line);
      if (!line || told.has(line)) continue;
      const mine = new Map([...(this.flying.get(line) ?? []), ...(this.pending.get(line) ?? [])]);
      for (const n of mine.keys()) put(line, n);
      this.pending.delete(line);
      line.revert(mine.keys());
      this.events.refusedLine(line, mine, sentence);
    }
    // A refusal that names nothing we sent would come back for ever.
    if (!except.size) return this.refused(answer, false);
    this.land(except);
    this.show(this.pending.size ? "dirty" : this.savedAt ? "saved" : "");
  }

  /* The whole request is not possible: the cycle closed, or the lines are not ours to change. */
  refused(answer, closed) {
    this.land();
    this.closed = true;
    clearTimeout(this.timer);
    this.show("refused");
    this.events.refused(answer?.detail ?? "The portal did not take this.", closed);
  }

  /* After signing in elsewhere the page's token is old: fetch a new one with the page, then send again. */
  async renew(answer) {
    let fresh;
    try {
      const page = await fetch(location.href, { credentials: "same-origin" });
      if (page.redirected) return this.failed("signed-out");
      fresh = new DOMParser().parseFromString(await page.text(), "text/html").querySelector('meta[name="csrf-token"]');
    } catch {
      return this.failed("offline");
    }
    if (!fresh) return this.refused(answer, false);
    // A second refusal with a fresh token means what it says.
    this.renewed = true;
    this.token = fresh.content;
    this.land();
    return undefined;
  }

  mark(line, n, state) {
    if (n === RISK) return;
    const cell = line.cells[n];
    if (cell.state === "bad") return;
    cell.state = state;
    cell.td.classList.toggle("dirty", state === "dirty");
    cell.td.classList.toggle("saving", state === "saving");
  }

  show(state) {
    this.state = state;
    this.events.state(state, this.savedAt);
  }
}

function isJson(response) {
  return /\bjson\b/.test(response.headers.get("Content-Type") ?? "");
}
