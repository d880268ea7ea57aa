/* The forms of a task's page, and what stands in them.

A page may have forms of its own: those are real ones, as on any page. Where it has none, ours stands around it. */

const place = document.getElementById("task-form");
const ours = document.getElementById("task-own-form");
const body = document.getElementById("task-body");
const FIELDS = "input, select, textarea";
const BUTTONS = ["submit", "button", "reset", "image"];

/* How a button that is to send is called, where nothing else says what it is for. */
const SENDS = new RegExp(
  "(?<!\\p{L})(send|submit|done|finish|finished|complete|absenden|abschicken|senden|fertig|enviar|envoyer|soumettre|" +
    "terminer|terminar|inviare|invia|verzenden|versturen|klaar|skicka|wyślij|отправить|готово|gönder|kirim|إرسال|भेजें)(?!\\p{L})|" +
    "提交|发送|發送|完成|送信|送る|완료|제출|보내기",
  "iu",
);

/* What a form has of its own, though an input in it may have the same name. */
const elementsOf = (form) => Object.getOwnPropertyDescriptor(HTMLFormElement.prototype, "elements").get.call(form);

export const formsIn = () => [...place.querySelectorAll("form")];

/* Let the page's own forms be forms: they cannot stand in ours. */
export function makeRoom() {
  if (ours.isConnected && body.querySelector("form")) ours.replaceWith(...ours.childNodes);
}

/* Every control of the page, in its order: those of its forms, and those that no form has. */
export function controlsIn() {
  const owned = new Set(formsIn().flatMap((form) => [...elementsOf(form)]));
  return [...body.querySelectorAll("*")].filter((one) => owned.has(one) || isAlone(one));
}

/* Whether no form would send this input; `form=""` says that none is to. */
export const isAlone = (one) => one.matches(FIELDS) && !one.form && !one.hasAttribute("form");

export const isButton = (one) => one instanceof HTMLButtonElement || (one.matches("input") && BUTTONS.includes(one.type));

export const nameOf = (one) => one.getAttribute("name") ?? "";

/* The form whose sending is that of the answer, where the page's own script or our button sends. */
export const mainForm = () => formsIn().find((form) => sends(form, null)) ?? null;

/* Whether submitting `form` sends the answer: it only closes a dialog, or says nothing of it, where others do. */
export function sends(form, submitter) {
  const method = submitter?.getAttribute("formmethod") ?? form.getAttribute("method") ?? "";
  if (method.trim().toLowerCase() === "dialog") return false;
  return holdsAnswers([...elementsOf(form)]) || !holdsAnswers(controlsIn());
}

const holdsAnswers = (controls) => controls.some((one) => nameOf(one) !== "" && !one.matches("fieldset, output, object"));

export function hasSubmitButton() {
  return [...body.querySelectorAll("button, input")].some(
    (one) => ["submit", "image"].includes(one.type) && one.form && !isIdle(one) && sends(one.form, one),
  );
}

/* Whether this is a button that on any page without a form would do nothing by itself. */
function isIdle(button) {
  if (button.form !== ours || !button.matches("button:not([type], [name], [formaction], [formmethod])")) return false;
  const words = button.getAttribute("aria-label") ?? (button.textContent.trim() || button.querySelector("[alt]")?.alt);
  return !SENDS.test(words ?? "");
}

/* Keep a button that is not for sending from it, before what it does by itself is done. */
export function calm(button) {
  if (isIdle(button)) button.type = "button";
}

export function calmAll() {
  body.querySelectorAll("button").forEach(calm);
}

/* What can be filled in behind a field, of its form or of the whole page; null: it is the last. */
export function fieldBehind(field, isOfItsForm) {
  const fields = controlsIn().filter((one) => one === field || isOpen(one));
  const behind = fields.slice(fields.indexOf(field) + 1);
  const isOfItsGroup = (one) => field.type === "radio" && one.type === "radio" && one.name === field.name;
  return behind.find((one) => !isOfItsGroup(one) && (!isOfItsForm || one.form === field.form)) ?? null;
}

function isOpen(one) {
  const isField = one.matches(FIELDS) && !one.matches(":disabled") && !isButton(one);
  return isField && one.type !== "hidden" && !one.readOnly && one.getClientRects().length > 0;
}

export { body, place };
