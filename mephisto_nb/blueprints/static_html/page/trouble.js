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

export function watchErrors() {
  window.addEventListener("error", (event) => report(event.error ?? event.message, "error"));
  window.addEventListener("unhandledrejection", (event) => report(event.reason, "unhandledrejection"));
}
