/* What is known to the scripts of a task's page, whatever crowd its workers are of: settings, by the names that Mephisto 1.x has.

Stands in the site's `wrap_crowd_source.js` before the provider's own script, which tells who the worker is. Each has a scope of
its own: that of a provider need not be strict. */

(() => {
  "use strict";

  window._MEPHISTO_CONFIG_ = (() => {
    const values = new Map();
    const listeners = new Map();
    const EVENT_EMITTER = {
      on(key, listener) {
        listeners.set(key, [...(listeners.get(key) ?? []), listener]);
      },
      emit(key, value) {
        for (const listener of listeners.get(key) ?? []) listener(value);
      },
    };
    return {
      EVENT_EMITTER,
      get(key) {
        if (!values.has(key)) throw new Error(`_MEPHISTO_CONFIG_ holds no ${key}.`);
        return values.get(key);
      },
      set(key, value) {
        values.set(key, value);
        EVENT_EMITTER.emit(key, value);
      },
    };
  })();

  for (const flag of ["AUTO_SUBMIT_ERRORS", "ADD_ERROR_HANDLING", "HIDE_SUBMIT_BUTTON", "SHOWS_OWN_THANKS"]) {
    window._MEPHISTO_CONFIG_.set(flag, false);
  }
  window._MEPHISTO_CONFIG_.set("ERROR_REPORT_TO_EMAIL", null);
  // The page puts the run's id here, if it knows it; until then keys hold the host alone.
  window._MEPHISTO_CONFIG_.set("run_id", "");
})();
