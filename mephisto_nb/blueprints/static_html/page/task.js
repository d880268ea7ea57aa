/* One unit of work on the page: filled, worked on, kept as a draft, sent or given back. */

import { returnUnit } from "./api.js";
import { clearProblem, describe, readAnswer, validate } from "./answer.js";
import { Deadline } from "./deadline.js";
import { Draft } from "./draft.js";
import { hidesSubmitButton } from "./identity.js";
import { announce, show } from "./screens.js";
import { explain, hush, send } from "./sending.js";
import { fill, insert, runScripts } from "./template.js";

const form = document.getElementById("task-form");
const body = document.getElementById("task-body");
const ownSubmit = document.getElementById("own-submit");
const returnRow = document.getElementById("return-row");
const title = document.getElementById("task-title");

let isLasting = false;

export class Task {
  #agentId;
  #onSent;
  #onRefused;
  #deliverBy;
  #draft;
  #deadline = new Deadline();
  #extra = null;
  #busy = false;
  #over = new AbortController();

  /* `onSent(answer, told)` is called once the answer has arrived, `onRefused(error)` if it can never be taken.
  `deliverBy(agentId, read)` sends it, and gives what the router told. */
  constructor(agentId, onSent, onRefused, deliverBy = send) {
    this.#agentId = agentId;
    this.#deliverBy = deliverBy;
    this.#onSent = onSent;
    this.#onRefused = onRefused;
    this.#draft = new Draft(form, agentId, () => this.written());
  }

  get isSending() {
    return this.#busy;
  }

  get isUntouched() {
    return this.#draft.isUntouched;
  }

  /* Whether something is here that would be lost if another answer were taken for this one. */
  get hasUnsent() {
    return !this.isUntouched;
  }

  /* `seconds` is how long the worker has; `ready` is announced once the page stands. */
  async open(html, data, seconds = NaN, ready = "Your task is ready.") {
    show("task");
    form.inert = false;
    const { signal } = this.#over;
    // Until all is there: a browser that sends a form by itself leaves the page, and nothing arrives.
    let early = null;
    const hold = (event) => {
      event.preventDefault();
      early = { submitter: event.submitter ?? undefined };
    };
    form.addEventListener("submit", hold, { signal });
    this.#draft.watch(signal);
    await fillPage(html, data, {
      agentId: this.#agentId,
      isPreview: false,
      submit: (extra) => this.#submitFromScript(extra),
    });
    const unsent = await this.#draft.restore();
    form.removeEventListener("submit", hold);
    // Behind the listeners of the page's own scripts, which may refuse.
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#submit(event.submitter);
    }, { signal });
    form.addEventListener("input", (event) => clearProblem(form, event.target), { signal });
    form.addEventListener("input", hush, { signal });
    ownSubmit.hidden = hidesSubmitButton() || hasSubmitButton();
    returnRow.hidden = false;
    this.#deadline.start(Number(seconds ?? NaN));
    welcome(ready);
    if (unsent) void this.#deliver(unsent.submitter, unsent.extra);
    else if (early) form.requestSubmit(early.submitter);
  }

  /* The answer as it stands, for people and for programs: { text, data }; null, where it cannot be read. */
  written() {
    try {
      const read = readAnswer(form, null, this.#extra);
      const files = read.files.map(({ name, file }) => ({ field: name, name: file.name }));
      return { text: describe(read), data: files.length > 0 ? { ...read.answer, files } : read.answer };
    } catch {
      return null;
    }
  }

  async giveBack() {
    await returnUnit(this.#agentId);
    await this.#draft.forget();
  }

  close() {
    this.#over.abort();
    this.#deadline.stop();
    form.hidden = true;
    returnRow.hidden = true;
    title.hidden = title.textContent === "";
    hush();
  }

  #submitFromScript(extra) {
    this.#extra = extra ?? null;
    form.requestSubmit();
  }

  async #submit(submitter) {
    if (this.#busy || !validate(form)) return;
    const pressed = submitter?.name ? { name: submitter.name, value: submitter.value } : null;
    await this.#deliver(pressed, this.#extra);
  }

  async #deliver(submitter, extra) {
    this.#busy = true;
    form.inert = true;
    returnRow.hidden = true;
    const read = readAnswer(form, submitter, extra);
    this.#draft.keep({ submitter, extra });
    let told;
    try {
      told = await this.#deliverBy(this.#agentId, read);
    } catch (error) {
      this.#takeBack(error);
      return;
    }
    await this.#draft.forget();
    this.#onSent(read.answer, told);
  }

  #takeBack(error) {
    this.#busy = false;
    form.inert = false;
    returnRow.hidden = false;
    this.#draft.keep();
    if (error.status === 404 || error.status === 409) this.#onRefused(error);
    else explain(error);
  }
}

/* Whether another task of this kind can take the place of this one without the page being loaded again: what its scripts
have done, and its styles, nobody can take back. */
export const canFollow = () => !isLasting;

/* The task as visitors see it: nothing can be typed or sent. */
export async function showPreview(html, data) {
  show("preview");
  body.disabled = true;
  form.addEventListener("submit", (event) => event.preventDefault());
  await fillPage(html, data, { agentId: null, isPreview: true, submit: () => {} });
}

async function fillPage(html, data, handle) {
  const filled = fill(html, data);
  isLasting ||= filled.scripts.length > 0 || filled.sheets.length > 0;
  form.hidden = false;
  insert(filled, body);
  if (body.querySelector("h1")) title.hidden = true;
  window.mephisto = Object.freeze({ ...handle, data });
  await runScripts(filled.scripts);
}

function hasSubmitButton() {
  return [...body.querySelectorAll("button, input")].some((one) => one.type === "submit" || one.type === "image");
}

function welcome(words) {
  const first = body.querySelector("[autofocus]") ?? form;
  first.focus({ preventScroll: true });
  announce(words);
}
