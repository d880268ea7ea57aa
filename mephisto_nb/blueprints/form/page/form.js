/* What HTML does not know of a form: which parts are to be seen, and demands in the words that Python has for them.
A demand that is not met becomes the field's own validity; showing it is the page's work. checks.py knows the same.
What the kinds of fields are stands before this, in types/*.js. */

const root = body.querySelector("[data-form]");
const fields = JSON.parse(root.dataset.fields ?? "{}");

const EVENTS = { onClick: "click", onChange: "input", onFocus: "focusin", onBlur: "focusout" };

const told = new Set();

let own = null; // the researcher's own functions, once they are there
const ready = ownFunctions().then((functions) => {
  own = functions;
  update();
});
for (const [name, type] of Object.entries(EVENTS)) body.addEventListener(type, (event) => pull(name, event), { signal });
body.addEventListener("input", update, { signal });
body.addEventListener("change", update, { signal });
form.addEventListener("submit", hold, { signal });
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
  for (const place of body.querySelectorAll("[data-checks]")) judge(place);
}

/* A part stands after all that it depends on, so one walk through the page is enough. */
function showIfItApplies(part) {
  const condition = Object.entries(JSON.parse(part.dataset.showIf));
  part.hidden = !condition.every(([name, values]) => answerTo(name).some((one) => values.includes(one)));
  for (const input of inputsIn(part)) input.disabled = isOutOfSight(input);
}

/* Hidden by a condition, or by a function of the researcher's: it is neither asked for nor sent. */
function isOutOfSight(input) {
  const isNeverSeen = input.matches("[type=hidden]:not([data-mephisto-json])");
  return input.closest(isNeverSeen ? "[data-show-if][hidden]" : "[data-show-if][hidden], .hidden") !== null;
}

function answerTo(name) {
  const place = placeOf(name);
  return place === undefined || isOutOfSight(inputOf(place)) ? [] : kindOf(place).chosen(place);
}

function placeOf(name) {
  return [...body.querySelectorAll("[data-field]")].find((place) => place.dataset.field === name);
}

function kindOf(place) {
  return kinds[place.dataset.kind];
}

function judge(place) {
  const given = kindOf(place).given(place);
  const failed = JSON.parse(place.dataset.checks).find(([rule, wanted, , holdsOfNothing]) => {
    if (rule === "required" || given.length > 0) return !rules[rule](wanted, given);
    return holdsOfNothing && !rules[rule](wanted, [""]);
  });
  kindOf(place).judged(place, failed ? failed[2] : judgeByOwn(place));
}

function judgeByOwn({ dataset }) {
  const name = dataset.field;
  if (own === null) return "";
  for (const [check, extra] of Object.entries(JSON.parse(dataset.customChecks ?? "{}"))) {
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
  const place = placeOf(name);
  return place === undefined ? null : kindOf(place).value(place);
}

function updateFormData(name, value) {
  const place = placeOf(name);
  if (place === undefined) return;
  kindOf(place).set(place, value);
  inputOf(place).dispatchEvent(new Event("change", { bubbles: true }));
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
