/* Tells the researcher about errors in the page, their own scripts' included. */

import { logError } from "./api.js";

const MOST = 5;
let told = 0;
let agentId = "mephisto";

export function reportAs(id) {
  agentId = id;
}

export function report(error, where) {
  if (told++ >= MOST) return;
  const data = {
    error_type: where,
    text: String(error?.message ?? error).slice(0, 2000),
    stack: String(error?.stack ?? "").slice(0, 4000),
    user_agent: navigator.userAgent,
  };
  logError(agentId, data).catch(() => {}); // an error that cannot be told must not make another
}

const SHOWING = new Set(["img", "audio", "video", "source", "track", "link"]);
const missing = new Set();

/* Tell of a file that did not load, once; `element` was to show it. */
function reportFile(element) {
  const isLast = element.localName !== "source" || element.parentElement?.lastElementChild === element;
  const address = element.currentSrc || element.src || element.href || "";
  const isNamed = element.getAttribute("src") || element.getAttribute("href");
  if (!isLast || !isNamed || missing.has(address) || missing.size >= MOST) return;
  missing.add(address);
  const file = nameOf(address);
  const text = `${file} could not be loaded`;
  logError(agentId, { error_type: "file", file, text, user_agent: navigator.userAgent }).catch(() => {});
}

/* A file of this site by its name, others by their address. */
function nameOf(address) {
  const own = new URL(".", document.baseURI).href;
  const name = address.startsWith(own) ? address.slice(own.length) : address;
  try {
    return decodeURIComponent(name).slice(0, 200);
  } catch {
    return name.slice(0, 200);
  }
}

export function watchErrors() {
  // Events of elements pass here on their way down alone.
  const hear = ({ target, error, message }) => {
    if (SHOWING.has(target?.localName)) reportFile(target);
    else if (target === window) report(error ?? message, "error");
  };
  window.addEventListener("error", hear, true);
  window.addEventListener("unhandledrejection", (event) => report(event.reason, "unhandledrejection"));
}
