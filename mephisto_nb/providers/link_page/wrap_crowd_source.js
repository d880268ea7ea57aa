/* Tells a task's page who the worker is, and takes leave of them once their work was sent.

Comes behind `crowd_script.js`, before the page's own scripts. Workers come by /?worker_id=NAME#key=KEY, where
Mephisto 1.x has /?worker_id=NAME&assignment_id=ID (and its inhouse crowd &id=ID). The registration token
is kept per run and worker, so that a reload, or the link opened once more, finds the same unit again. The key is
taken out of the address: it is not seen on a shared screen, nor in a copy of what stands there. This browser keeps it,
so that who comes back by a bookmark, or in another tab, is still who they are. */

(() => {
  "use strict";

  const DAYS_KEPT = 30;
  const unsaved = new Map(); // for browsers that keep nothing
  const query = () => new URLSearchParams(window.location.search);

  function tokenKey() {
    const run = window._MEPHISTO_CONFIG_.get("run_id");
    return `mephisto:token:${window.location.host}:${run}:${window.getWorkerName()}`;
  }

  function readToken(key) {
    try {
      return window.localStorage.getItem(key) ?? unsaved.get(key);
    } catch {
      return unsaved.get(key);
    }
  }

  function keepToken(key, token) {
    unsaved.set(key, token);
    try {
      window.localStorage.setItem(key, token);
    } catch {
      // Private windows and full disks: the token lasts as long as the page.
    }
    return token;
  }

  function newToken() {
    const bytes = window.crypto.getRandomValues(new Uint8Array(16));
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  const keyOfKey = () => `mephisto:key:${window.location.host}:${window.getWorkerName()}`;
  let unsavedKey = null;

  /* Take the link's key out of the address, where the browser can keep it; tell whether there was one. */
  function takeKey() {
    const key = new URLSearchParams(window.location.hash.slice(1)).get("key");
    if (!key) return false;
    unsavedKey = key;
    try {
      window.sessionStorage.setItem(keyOfKey(), key);
      window.localStorage.setItem(keyOfKey(), JSON.stringify({ key, at: Date.now() }));
    } catch {
      return true; // it has to stay in the address, or it would not outlast a reload
    }
    const url = new URL(window.location.href);
    url.hash = "";
    window.history.replaceState(window.history.state, "", url);
    return true;
  }

  function readKey() {
    try {
      return window.sessionStorage.getItem(keyOfKey()) ?? keptKey() ?? unsavedKey;
    } catch {
      return unsavedKey;
    }
  }

  /* What another tab, or this one on another day, has kept; all that nobody came back for is forgotten. */
  function keptKey() {
    const kept = (name) => JSON.parse(window.localStorage.getItem(name));
    for (const name of Object.keys(window.localStorage).filter((one) => one.startsWith("mephisto:key:"))) {
      if (Date.now() - kept(name).at > DAYS_KEPT * 24 * 3600 * 1000) window.localStorage.removeItem(name);
    }
    return kept(keyOfKey())?.key ?? null;
  }

  window.getWorkerName = () => query().get("worker_id")?.trim() || null;

  window.getAssignmentId = () => {
    if (window.getWorkerName() === null) return null;
    const key = tokenKey();
    return query().get("assignment_id") || query().get("id") || readToken(key) || keepToken(key, newToken());
  };

  takeKey();
  // A whole link that is opened where an incomplete one was loads no page by itself: only its last part is new.
  window.addEventListener("hashchange", () => takeKey() && window.location.reload());

  window.getAgentRegistration = () => ({
    worker_name: window.getWorkerName(),
    agent_registration_id: `${window.getAssignmentId()}-${window.getWorkerName()}`,
    assignment_id: window.getAssignmentId(),
    provider_type: "link",
    ...(readKey() && { worker_key: readKey() }),
  });

  /* Forget the present registration, so that the next one asks for another unit. */
  window.renewRegistration = () => {
    const url = new URL(window.location.href);
    for (const name of ["assignment_id", "id"]) url.searchParams.delete(name);
    window.history.replaceState(null, "", url);
    keepToken(tokenKey(), newToken());
    return true;
  };

  window.getProviderURLParams = {};

  window.handleSubmitToProvider = () => {
    if (!window._MEPHISTO_CONFIG_.get("SHOWS_OWN_THANKS")) showThanks();
  };

  /* A message beside the page, which may go on: it may ask for an opinion of the task, say. */
  function showThanks() {
    document.getElementById("mephisto-thanks")?.closest("dialog").remove();
    const dialog = document.createElement("dialog");
    const heading = document.createElement("h2");
    const text = document.createElement("p");
    heading.textContent = "Thank you";
    heading.id = "mephisto-thanks";
    text.textContent = "Your work was sent. You can close this page now, or ask whether there is more to do.";
    const next = button("Next task", () => window.location.reload());
    const close = button("Close this message", () => dialog.remove());
    dialog.setAttribute("aria-labelledby", heading.id);
    dialog.append(heading, text, next, " ", close);
    const place = { position: "fixed", inset: "auto 1rem 1rem auto", margin: 0, zIndex: 2147483647 };
    Object.assign(dialog.style, { ...place, padding: "1.5rem", borderRadius: "12px", maxWidth: "28rem" });
    Object.assign(dialog.style, { font: "1rem system-ui", color: "#111", background: "#fff", border: "2px solid #111" });
    document.body.append(dialog);
    dialog.show();
    heading.tabIndex = -1;
    heading.focus();
  }

  function button(words, act) {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = words;
    made.addEventListener("click", act);
    return made;
  }
})();
