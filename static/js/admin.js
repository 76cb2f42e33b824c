/* Names for the admin's fields that Django leaves without one: those that search while one types, the cells of inline
   tables, and the two halves of an instant. Nothing looks different; who hears the page hears what a field is. */
const HALVES = { _0: "date", _1: "time" };

const words = (element) => element?.textContent.replace(/[:\s]+$/, "").trim() ?? "";

/* What stands beside the field, or above it in a table of rows. */
function nameOf(field) {
  const cell = field.closest(".tabular td");
  if (cell) return words(cell.closest("table").tHead?.rows[0].cells[cell.cellIndex]);
  const row = field.closest(".fieldBox, .form-row");
  return words(row?.querySelector("label, legend"));
}

function nameField(field) {
  if (field.labels?.length || field.hasAttribute("aria-label")) return;
  const name = nameOf(field);
  const half = HALVES[field.id.slice(-2)];
  if (name) field.setAttribute("aria-label", half && field.closest(".datetime") ? `${name}, ${half}` : name);
}

/* Select2 names its box after what is chosen in it, so an empty one has no name at all. */
function nameBox(box) {
  const select = box.closest(".select2-container")?.previousElementSibling;
  const name = select && (words(select.labels?.[0]) || nameOf(select));
  if (!name || box.hasAttribute("aria-label")) return;
  const chosen = box.querySelector(".select2-selection__rendered");
  const say = () => box.setAttribute("aria-label", [name, chosen?.title].filter(Boolean).join(", "));
  box.removeAttribute("aria-labelledby");
  say();
  box.querySelector(".select2-search__field")?.setAttribute("aria-label", name);
  for (const attribute of ["role", "aria-readonly"]) chosen?.removeAttribute(attribute);
  if (chosen) new MutationObserver(say).observe(chosen, { attributes: true, attributeFilter: ["title"] });
}

function nameAll(root) {
  for (const box of root.querySelectorAll(".select2-selection")) nameBox(box);
  for (const field of root.querySelectorAll("#content-main :is(input:not([type=hidden]), select, textarea)")) nameField(field);
  for (const head of root.querySelectorAll(".tabular thead th.original:empty")) {
    head.innerHTML = '<span class="visually-hidden">Which one</span>';
  }
}

// Boxes of Select2 come some time after the page, rows of inline tables when somebody adds one.
const form = document.querySelector("#content-main");
if (form) {
  nameAll(document);
  new MutationObserver(() => nameAll(document)).observe(form, { childList: true, subtree: true });
}
