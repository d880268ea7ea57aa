/* Waiting between attempts: longer each time, but at once when the network comes back or the page is looked at. */

import { isLost } from "./contact.js";

const FIRST = 1000;
const LONGEST = 30_000;
const LONGEST_IF_LOST = 5 * 60_000;

export class Patience {
  #wait = FIRST;

  reset() {
    this.#wait = FIRST;
  }

  async rest() {
    const wait = this.#wait * (0.75 + Math.random() / 2);
    this.#wait = Math.min(this.#wait * 2, isLost() ? LONGEST_IF_LOST : LONGEST);
    await wokenAfter(wait);
  }
}

/* Repeat `attempt` until it succeeds or fails for good; `onTrouble` hears of each failure that may pass. */
export async function persist(attempt, onTrouble) {
  const patience = new Patience();
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (!error.mayPass) throw error;
      onTrouble(error);
      await patience.rest();
    }
  }
}

function wokenAfter(milliseconds) {
  return new Promise((resolve) => {
    const wake = () => {
      if (document.visibilityState === "hidden") return;
      done();
    };
    const done = () => {
      clearTimeout(timer);
      window.removeEventListener("online", done);
      window.removeEventListener("focus", done);
      document.removeEventListener("visibilitychange", wake);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    window.addEventListener("online", done);
    window.addEventListener("focus", done);
    document.addEventListener("visibilitychange", wake);
  });
}
