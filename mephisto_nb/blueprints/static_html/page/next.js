/* What follows an answer: the next unit by itself, the question whether another one is wanted, or nothing. */

import { lookAhead, requestAgent } from "./api.js";
import * as identity from "./identity.js";
import { Patience, persist } from "./patience.js";
import { show } from "./screens.js";

/* How long the thanks are to be read at least. */
const READ_FOR = 600;

export class Next {
  #way;
  #closedAt;

  /* `way` is what the task has set: the next unit "comes", or workers are "asked", or there is "none". Where it is not
  known, there may be one. */
  constructor(way, closedAt) {
    this.#way = identity.canRenew() ? way ?? "unknown" : "none";
    this.#closedAt = closedAt;
  }

  /* Whether there is more work for this worker, who is not asked by themselves. */
  async isThere() {
    if (this.#way === "unknown") return true;
    if (this.#way === "none") return false;
    const told = await this.#lookAhead();
    return told !== null && isWork(told);
  }

  /* Thank, and go on; `take(details)` shows the next unit, once it has come. */
  async follow(take) {
    if (this.#closedAt) return say("over");
    if (this.#way === "comes") return this.#bring(take);
    if (this.#way === "asked") return this.#offer();
    say(this.#way === "unknown" ? "more" : "other");
  }

  async #offer() {
    say("looking");
    const told = await this.#lookAhead();
    if (isThanking()) say(...(told === null ? ["other"] : isWork(told) ? ["more"] : [wordsFor(told), told]));
  }

  #lookAhead() {
    return persist(() => lookAhead(identity.registration()), () => {}).catch(() => null);
  }

  async #bring(take) {
    const read = new Promise((resolve) => setTimeout(resolve, READ_FOR));
    const patience = new Patience();
    say("looking");
    identity.renew();
    for (;;) {
      const told = await persist(() => requestAgent(identity.registration()), () => {}).catch(() => null);
      await read;
      if (!isThanking()) return;
      if (told && isWork(told)) return take(told);
      if (!told?.may_pass) {
        identity.markEnded("sent"); // who loads the page again is thanked again
        return say(told ? wordsFor(told) : "other", told);
      }
      say("later", told);
      await patience.rest();
    }
  }
}

const isWork = (told) => told.has_more === true || (told.agent_id !== null && told.agent_id !== undefined);

const wordsFor = (told) => (told.failure_code === "run_over" ? "over" : "other");

const isThanking = () => document.body.dataset.screen === "sent";

function say(words, told = null) {
  show("sent", { words, fill: { more: told?.failure_code === "run_over" ? "" : told?.failure_reason ?? "" } });
}
