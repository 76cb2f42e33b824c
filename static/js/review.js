/* Reviewing by keyboard: j and k move, space ticks, a approves, x rejects, r returns. The form works without this. */
const form = document.querySelector("[data-review]");
const rows = form ? [...form.querySelectorAll("tr[data-line]")] : [];
const comment = form?.querySelector("[data-review-comment]");
const MEMORY = "review-row";
let current = -1;
let pane = 0;

if (rows.length) {
  document.querySelector("[data-review-keys]")?.removeAttribute("hidden");
  for (const row of rows) row.tabIndex = -1;
  focusRow(Math.min(remembered(), rows.length - 1), false);
  document.addEventListener("keydown", onKey);
  form.addEventListener("focusin", (event) => {
    const row = event.target.closest("tr[data-line]");
    if (row) mark(rows.indexOf(row));
  });
  form.addEventListener("submit", remember);
  comment?.addEventListener("keydown", onCommentKey);
}

/* The row one was at before the page came back: after a decision its place holds the next line. */
function remembered() {
  const [filters, position] = (sessionStorage.getItem(MEMORY) || "").split("|");
  sessionStorage.removeItem(MEMORY);
  return filters === form.elements.filters.value ? Number(position) || 0 : 0;
}

function remember() {
  sessionStorage.setItem(MEMORY, `${form.elements.filters.value}|${Math.max(current, 0)}`);
}

function mark(position) {
  if (position === current) return;
  rows[current]?.removeAttribute("aria-current");
  current = position;
  const row = rows[current];
  row.setAttribute("aria-current", "true");
  clearTimeout(pane);
  // Whoever holds j down wants to arrive first.
  pane = setTimeout(() => row.querySelector("[hx-get]")?.dispatchEvent(new Event("show")), 180);
}

function focusRow(position, move = true) {
  mark(position);
  if (!move) return;
  rows[current].focus({ preventScroll: true });
  rows[current].scrollIntoView({ block: "nearest" });
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (event.target.closest("input:not([type=checkbox]), select, textarea, summary")) return;
  const act = {
    j: () => focusRow(Math.min(current + 1, rows.length - 1)),
    k: () => focusRow(Math.max(current - 1, 0)),
    a: approve,
    x: () => ask("reject"),
    r: () => ask("return"),
    " ": toggle,
  }[event.key];
  if (!act) return;
  if (event.key === " " && event.target.closest("button, a, [type=checkbox]")) return;
  event.preventDefault();
  act();
}

function box(row) {
  return row?.querySelector("input[name=line]");
}

function ticked() {
  return rows.filter((row) => box(row)?.checked);
}

function toggle() {
  const tick = box(rows[current]);
  if (tick) tick.checked = !tick.checked;
}

/* The ticked lines, or else the one in focus. */
function approve() {
  const button = ticked().length
    ? form.querySelector("button[value=approve]")
    : rows[current]?.querySelector("[data-approve]");
  if (button) form.requestSubmit(button);
}

/* Rejecting and returning need a comment: go there, and Enter sends it. */
function ask(action) {
  const button = form.querySelector(`button[name=action][value=${action}]`);
  if (!button || !comment) return;
  const tick = box(rows[current]);
  if (!ticked().length && tick) tick.checked = true;
  if (!ticked().length) return;
  comment.dataset.action = action;
  comment.focus();
}

function onCommentKey(event) {
  if (event.key === "Enter") {
    event.preventDefault();
    const action = comment.dataset.action;
    const button = action && form.querySelector(`button[name=action][value=${action}]`);
    if (button) form.requestSubmit(button);
  } else if (event.key === "Escape") {
    delete comment.dataset.action;
    rows[current].focus();
  }
}
