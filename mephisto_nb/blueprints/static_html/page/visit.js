/* A visit of several units: how far it is, what stopping earlier means, and the way back to the crowd at its end. */

import { keyOf, runId } from "./identity.js";
import { put, show } from "./screens.js";

const frame = document.getElementById("visit");
const link = document.getElementById("exit-link");
const code = document.getElementById("exit-code");

const SECOND = 1000;
/* How long the way back is to be read before the page takes it by itself. */
const LEAVES_AFTER = 10;
/* What is said of the ends of `Visit.endBy`. */
const ENDED = {
  completed: "All your answers have arrived.",
  quota_full: "Others have done all that was left while you waited. Thank you for coming.",
};
const TOO_LATE =
  "No more work is given out. If you have sent answers here before, they have arrived. If you have sent nothing, this is for you:";
/* What is said of an end that is no failure. */
const GOOD = new Set(["completed"]);

export class Visit {
  #rules;
  #place = null;

  /* `rules` is what the task says of its visits; null: it has none. */
  constructor(rules) {
    this.#rules = rules ?? null;
  }

  /* Whether this task has visits, so that asking for work tells what follows an answer. */
  get isThere() {
    return this.#rules !== null;
  }

  /* How many units were sent, where there are several. */
  get done() {
    return this.#place === null || this.#place.of < 2 ? 0 : Math.max(0, this.#place.position - 1);
  }

  /* Whether `details` tell that the visit has ended. */
  hasEnded(details) {
    return Boolean(details?.visit_ended);
  }

  /* Show which unit of how many this is; gives it in words, or '' where there is one alone. */
  showPlace(place) {
    this.#place = place ?? null;
    if (!this.isThere || !place || place.of < 2) {
      this.hide();
      return "";
    }
    if (!frame.firstChild) frame.append(document.getElementById("visit-frame").content.cloneNode(true));
    const bar = frame.querySelector("progress");
    const words = place.position > 0 ? `${place.position} of ${place.of}` : "";
    put(frame, { place: words, about: `${place.of} ${this.#rules.about}`, if_stopped: this.#rules.if_stopped });
    bar.max = place.of;
    bar.value = Math.max(0, place.position - 1);
    bar.hidden = words === "";
    frame.querySelector("details").open = place.position < 2;
    frame.hidden = false;
    return words;
  }

  hide() {
    frame.hidden = true;
  }

  /* The end that a way back tells of, which came before the end itself. */
  endBy(exit) {
    const pay = exit.outcome === "completed" ? this.#rules?.when_done : "";
    const reason = [ENDED[exit.outcome], pay].filter(Boolean).join(" ");
    return { visit_ended: { outcome: exit.outcome }, exit, failure_reason: reason };
  }

  /* How it ends for somebody who comes when the task is closed, and whom nobody can tell from one who was there before. */
  endTooLate(exit) {
    return { visit_ended: { outcome: "too_late" }, exit, failure_reason: TOO_LATE };
  }

  /* What is asked of somebody who wants to leave: { words, fill } for the question. */
  question() {
    if (this.done === 0) return { words: "other", fill: { nothing: this.#rules?.if_nothing ?? "" } };
    return { words: "stop", fill: { sent: `You have sent ${this.done} of ${this.#place.of}.`, pay: this.#rules.when_stopped } };
  }
}

/* -- The end ---------------------------------------------------------------------------------------------------- */

let timer = 0;

/* Say how a visit has ended, and show the way back, which the page takes by itself after a while if it may.
`details` are what the router has told. */
export function showExit(details) {
  const { visit_ended: ended, exit, failure_reason: reason } = details;
  const outcome = ended?.outcome ?? exit?.outcome ?? "other";
  const url = addressOf(exit?.url);
  const text = exit?.text ?? "";
  const said = text === reason ? "" : reason ?? "";
  const stays = !url && !/close this page/i.test(text);
  const also = [GOOD.has(outcome) ? "good" : "", url ? "leads" : "", stays ? "stays" : "", exit?.code ? "code" : ""];
  show("exit", { words: outcome, also, fill: { reason: said, text } });
  code.value = exit?.code ?? "";
  if (url === null) return link.removeAttribute("href");
  link.href = url.href;
  link.textContent = `Back to ${url.hostname}`;
  if (exit.automatic && document.getElementById("kept").hidden) leaveSoon(url); // else what was written would be lost
}

/* No address leads anywhere but to the web. */
function addressOf(text) {
  try {
    const url = new URL(text);
    return /^https?:$/.test(url.protocol) ? url : null;
  } catch {
    return null;
  }
}

function leaveSoon(url) {
  const section = document.querySelector('section[data-screen="exit"]');
  let left = LEAVES_AFTER;
  const say = () => {
    for (const place of section.querySelectorAll('[data-when="leaving"]')) place.hidden = false;
    put(section.querySelector("#exit-leaving"), { left: left === 1 ? "1 second" : `${left} seconds` });
  };
  const tick = () => {
    left -= 1;
    if (left <= 0) return window.location.assign(url.href);
    say();
    timer = setTimeout(tick, SECOND);
  };
  clearTimeout(timer);
  say();
  timer = setTimeout(tick, SECOND);
}

/* Stay on this page, after all. */
export function stayHere() {
  clearTimeout(timer);
  for (const place of document.querySelectorAll('section[data-screen="exit"] [data-when="leaving"]')) place.hidden = true;
  link.focus();
}

export async function copyCode(button) {
  stayHere();
  code.select();
  await navigator.clipboard?.writeText(code.value).catch(() => {}); // it is selected: Ctrl+C does the rest
  button.textContent = "Copied";
  button.focus();
}

/* -- What is remembered of it ------------------------------------------------------------------------------------- */

/* The router may be gone when the page is loaded again: the way back is kept here, too. It is that of this run alone. */
const key = () => `${keyOf("exit")}:${runId()}`;


export function keepEnd({ visit_ended, exit, failure_reason }) {
  try {
    localStorage.setItem(key(), JSON.stringify({ visit_ended, exit, failure_reason }));
  } catch {
    // Then the router alone tells it.
  }
}

export function keptEnd() {
  try {
    return JSON.parse(localStorage.getItem(key()));
  } catch {
    return null;
  }
}

/* -- Leaving by a button of the task's own ------------------------------------------------------------------------ */

const LEAVES = "[data-leave]";

/* Call `leave(reason)` when an element [data-leave] of the task is pressed: "no_consent", or whatever it says. */
export function onLeave(leave) {
  const place = document.getElementById("task-form");
  const act = (event) => {
    const button = event.target.closest?.(LEAVES);
    if (!button || !place.contains(button)) return;
    event.preventDefault();
    event.stopImmediatePropagation(); // it sends no form
    void leave(button.dataset.leave);
  };
  window.addEventListener("click", act, true);
  window.addEventListener("keydown", (event) => {
    if (["Enter", " "].includes(event.key) && !event.target.closest?.("button, a[href], input")) act(event);
  }, true);
}

/* Let what leaves be a button for the keyboard, and send no form; `root` holds the task. */
export function prepareLeaving(root) {
  for (const one of root.querySelectorAll(LEAVES)) {
    if (one instanceof HTMLButtonElement) one.type = "button";
    else if (!one.matches("a[href], input")) {
      one.setAttribute("role", "button");
      one.tabIndex = 0;
    }
  }
}
