/* One unit of work on the page: filled, worked on, kept as a draft, sent or given back. */

import { returnUnit } from "./api.js";
import { describe, readAnswer } from "./answer.js";
import { Deadline } from "./deadline.js";
import { Draft } from "./draft.js";
import { body, hasSubmitButton, place, takeIn } from "./forms.js";
import { hidesSubmitButton } from "./identity.js";
import { stringify } from "./numbers.js";
import { clearProblem } from "./problems.js";
import { announce, show } from "./screens.js";
import { explain, hush, send } from "./sending.js";
import { Submits } from "./submits.js";
import { fill, insert, runScripts, runsAgain, takeOut } from "./template.js";
import { prepareLeaving } from "./visit.js";
import { keepWords, restoreWords } from "./wording.js";

const ownSubmit = document.getElementById("own-submit");
const returnRow = document.getElementById("return-row");
const title = document.getElementById("task-title");

let isLasting = false;
let isRunningOnce = false;

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
    this.#draft = new Draft(place, agentId, () => this.written());
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
    place.inert = false;
    const { signal } = this.#over;
    const submits = new Submits((submitter) => this.#send(submitter), signal); // sends nothing yet
    this.#draft.watch(signal);
    await fillPage(html, data, {
      agentId: this.#agentId,
      isPreview: false,
      submit: (extra) => {
        this.#extra = extra ?? null;
        submits.byScript();
      },
    });
    const unsent = await this.#draft.restore();
    place.addEventListener("input", (event) => clearProblem(event.target), { signal });
    place.addEventListener("input", hush, { signal });
    ownSubmit.hidden = hidesSubmitButton() || hasSubmitButton();
    ownSubmit.addEventListener("click", ({ target }) => submits.byOwnButton(target), { signal });
    returnRow.hidden = false;
    this.#deadline.start(Number(seconds ?? NaN));
    welcome(ready);
    if (unsent) void this.#deliver({ ...unsent, files: readAnswer(null, null).files });
    submits.start();
  }

  /* The answer as it stands, for people and for programs: { text, data }; null, where it cannot be read. */
  written() {
    try {
      const read = readAnswer(null, this.#extra);
      const files = read.files.map(({ name, file }) => ({ field: name, name: file.name }));
      const data = JSON.parse(stringify(read.answer));
      return { text: describe(read), data: files.length > 0 ? { ...data, files } : data };
    } catch {
      return null;
    }
  }

  async giveBack(reason = "") {
    await returnUnit(this.#agentId, reason);
    await this.#draft.forget();
  }

  close() {
    this.#draft.settle();
    this.#over.abort();
    this.#deadline.stop();
    place.hidden = true;
    returnRow.hidden = true;
    title.hidden = title.textContent === "";
    hush();
  }

  #send(submitter) {
    if (this.#busy || this.#over.signal.aborted) return;
    restoreWords(submitter);
    const { answer, files } = readAnswer(submitter, this.#extra);
    void this.#deliver({ answer, files, json: stringify(answer) });
  }

  async #deliver({ answer, files, json }) {
    this.#busy = true;
    place.inert = true;
    returnRow.hidden = true;
    this.#draft.keep({ answer: JSON.parse(json), json });
    let told;
    try {
      told = await this.#deliverBy(this.#agentId, { json, files });
    } catch (error) {
      this.#takeBack(error);
      return;
    }
    await this.#draft.forget();
    this.#onSent(answer, told);
  }

  #takeBack(error) {
    this.#busy = false;
    place.inert = false;
    returnRow.hidden = false;
    this.#draft.keep();
    if (error.status === 404 || error.status === 409) this.#onRefused(error);
    else explain(error);
  }
}

/* Whether another task of this kind can take the place of this one without the page being loaded again: what its scripts
have done, and its styles, nobody can take back. */
export const canFollow = () => !isLasting;

/* The same within a visit: styles are taken out again, and scripts that say so are run anew. */
export const canGoOn = () => !isRunningOnce;

/* The task as visitors see it: nothing can be typed or sent. */
export async function showPreview(html, data) {
  show("preview");
  const closed = document.createElement("fieldset");
  Object.assign(closed, { disabled: true, className: "task-body" });
  body.replaceWith(closed);
  closed.append(body);
  place.addEventListener("submit", (event) => event.preventDefault(), true);
  HTMLFormElement.prototype.submit = () => {};
  await fillPage(html, data, { agentId: null, isPreview: true, submit: () => {} });
}

async function fillPage(html, data, handle) {
  // Mephisto 1.x fills these two in as well.
  const names = { mephisto_agent_id: handle.agentId ?? "", provider_worker_id: window.getWorkerName() ?? "" };
  const filled = fill(html, { ...names, ...data });
  isLasting ||= filled.scripts.length > 0 || filled.sheets.length > 0;
  isRunningOnce ||= filled.scripts.some(({ script }) => !runsAgain(script));
  place.hidden = false;
  takeOut();
  insert(filled, body);
  prepareLeaving(body);
  takeIn();
  keepWords();
  if (body.querySelector("h1")) title.hidden = true;
  window.mephisto = Object.freeze({ ...handle, data });
  await runScripts(filled.scripts);
}

function welcome(words) {
  const first = body.querySelector("[autofocus]") ?? place;
  first.focus({ preventScroll: true });
  announce(words);
}
