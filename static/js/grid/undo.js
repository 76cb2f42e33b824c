/* Steps that can be taken back; a paste is one step. They outlive saving: taking back writes the earlier values again. */
import { RISK } from "./model.js";

const DEEPEST = 200;

/* What a cell holds: {text} while a text is not accepted, else {value}, digits or null; for the risk column a class. */
export function contentOf(line, n) {
  if (n === RISK) return { value: line.risk };
  const cell = line.cells[n];
  return cell.state === "bad" ? { text: cell.text } : { value: cell.value };
}

export class Undo {
  constructor() {
    this.steps = [];
  }

  /* step: list of {line, n, before, after}. */
  note(step) {
    if (!step.length) return;
    this.steps.push(step);
    if (this.steps.length > DEEPEST) this.steps.shift();
  }

  /* The earlier contents of the latest step, as edits; cells that somebody else changed since are left out. */
  take() {
    const step = this.steps.pop();
    if (!step) return null;
    const edits = [];
    let passed = 0;
    for (const { line, n, before, after } of step) {
      const now = contentOf(line, n);
      if (now.value !== after.value || now.text !== after.text || line.readOnly) passed += 1;
      else edits.push({ line, n, ...before });
    }
    return { edits, passed };
  }
}
