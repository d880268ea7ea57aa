/* Shows what is missing in the page, or not as it should be, where it can be seen. */

import { body, controlsIn, nameOf, place } from "./forms.js";
import { report } from "./trouble.js";

let problems = 0;
let hasReported = false;

/* Show a message at each field that is not filled in as it should be; go to the first. Tell whether all is well.
`button` is what was pressed: beside it stands what there is to say of a part that the page does not show. */
export function validate(button) {
  clearProblems();
  const wrong = controlsIn().filter((one) => !one.matches("fieldset") && one.matches(":invalid"));
  // As the browser does by itself: the page may open the part that it is in, or say it in its own way.
  const untold = wrong.filter((one) => one.dispatchEvent(new Event("invalid", { cancelable: true })));
  const shown = firstOfEachGroup(untold);
  shown.forEach(showProblem);
  if (shown.length > 0) turnTo(shown[0]);
  const unseen = shown.filter((one) => !isSeen(messageOf(one)));
  if (unseen.length > 0) sayBeside(button, unseen);
  if (shown.length > 0) goTo(shown[0], !unseen.includes(shown[0]));
  return wrong.length === 0;
}

export function clearProblems() {
  for (const message of place.querySelectorAll("[id^=problem-].problem")) message.remove();
  for (const input of place.querySelectorAll("[data-problem]")) forgetProblem(input);
}

export function clearProblem(input) {
  const marked = controlsIn().filter((one) => one === input || (nameOf(one) && nameOf(one) === input.name));
  for (const one of marked.filter((each) => each.dataset.problem)) {
    messageOf(one)?.remove();
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

const messageOf = (input) => document.getElementById(input.dataset.problem);

function showProblem(input) {
  const message = document.createElement("p");
  message.className = "problem";
  message.id = `problem-${++problems}`;
  message.dir = "auto";
  message.textContent = input.validationMessage || "Please change this.";
  input.dataset.problem = message.id;
  input.setAttribute("aria-invalid", "true");
  const described = input.getAttribute("aria-describedby");
  if (described !== null) input.dataset.described = described;
  input.setAttribute("aria-describedby", [described, message.id].filter(Boolean).join(" "));
  placeOf(input)(message);
  unfold(input);
}

/* Below the field; for choices below the label, or at the top of their group. */
function placeOf(input) {
  const fieldset = input.closest("#task-body fieldset");
  if (fieldset && (input.type === "radio" || fieldset.matches("[data-choices]"))) {
    const legend = fieldset.querySelector(":scope > legend");
    return (message) => (legend ? legend.after(message) : fieldset.prepend(message));
  }
  const after = input.closest("label") ?? (isChoice(input) ? input.labels?.[0] : null) ?? input;
  return (message) => after.after(message);
}

const isChoice = (input) => input.type === "checkbox" || input.type === "radio";

/* Open what a browser knows how to open. */
function unfold(input) {
  for (const part of partsAround(input)) {
    if (part.matches("details:not([open])")) part.open = true;
    if (part.matches('[hidden="until-found"]')) part.hidden = false;
  }
}

/* Turn to the tab of a panel that says which one is its own. */
function turnTo(input) {
  for (const part of partsAround(input)) {
    if (part.id === "" || part.getClientRects().length > 0) continue;
    body.querySelector(`[role=tab][aria-controls~="${CSS.escape(part.id)}"]`)?.click();
  }
}

function partsAround(element) {
  const parts = [];
  for (let part = element.parentElement; part && part !== body; part = part.parentElement) parts.push(part);
  return parts;
}

function isSeen(element) {
  const { width, height, right, bottom } = element.getBoundingClientRect(); // first: it brings the layout up to date
  const isShown = element.checkVisibility?.({ visibilityProperty: true, opacityProperty: true, contentVisibilityAuto: true });
  if (isShown === false || width < 2 || height < 2 || right + scrollX < 0 || bottom + scrollY < 0) return false;
  const isShut = (part) => getComputedStyle(part).overflow !== "visible" && (part.clientHeight < 2 || part.clientWidth < 2);
  return !partsAround(element).some(isShut);
}

/* Say it where the eyes are: the fields are in a closed dialog, or in a step or tab that the page does not show. */
function sayBeside(button, inputs) {
  const row = button?.isConnected && isSeen(button) ? (button.closest("#own-submit") ?? button) : null;
  for (const input of inputs) {
    const message = messageOf(input);
    message.textContent = `${whatIsCalled(input)}: ${message.textContent}`;
    if (row?.matches("#own-submit")) row.before(message);
    else if (row) row.after(message);
    else place.append(message);
  }
  if (hasReported) return;
  hasReported = true;
  const names = inputs.map(whatIsCalled).join(", ");
  report(new Error(`A worker could not send: the page does not show a field that has to be changed first (${names}).`), "unseen_field");
}

function whatIsCalled(input) {
  const label = input.labels?.[0]?.textContent.trim() || input.getAttribute("aria-label") || input.placeholder;
  return (label || nameOf(input) || "A part of this page that is not shown").slice(0, 100);
}

function forgetProblem(input) {
  input.removeAttribute("aria-invalid");
  if (input.dataset.described === undefined) input.removeAttribute("aria-describedby");
  else input.setAttribute("aria-describedby", input.dataset.described);
  delete input.dataset.problem;
  delete input.dataset.described;
}

function goTo(input, isSeenThere) {
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  input.focus({ preventScroll: true });
  const seen = isSeenThere && input.getClientRects().length > 0 ? input : messageOf(input);
  seen?.scrollIntoView({ block: "center", behavior: calm ? "auto" : "smooth" });
}
