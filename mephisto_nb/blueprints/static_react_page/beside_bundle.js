/* Runs before the researcher's bundle: tells them what goes wrong in it, and shows visitors a preview, if there is one.

A classic script, in a scope of its own: bundles find no names here but those of wrap_crowd_source.js. */

"use strict";

(() => {
  const MOST = 5;
  let told = 0;
  const kinds = new Set();

  /* Tell the researcher; a page that fails a thousand times a second tells it five times. */
  function report(data) {
    if (told++ >= MOST) return;
    const body = { USED_AGENT_ID: "mephisto", error_data: { ...data, user_agent: navigator.userAgent } };
    const headers = { "Content-Type": "application/json" };
    fetch("log_error", { method: "POST", headers, body: JSON.stringify(body) }).catch(() => {});
  }

  function reportError(error, where) {
    const text = String(error?.message ?? error).slice(0, 2000);
    report({ error_type: where, text, stack: String(error?.stack ?? "").slice(0, 4000) });
  }

  const SHOWING = new Set(["img", "audio", "video", "source", "track", "link"]);
  const missing = new Set();

  /* Tell of a file that did not load, once; `element` was to show it. */
  function reportFile(element) {
    const isLast = element.localName !== "source" || element.parentElement?.lastElementChild === element;
    const address = element.currentSrc || element.src || element.href || "";
    const isNamed = element.getAttribute("src") || element.getAttribute("href");
    if (!isLast || !isNamed || missing.has(address)) return;
    missing.add(address);
    const own = `${window.location.origin}/`;
    const file = (address.startsWith(own) ? address.slice(own.length) : address).slice(0, 200);
    report({ error_type: "file", file, text: `${file} could not be loaded` });
  }

  window.addEventListener("error", (event) => {
    if (event.target instanceof HTMLScriptElement) {
      reportError(`${event.target.src} could not be loaded`, "error");
      sayIncomplete();
    } else if (SHOWING.has(event.target?.localName)) reportFile(event.target);
    else if (event instanceof ErrorEvent) reportError(event.error ?? event.message, "error");
  }, true);
  window.addEventListener("unhandledrejection", (event) => reportError(event.reason, "unhandledrejection"));
  document.addEventListener("securitypolicyviolation", (event) => {
    const directive = event.effectiveDirective.replace(/-(elem|attr)$/, "");
    const kind = `${directive} ${event.blockedURI}`;
    if (kinds.has(kind)) return;
    kinds.add(kind);
    report({ error_type: "policy", directive, blocked: event.blockedURI, text: `The page's policy stopped: ${kind}` });
  });

  function sayIncomplete() {
    const text = document.createElement("p");
    text.setAttribute("role", "alert");
    text.textContent = "A part of this page could not be loaded. Please load the page again. If that does not help, please tell whoever sent you the link.";
    (document.body ?? document.documentElement).prepend(text);
  }

  async function showPreview() {
    const html = await (await fetch("preview.html")).text();
    const main = document.createElement("main");
    main.innerHTML = html; // the researcher's own; scripts in it do not run
    document.getElementById("app").hidden = true;
    document.body.prepend(main);
  }

  fetch("task_config.json")
    .then((response) => response.json())
    .then((config) => {
      if (config.task_title) document.title = config.task_title;
      if (config.shows_preview_file && window.getAssignmentId() === null) return showPreview();
    })
    .catch(() => {}); // offline: the bundle finds out by itself
})();
