/* The forms of a task's page, and what stands in them.

A page may have forms of its own: those are real ones, as on any page. Where none of them has the answer, its fields belong
to ours, which stands beside the page: what a script puts into it may be a form. */

const place = document.getElementById("task-form");
const ours = document.getElementById("task-own-form");
const body = document.getElementById("task-body");
const FIELDS = "input, select, textarea";
const OURS = ours.id;
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

/* Take in what has no form, now and later; where the page has a form for its answer, ours is not wanted. */
export function takeIn() {
  if (formsIn().some((form) => form !== ours && holdsAnswers([...elementsOf(form)]) && sends(form, null))) {
    ours.replaceWith(...ours.childNodes);
    return;
  }
  adopt();
  new MutationObserver(() => adopt(`${FIELDS}, button`)).observe(body, { childList: true, subtree: true });
}

function adopt(kinds = "*") {
  if (!ours.isConnected) return;
  for (const one of body.querySelectorAll(kinds)) {
    if (isAlone(one) && !isIdle(one)) one.setAttribute("form", OURS);
    else if (one.getAttribute("form") === OURS && isInForm(one)) one.removeAttribute("form");
  }
}

const isInForm = (one) => one.closest(`#${body.id} form`) !== null;

/* Every control of the page, in its order: those of its forms, and those that no form has. */
export function controlsIn() {
  adopt();
  const owned = new Set(formsIn().flatMap((form) => [...elementsOf(form)]));
  return [...body.querySelectorAll("*")].filter((one) => owned.has(one) || isAlone(one));
}

/* Whether no form would send this; `form=""` says that none is to. */
export const isAlone = (one) =>
  (one.matches(`${FIELDS}, button`) || customElements.get(one.localName)?.formAssociated) &&
  !one.form && !one.hasAttribute("form") && !isInForm(one);

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
    (one) => ["submit", "image"].includes(one.type) && one.form && sends(one.form, one),
  );
}

/* Whether this is a button that, without a form, does nothing by itself on any page. */
function isIdle(button) {
  if (!button.matches("button:not([type], [name], [formaction], [formmethod])")) return false;
  const words = button.getAttribute("aria-label") ?? (button.textContent.trim() || button.querySelector("[alt]")?.alt);
  return !SENDS.test(words ?? "");
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
