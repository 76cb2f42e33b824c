/* Numbers as people write them; the twin of sop_portal/lib/numbers.py. tests/data/numbers.json holds both to it. */
export const MAX_QUANTITY = 9999999.99;
export const MAX_PRICE = 9999999999.9999;

const SPACES = "\u0020\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000";
const EDGES = new RegExp(`^[${SPACES}\t\r\n]+|[${SPACES}\t\r\n]+$`, "g");
const ANY_SPACE = new RegExp(`[${SPACES}]`, "g");
const ANY_APOSTROPHE = /['\u2019\u02bc]/g;
const CURRENCY = "[$\u00a2-\u00a5\u20a0-\u20cf]";
const CURRENCY_EDGE = new RegExp(`^${CURRENCY}[${SPACES}]*|[${SPACES}]*${CURRENCY}$`);
const PLAIN = /^[0-9]+$/;
const LONGEST = 60;
const GROUPED = new Map(
  [" ", "'", ",", "."].map((mark) => [mark, new RegExp(`^[1-9][0-9]{0,2}(?:${mark === "." ? "\\." : mark}[0-9]{3})+$`)]),
);

/* {digits, ambiguous} with digits like "1234.5" or null for a blank, or {error} with one sentence. */
export function parseNumber(text, mark = ".", { decimals = 2, max = MAX_QUANTITY } = {}) {
  let bare = text.replace(EDGES, "");
  if (!bare) return { digits: null, ambiguous: false };
  if ([...bare].length > LONGEST) return refusal(text, decimals, max);
  bare = bare.replace(CURRENCY_EDGE, "").replace(ANY_SPACE, " ").replace(ANY_APOSTROPHE, "'");
  const other = mark === "." ? "," : ".";
  const own = read(bare, mark);
  let foreign = read(bare, other);
  if (own === null && foreign !== null && bare.split(mark).length > 2 && !bare.includes(other)) foreign = null;
  const digits = own ?? foreign;
  if (digits === null || (digits.split(".")[1] || "").length > decimals) return refusal(text, decimals, max);
  if (Number(digits) > max) return refusal(text, decimals, max);
  return { digits, ambiguous: own !== null && foreign !== null && Number(own) !== Number(foreign) };
}

function read(bare, mark) {
  const place = bare.indexOf(mark);
  const found = place >= 0;
  let whole = found ? bare.slice(0, place) : bare;
  const fraction = found ? bare.slice(place + 1) : "";
  if (found && !PLAIN.test(fraction)) return null;
  if (!whole) return found ? `0.${fraction}` : null;
  if (!PLAIN.test(whole)) {
    const grouping = [" ", "'", mark === "." ? "," : "."].find((sign) => GROUPED.get(sign).test(whole));
    if (grouping === undefined) return null;
    whole = whole.replaceAll(grouping, "");
  }
  return found ? `${whole}.${fraction}` : whole;
}

function refusal(text, decimals, max) {
  const trimmed = text.trim();
  const shown = [...text].length <= LONGEST ? trimmed : `${[...trimmed].slice(0, LONGEST).join("")}…`;
  let error = `'${shown}' is not a number from 0 to ${group(String(max))}`;
  const fraction = /^[0-9 ,.']*[.,]([0-9]+)$/.exec(shown);
  if (fraction && fraction[1].length > decimals) error += ` with at most ${decimals} decimals`;
  return { error };
}

/* "1234.5" as "1,234.5". */
export function group(digits) {
  const [whole, fraction] = digits.split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  return fraction === undefined ? grouped : `${grouped}.${fraction}`;
}

/* A value as one spelling: "007.50" is "7.5", null stays null. */
export function plain(digits) {
  if (digits === null || digits === "") return null;
  let [whole, fraction = ""] = digits.split(".");
  whole = whole.replace(/^0+(?=\d)/, "");
  fraction = fraction.replace(/0+$/, "");
  return fraction ? `${whole}.${fraction}` : whole;
}

/* A number rounded half up for the eye; trailing zeros go down to `least` places. */
export function format(value, places, least = 0) {
  if (value === null || value === undefined || value === "") return "";
  const number = Number(value);
  const scale = 10 ** places;
  const rounded = Math.floor(Math.abs(number) * scale + 0.5 + 1e-7) / scale;
  let text = rounded.toFixed(places);
  if (places > least) {
    const [whole, fraction] = text.split(".");
    const kept = fraction.replace(/0+$/, "").padEnd(least, "0");
    text = kept ? `${whole}.${kept}` : whole;
  }
  return (number < 0 && rounded !== 0 ? "-" : "") + group(text);
}

export function signed(text) {
  return text && !text.startsWith("-") && /[1-9]/.test(text) ? `+${text}` : text;
}

/* What an editor or the clipboard shows: no thousands, the reader's own decimal mark. */
export function bare(digits, mark) {
  return digits === null ? "" : digits.replace(".", mark);
}
