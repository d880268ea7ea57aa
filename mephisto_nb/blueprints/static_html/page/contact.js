/* Whether the router answers, and since when it does not. Only attempts count: a laptop that sleeps misses nothing. */

const PATIENCE = 10 * 60_000;

let failingSince = null;
let isAway = false;
const listeners = [];

/* Whether nothing has been heard of the router for so long that somebody should be told. */
export const isLost = () => isAway;

/* `listener(isLost)` is called when that changes. */
export function onContact(listener) {
  listeners.push(listener);
}

export function reached() {
  failingSince = null;
  set(false);
}

export function missed() {
  const now = Date.now();
  if (failingSince === null || now < failingSince) failingSince = now; // clocks may be put back
  if (now - failingSince >= PATIENCE) set(true);
}

function set(away) {
  if (away === isAway) return;
  isAway = away;
  for (const listener of listeners) listener(away);
}
