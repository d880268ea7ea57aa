/* Reads the answer out of a form, and shows what is missing. */

/* An input [data-mephisto-json] holds its answer as JSON; what a person touches to make it, [data-mephisto-part], holds none. */
const NO_ANSWERS = "fieldset, output, object, [data-mephisto-part]";

/* Give { answer, files }: one entry for each name, and the files apart, as they travel apart. */
export function readAnswer(form, submitter, extra) {
  const groups = new Map();
  for (const input of form.elements) {
    if (!input.name || input.disabled || isButton(input) || input.matches(NO_ANSWERS)) continue;
    groups.set(input.name, [...(groups.get(input.name) ?? []), input]);
  }
  const entries = [];
  const files = [];
  for (const [name, inputs] of groups) {
    if (inputs[0].type === "file") {
      files.push(...inputs.flatMap((input) => [...input.files]).map((file) => ({ name, file })));
    } else {
      entries.push([name, readGroup(inputs)]);
    }
  }
  if (submitter?.name) entries.push([submitter.name, submitter.value]);
  return { answer: Object.fromEntries([...entries, ...Object.entries(extra ?? {})]), files };
}

function isButton(input) {
  return input instanceof HTMLButtonElement || ["submit", "button", "reset", "image"].includes(input.type);
}

function readGroup(inputs) {
  const [first] = inputs;
  if (first.type === "radio") return inputs.find((input) => input.checked)?.value ?? null;
  if (first.type === "checkbox") {
    if (inputs.length === 1) return first.checked;
    return inputs.filter((input) => input.checked).map((input) => input.value);
  }
  const values = inputs.map(readOne);
  return values.length === 1 ? values[0] : values;
}

function readOne(input) {
  if (input.matches("[data-mephisto-json]")) return JSON.parse(input.value || "null");
  if (input.type === "select-multiple") return [...input.selectedOptions].map((option) => option.value);
  if (input.type === "number" || input.type === "range") {
    return Number.isNaN(input.valueAsNumber) ? null : input.valueAsNumber;
  }
  return input.value;
}

/* Show a message at each field that is not filled in as it should be; go to the first. Tell whether all is well. */
export function validate(form) {
  clearProblems(form);
  const wrong = firstOfEachGroup([...form.elements].filter((input) => input.willValidate && !input.validity.valid));
  wrong.forEach(showProblem);
  if (wrong.length > 0) goTo(wrong[0]);
  return wrong.length === 0;
}

export function clearProblems(form) {
  for (const message of form.querySelectorAll(".problem")) message.remove();
  for (const input of form.querySelectorAll("[data-problem]")) forgetProblem(input);
}

export function clearProblem(form, input) {
  const marked = [...form.elements].filter((one) => one === input || (input.name && one.name === input.name));
  for (const one of marked.filter((each) => each.dataset.problem)) {
    document.getElementById(one.dataset.problem)?.remove();
    forgetProblem(one);
  }
}

function firstOfEachGroup(inputs) {
  const seen = new Set();
  return inputs.filter((input) => {
    if (input.type !== "radio") return true;
    if (seen.has(input.name)) return false;
    return seen.add(input.name);
  });
}

let problems = 0;

function showProblem(input) {
  const message = document.createElement("p");
  message.className = "problem";
  message.id = `problem-${++problems}`;
  message.dir = "auto";
  message.textContent = input.validationMessage;
  input.dataset.problem = message.id;
  input.setAttribute("aria-invalid", "true");
  const described = input.getAttribute("aria-describedby");
  if (described !== null) input.dataset.described = described;
  input.setAttribute("aria-describedby", [described, message.id].filter(Boolean).join(" "));
  placeOf(input)(message);
}

/* Below the field; for choices below the label, or at the top of their group. */
function placeOf(input) {
  const fieldset = input.closest("fieldset:not(#task-body)");
  if (fieldset && (input.type === "radio" || fieldset.matches("[data-choices]"))) {
    const legend = fieldset.querySelector(":scope > legend");
    return (message) => (legend ? legend.after(message) : fieldset.prepend(message));
  }
  const after = input.closest("label") ?? (isChoice(input) ? input.labels?.[0] : null) ?? input;
  return (message) => after.after(message);
}

const isChoice = (input) => input.type === "checkbox" || input.type === "radio";

function forgetProblem(input) {
  input.removeAttribute("aria-invalid");
  if (input.dataset.described === undefined) input.removeAttribute("aria-describedby");
  else input.setAttribute("aria-describedby", input.dataset.described);
  delete input.dataset.problem;
  delete input.dataset.described;
}

function goTo(input) {
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  input.focus({ preventScroll: true });
  const seen = input.getClientRects().length > 0 ? input : document.getElementById(input.dataset.problem);
  seen?.scrollIntoView({ block: "center", behavior: calm ? "auto" : "smooth" });
}

/* The answer as text that a person can read and keep. */
export function describe({ answer, files }) {
  const lines = Object.entries(answer)
    .filter(([, value]) => value !== "" && value !== null && value !== false && value?.length !== 0)
    .map(([name, value]) => `${name}: ${typeof value === "object" ? value.join?.(", ") ?? JSON.stringify(value) : value}`);
  return [...lines, ...files.map(({ name, file }) => `${name}: ${file.name}`)].join("\n");
}
