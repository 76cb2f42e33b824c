/* Blocks as spreadsheets write them: cells apart by tabs, lines by line breaks, quotes around what holds either. */
import { RISK } from "./model.js";
import { bare } from "./numbers.js";

/* The block as tab-separated text, numbers without thousands and with the reader's decimal mark. */
export function write(selection, mark) {
  const { top, bottom, left, right } = selection.block;
  const { lines, config } = selection.model;
  const rows = [];
  for (let index = top; index <= bottom; index += 1) {
    const cells = [];
    for (let n = left; n <= right; n += 1) {
      const cell = n === RISK ? null : lines[index].cells[n];
      if (!cell) cells.push(config.risks[lines[index].risk]);
      else cells.push(cell.state === "bad" ? quoted(cell.text) : bare(cell.value, mark));
    }
    rows.push(cells.join("\t"));
  }
  return rows.join("\r\n") + (rows.length > 1 ? "\r\n" : "");
}

function quoted(text) {
  return /["\t\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/* The rows and cells of pasted text. */
export function read(text) {
  const rows = [[]];
  let cell = "";
  let inside = false;
  for (let n = 0; n < text.length; n += 1) {
    const sign = text[n];
    if (inside) {
      if (sign === '"' && text[n + 1] === '"') {
        cell += '"';
        n += 1;
      } else if (sign === '"') inside = false;
      else cell += sign;
    } else if (sign === '"' && cell === "") inside = true;
    else if (sign === "\t") {
      rows.at(-1).push(cell);
      cell = "";
    } else if (sign === "\n" || sign === "\r") {
      if (sign === "\r" && text[n + 1] === "\n") n += 1;
      rows.at(-1).push(cell);
      cell = "";
      rows.push([]);
    } else cell += sign;
  }
  rows.at(-1).push(cell);
  // The line break at the end of what a spreadsheet copies is not an empty line.
  if (rows.length > 1 && rows.at(-1).length === 1 && rows.at(-1)[0] === "") rows.pop();
  return rows;
}

/* Where each pasted text goes: {edits: [{line, n, text}], cut: {lines, months}, locked}. One value fills the block,
   a block that fits several times into it is repeated, anything else starts at its upper left corner. */
export function plan(rows, selection) {
  const { lines } = selection.model;
  const { top, bottom, left, right } = selection.block;
  const height = rows.length;
  const width = Math.max(...rows.map((row) => row.length));
  const [selectedHeight, selectedWidth] = [bottom - top + 1, right - left + 1];
  const tall = selectedHeight % height === 0 ? selectedHeight : height;
  const wide = selectedWidth % width === 0 ? selectedWidth : width;
  const fits = Math.min(tall, lines.length - top);
  const fitsMonths = Math.min(wide, selection.last + 1 - left);
  const edits = [];
  let locked = 0;
  for (let down = 0; down < fits; down += 1) {
    const line = lines[top + down];
    for (let over = 0; over < fitsMonths; over += 1) {
      const text = rows[down % height][over % width];
      if (text === undefined) continue;
      if (line.readOnly) locked += 1;
      else edits.push({ line, n: left + over, text });
    }
  }
  return { edits, cut: { lines: tall - fits, months: wide - fitsMonths }, locked, block: { fits, fitsMonths } };
}
