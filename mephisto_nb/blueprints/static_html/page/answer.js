/* Reads the answer out of a page: what the browser itself would send of it, each thing as what it is.

An input [data-mephisto-json] holds its answer as JSON; what a person touches to make it, [data-mephisto-part], holds none. */

import { controlsIn, formsIn, isAlone, isButton, nameOf } from "./forms.js";
import { numberIn, stringify } from "./numbers.js";

const NO_ANSWERS = "fieldset, output, object";
const CHOICES = ["radio", "checkbox"];

/* Give { answer, files }: one entry for each name, and the files apart, as they travel apart. */
export function readAnswer(submitter, extra) {
  const all = controlsIn().filter((one) => nameOf(one) !== "" && !one.matches(NO_ANSWERS));
  const parts = new Set(all.filter((one) => one.matches("[data-mephisto-part]")).map(nameOf));
  const controls = all.filter((one) => !one.matches(":disabled") && (!isButton(one) || one === submitter));
  const entries = entriesOf(submitter);
  const answer = new Map();
  const files = [];
  for (const name of new Set([...controls.map(nameOf), ...entries.map(([one]) => one)])) {
    if (parts.has(name)) continue;
    const sent = entries.filter(([one]) => one === name).map(([, value]) => value);
    const chosen = sent.filter((one) => one instanceof Blob && (one.name || one.size));
    files.push(...chosen.map((file) => ({ name, file })));
    const own = controls.filter((one) => nameOf(one) === name);
    const value = readGroup(own, sent.filter((one) => typeof one === "string"));
    if (value !== undefined) answer.set(name, value);
  }
  return { answer: Object.fromEntries([...answer, ...Object.entries(extra ?? {})]), files };
}

/* What the browser would send: names and texts or files, in their order. */
function entriesOf(submitter) {
  const entries = formsIn().flatMap((form) => [...dataOf(form, submitter?.form === form ? submitter : null)]);
  const alone = controlsIn().filter((one) => isAlone(one) && !isButton(one) && nameOf(one) !== "" && !one.matches(":disabled"));
  return [...entries, ...alone.flatMap((one) => partsOf(one).map(({ sent }) => [nameOf(one), sent]))];
}

function dataOf(form, submitter) {
  const data = submitter ? new FormData(form, submitter) : new FormData(form);
  const { name, value } = submitter ?? {};
  // Browsers of before 2023 know of no button that was pressed.
  if (name && submitter.type !== "image" && !submitter.disabled && !data.getAll(name).includes(value)) data.append(name, value);
  return data;
}

/* Make one value of what was sent under one name; undefined: there is none. Where the page's own code has changed what
its controls give, that is what counts. */
function readGroup(controls, sent) {
  if (controls.length + sent.length === 0) return undefined;
  const expected = controls.flatMap(partsOf).filter((part) => typeof part.sent === "string");
  if (expected.length !== sent.length || expected.some((part, index) => part.sent !== sent[index])) return oneOrAll(sent);
  const values = expected.map((part) => part.value);
  const are = (test) => controls.length > 0 && controls.every(test);
  if (are((one) => one.type === "file")) return undefined;
  if (are((one) => one.type === "checkbox")) return controls.length === 1 ? controls[0].checked : values;
  if (are((one) => one.type === "select-multiple")) return values;
  if (controls.length > 1 && are((one) => !CHOICES.includes(one.type) && one.type !== "file")) return values;
  return oneOrAll(values) ?? null;
}

const oneOrAll = (values) => (values.length > 1 ? values : values[0]);

/* What one control gives: texts as they are sent, and as what they are. */
function partsOf(one) {
  const { type, value } = one;
  if (one.matches("select")) {
    const options = [...one.options].filter((option) => option.selected && !option.matches(":disabled"));
    return options.map((option) => ({ sent: option.value, value: option.value }));
  }
  if (type === "file") return [...one.files].map((file) => ({ sent: file }));
  if (!one.matches("input, textarea, button")) return []; // it alone knows: see what was sent
  if (CHOICES.includes(type)) return one.checked ? [{ sent: value, value }] : [];
  if (type === "number" || type === "range") return [{ sent: value, value: numberIn(one) }];
  if (one.matches("[data-mephisto-json]")) return [{ sent: value, value: JSON.parse(value || "null") }];
  return [{ sent: value, value }];
}

/* The answer as text that a person can read and keep. */
export function describe({ answer, files }) {
  const lines = Object.entries(answer)
    .filter(([, value]) => value !== "" && value !== null && value !== false && value?.length !== 0)
    .map(([name, value]) => `${name}: ${typeof value === "object" ? value.join?.(", ") ?? stringify(value) : value}`);
  return [...lines, ...files.map(({ name, file }) => `${name}: ${file.name}`)].join("\n");
}
