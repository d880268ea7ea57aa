/* Who the worker is, by what the provider's wrap_crowd_source.js defines; and which of their units are done. */

const config = () => window._MEPHISTO_CONFIG_;

export function tellRun(runId) {
  config()?.set("run_id", runId);
  config()?.set("SHOWS_OWN_THANKS", true);
}

export const isPreview = () => window.getWorkerName() === null || window.getAssignmentId() === null;

export const registration = () => window.getAgentRegistration();

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

export const renew = () => window.renewRegistration();

const finishedKey = () => `mephisto:finished:${location.host}:${registration().agent_registration_id}`;

/* How this registration ended ('sent', 'returned' ...), so that a reload does not ask for it once more. */
export function howItEnded() {
  try {
    return localStorage.getItem(finishedKey());
  } catch {
    return null;
  }
}

export function markEnded(how) {
  try {
    localStorage.setItem(finishedKey(), how);
  } catch {
    // The operator knows as well; a reload asks it.
  }
}
