/* Hears when the answer is to be sent: after the page's own listeners, who may hold it back, as on any page. */

import { body, fieldBehind, isButton, mainForm, place, sends } from "./forms.js";
import { validate } from "./problems.js";

const { requestSubmit, submit } = HTMLFormElement.prototype;

export class Submits {
  #onSend;
  #isReady = false;
  #early = null; // what was asked for before the page stood
  #quiet = new Set(); // forms that are kept from showing messages of the browser's own
  #isByScript = false;
  #isHeard = false; // an event is under way
  #insists = false; // a listener of the page asks itself for what it holds back
  #mayGo = false; // a listener has held it back, to send it by a script when it likes
  #next = null; // where Enter leads, in the last field of a form that is not the last of the page

  /* `onSend(submitter)` is called when all have agreed, until `signal` says that the unit is over. */
  constructor(onSend, signal) {
    this.#onSend = onSend;
    const first = { capture: true, signal };
    window.addEventListener("click", (event) => this.#clicked(event), first);
    for (const name of ["keydown", "keypress"]) window.addEventListener(name, (event) => this.#pressed(event), first);
    window.addEventListener("keydown", (event) => this.#goOn(event), { signal });
    window.addEventListener("submit", (event) => this.#hear(event), first);
    place.addEventListener("input", (event) => (this.#mayGo &&= !event.isTrusted), { signal });
    place.addEventListener("focusin", ({ target }) => hint(target), { signal });
    this.#replaceNatives();
  }

  /* From now on answers can be sent; what was asked for before is done now. */
  start() {
    this.#isReady = true;
    this.#early?.();
  }

  /* The page's script asks for it: its listeners hear of it, and one that has held it back is not asked again. */
  byScript() {
    if (!this.#isReady) {
      this.#early = () => this.byScript();
    } else if (this.#isHeard) {
      this.#insists = true;
    } else if (this.#mayGo) {
      if (validate(null)) this.#onSend(null);
    } else {
      this.#isByScript = true;
      this.#request(null);
      this.#isByScript = false;
    }
  }

  /* Our own button stands in no form, where the page has its own. */
  byOwnButton(button) {
    if (button.form === null) this.#request(button);
  }

  #request(button) {
    const form = mainForm();
    if (form) requestOf(form, null);
    else if (this.#isReady && validate(button)) this.#onSend(null);
  }

  #replaceNatives() {
    const submits = this;
    HTMLFormElement.prototype.submit = function () {
      if (!place.contains(this)) submit.call(this);
      else if (sends(this, null)) submits.#withoutAsking();
    };
    HTMLFormElement.prototype.requestSubmit = function (submitter = null) {
      if (place.contains(this)) submits.#hush(this, submitter);
      requestSubmit.call(this, submitter);
    };
  }

  #withoutAsking() {
    if (this.#isReady) this.#onSend(null);
    else this.#early = () => this.#onSend(null);
  }

  #clicked({ target }) {
    const button = target.closest?.("button, input");
    if (!button || !place.contains(button) || !isButton(button)) return;
    if (["submit", "image"].includes(button.type)) this.#hush(button.form, button);
  }

  #pressed({ key, target }) {
    if (key === "Enter" && place.contains(target) && target.form) this.#hush(target.form, null);
  }

  /* Show messages of our own: the browser's are gone at once, and it has none for a field that is out of sight. */
  #hush(form, submitter) {
    if (!form || form.hasAttribute("novalidate") || !sends(form, submitter)) return;
    form.toggleAttribute("novalidate", true);
    this.#quiet.add(form);
    setTimeout(() => this.#unhush(form));
  }

  #unhush(form) {
    if (this.#quiet.delete(form)) form.toggleAttribute("novalidate", false);
  }

  /* Enter, a phone's "Go", sends from the last field alone: before, it leads to the next. */
  #goOn(event) {
    const { target: field, key, isComposing } = event;
    if (key !== "Enter" || isComposing || event.defaultPrevented || !isFilledIn(field) || !sends(field.form, null)) return;
    const next = fieldBehind(field, true);
    if (next) {
      event.preventDefault();
      next.focus();
    } else {
      this.#next = fieldBehind(field, false);
      window.addEventListener("keyup", () => (this.#next = null), { once: true });
    }
  }

  #hear(event) {
    const { target: form, submitter } = event;
    if (!place.contains(form)) return;
    const isToBeValid = this.#quiet.has(form) && !submitter?.formNoValidate;
    this.#unhush(form);
    if (!sends(form, submitter)) return isDialog(form, submitter) || this.#afterAll(event, () => {});
    const isByScript = this.#isByScript;
    if (!this.#isReady) {
      this.#early = () => requestOf(form, submitter);
      return stop(event);
    }
    if (isToBeValid && !validate(submitter)) return stop(event);
    const next = this.#next;
    this.#isHeard = true;
    this.#insists = false;
    this.#afterAll(event, (isHeld) => {
      this.#isHeard = false;
      if (isHeld && !this.#insists) {
        this.#mayGo = true;
        if (isByScript) setTimeout(() => addOnce(() => (this.#mayGo = false)));
      } else if (next) {
        next.focus();
      } else {
        this.#onSend(submitter);
      }
    });
  }

  /* Call `then(isHeld)` when every listener was heard, and let the browser go nowhere. */
  #afterAll(event, then) {
    const form = event.target;
    let isDone = false;
    const once = () => {
      if (isDone) return;
      isDone = true;
      const isHeld = event.defaultPrevented;
      event.preventDefault();
      then(isHeld);
    };
    window.addEventListener("submit", once, { once: true }); // behind all others that are there by now
    const method = form.getAttribute("method");
    for (const name of ["stopPropagation", "stopImmediatePropagation"]) {
      event[name] = () => {
        Event.prototype[name].call(event);
        form.setAttribute("method", "dialog"); // nobody is left to prevent that the browser goes elsewhere
        event.submitter?.removeAttribute("formmethod");
      };
    }
    setTimeout(() => {
      window.removeEventListener("submit", once);
      if (method === null) form.removeAttribute("method");
      else form.setAttribute("method", method);
      once();
    });
  }
}

const requestOf = (form, submitter) =>
  HTMLFormElement.prototype.requestSubmit.call(form, submitter?.isConnected ? submitter : null);

function stop(event) {
  event.preventDefault();
  event.stopImmediatePropagation();
}

const isDialog = (form, submitter) =>
  (submitter?.getAttribute("formmethod") ?? form.getAttribute("method") ?? "").trim().toLowerCase() === "dialog";

const isFilledIn = (field) => field.matches?.("input") && body.contains(field) && !isButton(field) && field.form;

/* A phone's keyboard says what its key will do. */
function hint(field) {
  if (!isFilledIn(field) || field.hasAttribute("enterkeyhint")) return;
  if (fieldBehind(field, true)) field.enterKeyHint = "next";
}

function addOnce(act) {
  for (const name of ["pointerdown", "keydown"]) window.addEventListener(name, act, { once: true, capture: true });
}
