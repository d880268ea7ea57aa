/* What HTML does not know of a form: which parts are to be seen, and demands in the words that Python has for them.
A demand that is not met becomes the field's own validity; showing it is the page's work. checks.py knows the same. */

const body = document.getElementById("task-body");
const form = body.closest("form");
const root = body.querySelector("[data-form]");
const fields = JSON.parse(root.dataset.fields ?? "{}");

const RULES = {
  required: (_, given) => given.length > 0,
  one_of: (wanted, given) => given.every((one) => wanted.includes(one)),
  pattern: ([pattern, flags], given) => given.every((one) => finds(pattern, flags, one)),
  date: (_, given) => given.every((one) => /^\d{4}-\d{2}-\d{2}$/.test(one)), // a browser takes years of six digits, too
  min_length: (wanted, given) => given.every((one) => [...one].length >= wanted),
  max_length: (wanted, given) => given.every((one) => [...one].length <= wanted),
  min_choices: (wanted, given) => given.length >= wanted,
  max_choices: (wanted, given) => given.length <= wanted,
  number: (_, given) => given.every((one) => Math.abs(Number(one)) < 1e300),
  min: (wanted, given) => given.every((one) => Number(one) >= wanted),
  max: (wanted, given) => given.every((one) => Number(one) <= wanted),
  step: (wanted, given) => given.every((one) => Math.abs(one / wanted - Math.round(one / wanted)) < 1e-9),
  extensions: (wanted, given) => given.every((one) => wanted.some((end) => one.toLowerCase().endsWith("." + end))),
};
const EVENTS = { onClick: "click", onChange: "input", onFocus: "focusin", onBlur: "focusout" };

const KINDS = { image: "img", audio: "audio", video: "video" };
const told = new Set();

let own = null; // the researcher's own functions, once they are there
const ready = ownFunctions().then((functions) => {
  own = functions;
  update();
});
for (const [name, type] of Object.entries(EVENTS)) body.addEventListener(type, (event) => pull(name, event));
form.addEventListener("input", update);
form.addEventListener("change", update);
form.addEventListener("submit", hold);
form.addEventListener("submit", unfold);
body.addEventListener("input", preview);
update();

/* The researcher's own functions, from files beside the page. */
async function ownFunctions() {
  const names = (root.dataset.scripts ?? "").split(" ").filter(Boolean);
  const modules = { custom_validators: () => import("./insertions/custom_validators.js"),
    custom_triggers: () => import("./insertions/custom_triggers.js") };
  const load = async (name) => [name, await modules[name]().catch((error) => tell(name, error) ?? {})];
  return Object.fromEntries(await Promise.all(names.map(load)));
}

/* Nothing is sent before the researcher's own functions could judge it. */
function hold(event) {
  if (own !== null) return;
  const { submitter } = event;
  event.preventDefault();
  event.stopImmediatePropagation();
  void ready.then(() => form.requestSubmit(submitter));
}

function update() {
  for (const part of body.querySelectorAll("[data-show-if]")) showIfItApplies(part);
  for (const input of inputsIn(body)) input.disabled = isOutOfSight(input);
  for (const holder of body.querySelectorAll("[data-checks]")) judge(holder);
}

function inputsIn(part) {
  return part.querySelectorAll("input, select, textarea");
}

/* A part stands after all that it depends on, so one walk through the page is enough. */
function showIfItApplies(part) {
  const condition = Object.entries(JSON.parse(part.dataset.showIf));
  part.hidden = !condition.every(([name, values]) => answerTo(name).some((one) => values.includes(one)));
  for (const input of inputsIn(part)) input.disabled = isOutOfSight(input);
}

/* Hidden by a condition, or by a function of the researcher's: it is neither asked for nor sent. */
function isOutOfSight(input) {
  return input.closest(input.type === "hidden" ? "[data-show-if][hidden]" : "[data-show-if][hidden], .hidden") !== null;
}

function answerTo(name) {
  const inputs = inputsOf(name).filter((input) => !input.disabled);
  return isOneBox(inputs) ? [String(inputs[0].checked)] : inputs.flatMap(given);
}

function inputsOf(name) {
  return [...form.elements].filter((input) => input.name === name);
}

function isOneBox(inputs) {
  return inputs.length === 1 && inputs[0].type === "checkbox" && !inputs[0].closest("[data-choices]");
}

/* What was given, as a list of texts; nothing is an empty list. */
function given(input) {
  if (input.type === "checkbox" || input.type === "radio") return input.checked ? [input.value] : [];
  if (input.type === "file") return [...input.files].map((file) => file.name);
  if (input.type === "number") return Number.isNaN(input.valueAsNumber) ? [] : [String(input.valueAsNumber)];
  if (input.type === "select-multiple") return [...input.selectedOptions].map((option) => option.value);
  return input.value.trim() === "" ? [] : [input.value.trim()];
}

