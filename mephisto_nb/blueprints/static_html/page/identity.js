/* Who the worker is, by what the provider's wrap_crowd_source.js defines; and which of their units are done. */

const config = () => window._MEPHISTO_CONFIG_;

export function tellRun(runId) {
  config()?.set("run_id", runId);
  config()?.set("SHOWS_OWN_THANKS", true);
}

export const runId = () => config()?.get("run_id") ?? "";

export const isPreview = () => window.getWorkerName() === null || window.getAssignmentId() === null;

let own = null;

/* What this page calls itself: another window may have asked for another unit since. */
export const registration = () => (own ??= window.getAgentRegistration());

export function hidesSubmitButton() {
  try {
    return Boolean(config().get("HIDE_SUBMIT_BUTTON"));
  } catch {
    return Boolean(window.HIDE_SUBMIT_BUTTON);
  }
}

export const tellProvider = (answer) => window.handleSubmitToProvider(answer);

/* Whether this crowd lets a worker ask for another unit from the same page. */
export const canRenew = () => typeof window.renewRegistration === "function";

export function renew() {
  own = null;
  return window.renewRegistration();
}

/* One host may show many tasks, each in a folder of its own. */
export const keyOf = (what) => `mephisto:${what}:${location.host}${folder()}:${registration().agent_registration_id}`;

function folder() {
  const { pathname } = new URL("./", document.baseURI);
  return pathname === "/" ? "" : pathname;
}

/* How this registration ended ('sent', 'returned' ...), so that a reload does not ask for it once more. */
export function howItEnded() {
  try {
    return localStorage.getItem(keyOf("finished"));
  } catch {
    return null;
  }
}

let sentElsewhere = null;

window.addEventListener("storage", ({ key, newValue }) => {
  if (key === keyOf("finished") && newValue === "sent") sentElsewhere?.();
});

/* `listener()` is called when this registration's answer was sent from another window. */
export function onSentElsewhere(listener) {
  sentElsewhere = listener;
}

/* The agent that this registration had last, by which its drafts are found again. */
export function lastAgent() {
  try {
    return localStorage.getItem(keyOf("agent"));
  } catch {
    return null;
  }
}

export function markAgent(agentId) {
  try {
    localStorage.setItem(keyOf("agent"), agentId);
  } catch {
    // Nothing is kept in this browser, its drafts neither.
  }
}

export function markEnded(how) {
  try {
    localStorage.setItem(keyOf("finished"), how);
  } catch {
    // The operator knows as well; a reload asks it.
  }
}

const cameKey = "mephisto:came";

/* Note that a unit came by itself, for as long as this tab is open. */
export function markCame(agentId) {
  try {
    sessionStorage.setItem(cameKey, agentId);
  } catch {
    // Then it is held until its time is over.
  }
}

export function hasCome(agentId) {
  try {
    return sessionStorage.getItem(cameKey) === agentId;
  } catch {
    return false;
  }
}
