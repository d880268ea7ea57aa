/** Numbers, money, times and states in words. */

const WHOLE = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const FINE = new Intl.NumberFormat("en-US", { maximumFractionDigits: 1 });
const moneyFormats = new Map();

/** What an absent number is shown as. */
export const UNKNOWN = "–";

/** What each status of a unit is called, in the order in which the bar shows them. */
export const UNIT_LABELS = {
  accepted: "accepted",
  completed: "to review",
  soft_rejected: "soft-rejected",
  rejected: "rejected",
  assigned: "at work",
  launched: "open",
  created: "queued",
  expired: "expired",
};

const RUN_LABELS = {
  live: "Live",
  paused: "Paused",
  closing: "Closing",
  done: "Done",
  ended: "Finished",
  detached: "Not taken up",
  failed: "Failed",
  left: "Not taken up",
};

/** Name the state of a run; `driver` is the other kernel that drives it, if one does. */
export function runLabel(status, driver = null) {
  if (driver && (status === "left" || status === "detached")) return "Driven elsewhere";
  return RUN_LABELS[status] ?? status;
}

/** Write a whole number, or one below ten with a decimal place. */
export function number(value) {
  if (value === null || value === undefined) return UNKNOWN;
  return (Math.abs(value) < 10 ? FINE : WHOLE).format(value);
}

/** Write an amount of money that need not be exact, as what an hour of work earns, in whole cents. */
export function money(value, currency) {
  if (value === null || value === undefined) return UNKNOWN;
  return formatOf(currency ?? "USD").format(value);
}

/** Write a price, or a sum of prices: cents, and parts of them where there are such. */
export function price(value, currency) {
  if (value === null || value === undefined) return UNKNOWN;
  const digits = formatOf(currency).resolvedOptions().maximumFractionDigits;
  const isWhole = (places) => Math.abs(Math.round(value * 10 ** places) / 10 ** places - value) < 1e-9;
  const places = [digits, digits + 2].find(isWhole) ?? digits + 3;
  return formatOf(currency, places).format(value);
}

function formatOf(currency, places = null) {
  const key = `${currency} ${places}`;
  if (!moneyFormats.has(key)) {
    const digits = places === null ? {} : { minimumFractionDigits: places, maximumFractionDigits: places };
    moneyFormats.set(key, new Intl.NumberFormat("en-US", { style: "currency", currency, ...digits }));
  }
  return moneyFormats.get(key);
}

/** Write a length of time as somebody would say it; it stays on one line. */
export function duration(seconds) {
  return lengthOf(seconds).replaceAll(" ", "\u00a0");
}

function lengthOf(seconds) {
  if (seconds === null || seconds === undefined) return UNKNOWN;
  if (seconds < 1) return seconds <= 0 ? "0 s" : "under 1 s";
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < 5 * 60) return pair(seconds, 60, "min", 1, "s");
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  if (seconds < 36 * 3600) return pair(seconds, 3600, "h", 60, "min");
  return pair(seconds, 86400, "d", 3600, "h");
}

function pair(seconds, large, largeName, small, smallName) {
  const total = Math.round(seconds / small) * small;
  const rest = Math.round((total % large) / small);
  const first = `${WHOLE.format(Math.floor(total / large))} ${largeName}`;
  return rest === 0 ? first : `${first} ${rest} ${smallName}`;
}

/** Say how long ago something was, calmly: seconds count by fives. */
export function ago(seconds) {
  if (seconds < 5) return "just now";
  if (seconds < 60) return `${5 * Math.floor(seconds / 5)}\u00a0s ago`;
  return `${duration(seconds < 3600 ? 60 * Math.floor(seconds / 60) : seconds)} ago`;
}

/** Write a time that runs: 0:42, 12:07, 1:02:07. */
export function stopwatch(seconds) {
  const total = Math.max(0, Math.floor(seconds));
  const two = (value) => String(value).padStart(2, "0");
  const [hours, minutes, rest] = [Math.floor(total / 3600), Math.floor((total % 3600) / 60), total % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** Write the time of day, here. */
export function clock(epochSeconds) {
  return new Date(epochSeconds * 1000).toLocaleTimeString("en-GB");
}

/** Write a date and a time of day, here. */
export function moment(epochSeconds) {
  if (epochSeconds === null || epochSeconds === undefined) return UNKNOWN;
  const date = new Date(epochSeconds * 1000);
  return `${date.toLocaleDateString("en-CA")} ${date.toLocaleTimeString("en-GB", { timeStyle: "short" })}`;
}

/** Say how many: 1 unit, 3 units. */
export function count(value, one, many = `${one}s`) {
  return `${number(value)} ${value === 1 ? one : many}`;
}

/** Give a share in whole percent; only what is complete has 100. */
export function percent(part, whole) {
  return whole > 0 ? Math.floor((100 * part) / whole) : 0;
}

/** Cut a long text in its middle: what tells two of them apart is as often at the end as at the beginning. */
export function middle(text, longest) {
  if (text.length <= longest) return text;
  const marks = [...new Intl.Segmenter().segment(text)].map((one) => one.segment);
  if (marks.length <= longest) return text;
  const tail = Math.floor((longest - 1) / 3);
  return `${marks.slice(0, longest - 1 - tail).join("")}…${marks.slice(-tail).join("")}`;
}

/** Make control characters visible: a text must not move the cursor, ring a bell or hide anything. */
export function plain(text) {
  return String(text ?? "").replace(/[\u0000-\u0008\u000b-\u001f]/g, (mark) =>
    String.fromCharCode(0x2400 + mark.charCodeAt(0)),
  ).replace(/[\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, "\ufffd");
}
