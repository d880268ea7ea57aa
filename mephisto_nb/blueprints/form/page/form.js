/* What HTML does not know of a form: which parts are to be seen, and demands in the words that Python has for them.
A demand that is not met becomes the field's own validity; showing it is the page's work. checks.py knows the same. */

const body = document.getElementById("task-body");
const form = body.closest("form");

const RULES = {
  required: (_, given) => given.length > 0,
  one_of: (wanted, given) => given.every((one) => wanted.includes(one)),
  pattern: ([pattern, flags], given) => given.every((one) => finds(pattern, flags, one)),
  date: () => true, // the browser gives nothing else
  min_length: (wanted, given) => given.every((one) => [...one].length >= wanted),
  max_length: (wanted, given) => given.every((one) => [...one].length <= wanted),
  min_choices: (wanted, given) => given.length >= wanted,
  max_choices: (wanted, given) => given.length <= wanted,
  number: (_, given) => given.every((one) => Number.isFinite(Number(one))),
  min: (wanted, given) => given.every((one) => Number(one) >= wanted),
  max: (wanted, given) => given.every((one) => Number(one) <= wanted),
  step: (wanted, given) => given.every((one) => Math.abs(one / wanted - Math.round(one / wanted)) < 1e-9),
  extensions: (wanted, given) => given.every((one) => wanted.some((end) => one.toLowerCase().endsWith("." + end))),
};

form.addEventListener("input", update);
form.addEventListener("change", update);
form.addEventListener("submit", unfold);
update();

function update() {
  for (const part of body.querySelectorAll("[data-show-if]")) showIfItApplies(part);
  for (const holder of body.querySelectorAll("[data-checks]")) judge(holder);
}

/* A part stands after all that it depends on, so one walk through the page is enough. */
function showIfItApplies(part) {
  const condition = Object.entries(JSON.parse(part.dataset.showIf));
  part.hidden = !condition.every(([name, values]) => answerTo(name).some((one) => values.includes(one)));
  for (const input of part.querySelectorAll("input, select, textarea")) {
    input.disabled = input.closest("[data-show-if][hidden]") !== null;
  }
}

function answerTo(name) {
  const inputs = [...form.elements].filter((input) => input.name === name && !input.disabled);
  const choice = inputs.length === 1 && inputs[0].type === "checkbox" && !inputs[0].closest("[data-choices]");
  return choice ? [String(inputs[0].checked)] : inputs.flatMap(given);
}

/* What was given, as a list of texts; nothing is an empty list. */
function given(input) {
  if (input.type === "checkbox" || input.type === "radio") return input.checked ? [input.value] : [];
  if (input.type === "file") return [...input.files].map((file) => file.name);
  if (input.type === "select-multiple") return [...input.selectedOptions].map((option) => option.value);
  return input.value === "" ? [] : [input.value];
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
  const failed = JSON.parse(holder.dataset.checks).find(([kind, wanted]) => {
    return kind === "required" || values.length > 0 ? !RULES[kind](wanted, values) : false;
  });
  const unreadable = inputs[0].validity.badInput; // the browser says itself that this is no number
  inputs[0].setCustomValidity(failed && !unreadable ? failed[2] : "");
}

/* A message in a folded part could not be seen, and its field not be reached. */
function unfold() {
  for (const part of body.querySelectorAll("details:not([open])")) part.open = part.querySelector(":invalid") !== null;
}
