/* Tells a page that is shown in a notebook that a worker has accepted its unit. */

"use strict";

window._MEPHISTO_CONFIG_ = (() => {
  const values = new Map([
    ["AUTO_SUBMIT_ERRORS", false],
    ["ADD_ERROR_HANDLING", false],
    ["HIDE_SUBMIT_BUTTON", false],
    ["SHOWS_OWN_THANKS", false],
    ["ERROR_REPORT_TO_EMAIL", null],
    ["run_id", "preview"],
  ]);
  return {
    EVENT_EMITTER: { on() {}, emit() {} },
    get: (key) => values.get(key),
    set: (key, value) => void values.set(key, value),
  };
})();

window.getWorkerName = () => "preview";
window.getAssignmentId = () => "preview";
window.getAgentRegistration = () => ({
  worker_name: "preview",
  agent_registration_id: "preview-preview",
  assignment_id: "preview",
  provider_type: "preview",
});
window.getProviderURLParams = {};
window.handleSubmitToProvider = () => {};