function finds(pattern, flags, text) {
  try {
    return new RegExp(pattern, flags.replace(/[gy]/g, "")).test(text);
  } catch {
    return true; // an expression that this browser cannot read must keep nobody from sending; Python will judge
  }
}

function judge(holder) {
  const inputs = holder.matches("fieldset") ? [...holder.querySelectorAll("input")] : [holder];
  const values = inputs.flatMap(given);
  const failed = JSON.parse(holder.dataset.checks).find(([kind, wanted, , holdsOfNothing]) => {
    if (kind === "required" || values.length > 0) return !RULES[kind](wanted, values);
    return holdsOfNothing && !RULES[kind](wanted, kind === "min_choices" ? [] : [""]);
  });
  const unreadable = inputs[0].validity.badInput; // the browser says itself that this is no number
  const message = failed ? failed[2] : judgeByOwn(holder, inputs[0].name);
  inputs[0].setCustomValidity(unreadable ? "" : message);
}

function judgeByOwn(holder, name) {
  if (own === null) return "";
  for (const [check, extra] of Object.entries(JSON.parse(holder.dataset.customChecks ?? "{}"))) {
    try {
      const message = own.custom_validators[check](fields[name], valueOf(name), ...extra);
      if (message) return String(message);
    } catch (error) {
      tell(check, error);
    }
  }
  return "";
}

/* What a researcher's function throws is told to them, once, and keeps no worker from sending. */
function tell(name, error) {
  if (told.has(name)) return;
  told.add(name);
  reportError(error);
}

/* The value of a field as FormComposer's functions know it. */
function valueOf(name) {
  const inputs = inputsOf(name);
  const [first] = inputs;
  if (first?.type === "file") return first.files[0] ?? null;
  if (isOneBox(inputs)) return first.checked;
  if (first?.type === "checkbox") return Object.fromEntries(inputs.map((input) => [input.value, input.checked]));
  if (first?.type === "radio") return inputs.find((input) => input.checked)?.value ?? null;
  if (first?.type === "select-multiple") return given(first);
  return first?.value ?? null;
}

function updateFormData(name, value) {
  const inputs = inputsOf(name);
  for (const input of inputs) setValue(input, value, isOneBox(inputs));
  inputs[0]?.dispatchEvent(new Event("change", { bubbles: true }));
}

function setValue(input, value, isOne) {
  const has = (one) => (Array.isArray(value) ? value.includes(one) : value?.[one] === true);
  if (input.type === "file") return; // no script may choose a file
  if (input.type === "checkbox") input.checked = isOne ? Boolean(value) : has(input.value);
  else if (input.type === "radio") input.checked = input.value === String(value);
  else if (input.type === "select-multiple") [...input.options].forEach((one) => (one.selected = has(one.value)));
  else input.value = value ?? "";
}

/* Call what the researcher has named for an event of a field, of a section's heading, or of the button. */
function pull(name, event) {
  const place = event.target.closest("[data-triggers]");
  const [called, ...extra] = JSON.parse(place?.dataset.triggers ?? "{}")[name] ?? [];
  if (!called) return;
  if (own === null) {
    void ready.then(() => pull(name, event));
    return;
  }
  const field = place.dataset.field ?? null;
  const names = Object.keys(fields);
  const data = Object.fromEntries(names.map((one) => [one, valueOf(one)]));
  const element = field === null ? { title: place.textContent.trim() } : fields[field];
  try {
    own.custom_triggers[called](data, updateFormData, element, field === null ? null : valueOf(field), fields, ...extra);
  } catch (error) {
    tell(called, error);
  }
  update();
}

/* Show what a file is, before it is sent. */
function preview({ target }) {
  const place = target.type === "file" ? target.closest(".form-field")?.querySelector(".form-preview") : null;
  if (!place) return;
  for (const old of place.querySelectorAll("[src]")) URL.revokeObjectURL(old.src);
  place.replaceChildren(...[...target.files].map(pictureOf));
}

function pictureOf(file) {
  const figure = document.createElement("figure");
  const caption = document.createElement("figcaption");
  caption.textContent = `${file.name} (${sizeOf(file)})`;
  const tag = KINDS[file.type.split("/")[0]];
  if (tag) {
    const shown = document.createElement(tag);
    shown.src = URL.createObjectURL(file);
    if (tag === "img") shown.alt = "What you have chosen";
    else shown.controls = true;
    figure.append(shown);
  }
  figure.append(caption);
  return figure;
}

function sizeOf({ size }) {
  return size < 1e6 ? `${Math.ceil(size / 1e3)} kB` : `${(size / 1e6).toFixed(1)} MB`;
}

/* A message in a folded part could not be seen, and its field not be reached; what a worker has opened stays open. */
function unfold() {
  for (const part of body.querySelectorAll("details:not([open])")) part.open ||= part.querySelector(":invalid") !== null;
}
