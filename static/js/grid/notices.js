/* What the grid says: the state of saving, sentences above the table, and words for people who hear it. */
import { RISK } from "./model.js";
import { format } from "./numbers.js";

const TOAST = 10000;
// Why a line takes no input, by its status.
const LOCKED = {
  submitted: "is submitted. Recall it to change it",
  approved: "is approved. Your manager can send it back",
  missed: "was not handed in before the cycle closed",
};
const WORDS = {
  dirty: "not saved yet",
  saving: "saving",
  offline: "not saved, trying again",
  "signed-out": "not saved: you are signed out.",
  conflict: "somebody else saved",
  refused: "not saved",
};

export class Notices {
  constructor(model, act) {
    this.model = model;
    this.act = act; // {goTo(line, n), useMine(line, mine), lost()}
    this.stateElement = document.querySelector("[data-savestate]");
    this.region = document.querySelector("[data-grid-notes]");
    this.speaker = document.querySelector("[data-say]");
    this.refused = document.createElement("button");
    this.refused.type = "button";
    this.refused.className = "grid-refused";
    this.refused.addEventListener("click", () => this.goToRefused());
    this.stateElement?.after(this.refused);
    this.count();
  }

  state(state, savedAt) {
    if (!this.stateElement) return;
    this.stateElement.dataset.state = { saved: "saved", "signed-out": "offline", dirty: "" }[state] ?? state;
    const at = savedAt?.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
    this.stateElement.textContent = state === "saved" ? `saved ${at}` : (WORDS[state] ?? "");
    if (state === "signed-out") this.stateElement.append(" ", this.signIn());
    if (state === "offline" || state === "signed-out") this.say(this.stateElement.textContent);
  }

  /* In another tab: this one keeps what was typed, and saves it when one comes back. */
  signIn() {
    const link = document.createElement("a");
    link.href = this.model.config.signIn;
    link.target = "_blank";
    link.textContent = "Sign in again in another tab";
    return link;
  }

  say(sentence) {
    // The same words twice in a row are read twice only when the text changes.
    this.speaker.textContent = this.speaker.textContent === sentence ? `${sentence}\u00a0` : sentence;
  }

  bad() {
    const found = [];
    for (const line of this.model.lines) {
      line.cells.forEach((cell, n) => cell.state === "bad" && found.push({ line, n, cell }));
    }
    return found;
  }

  count() {
    const cells = this.bad().length;
    this.refused.hidden = cells === 0;
    this.refused.textContent = `${cells} cell${cells === 1 ? "" : "s"} not accepted`;
  }

  goToRefused() {
    const [first] = this.bad();
    if (first) this.act.goTo(first.line, first.n);
  }

  /* A sentence above the table; a later one with the same key takes its place. */
  note(key, level, sentence, buttons) {
    this.forget(key);
    const note = document.createElement("div");
    note.className = `note note-${level}`;
    note.dataset.key = key;
    const words = document.createElement("span");
    words.textContent = sentence;
    note.append(words);
    for (const [label, action] of buttons) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "btn btn-small";
      button.textContent = label;
      button.addEventListener("click", () => {
        note.remove();
        action();
      });
      note.append(button);
    }
    this.region.append(note);
    this.say(sentence);
  }

  /* A sentence that goes away by itself; it asks for nothing. */
  toast(sentence) {
    document.querySelector(".toast")?.remove();
    clearTimeout(this.toastTimer);
    const toast = document.createElement("div");
    toast.className = "toast";
    toast.textContent = sentence;
    toast.addEventListener("click", () => toast.remove());
    document.body.append(toast);
    this.toastTimer = setTimeout(() => toast.remove(), TOAST);
    this.say(sentence);
  }

  /* Somebody wants to type where nothing can be typed. */
  locked(line) {
    const { field, readOnly } = this.model.config;
    if (!field) this.toast("Revenue is quantity times price; change those.");
    else if (readOnly) this.toast(readOnly);
    else this.toast(`${line.name} ${LOCKED[line.status] ?? "takes no input from you"}.`);
  }

  forget(key) {
    for (const note of this.region.children) if (note.dataset.key === key) note.remove();
  }

  /* Their values are in the cells, ours are kept here until one is chosen. */
  conflict(line, mine) {
    const differing = [...mine].filter(([n, raw]) => (n === RISK ? raw !== line.risk : text(raw) !== (line.cells[n].value ?? "")));
    if (!differing.length) return;
    const first = differing[0][0];
    this.note(
      `line-${line.id}`,
      "warn",
      `Somebody else saved ${line.name}; their values are shown. Yours: ${this.list(line, differing)}.`,
      [
        ["Use mine", () => this.act.useMine(line, new Map(differing))],
        ["Keep theirs", () => this.act.goTo(line, first)],
      ],
    );
  }

  refusedLine(line, mine, sentence) {
    this.note(`line-${line.id}`, "bad", `${sentence} Not saved: ${this.list(line, [...mine])}.`, [
      ["Reload the page", () => location.reload()],
    ]);
  }

  /* "March 2027 480, April 2027 blank" */
  list(line, values) {
    const { months, risks } = this.model.config;
    const words = values.slice(0, 6).map(([n, raw]) => (n === RISK ? risks[raw] : `${months[n]} ${text(raw) || "blank"}`));
    return words.join(", ") + (values.length > 6 ? ` and ${values.length - 6} more` : "");
  }

  changed(line, n) {
    const cell = n === RISK ? null : line.cells[n];
    if (!cell) this.say(`${this.model.label(line, n)}, ${this.model.config.risks[line.risk]}, changed`);
    else if (cell.state === "bad") this.say(cell.error);
    else this.say(`${this.model.label(line, n)}, ${format(cell.value, 4) || "blank"}, changed`);
  }
}

function text(raw) {
  return raw === null || raw === undefined ? "" : String(raw);
}
