/* Sends an answer until it has arrived, and says meanwhile how things stand. */

import { submitOnboarding, submitTask } from "./api.js";
import { registration } from "./identity.js";
import { persist } from "./patience.js";
import { choose, put } from "./screens.js";

const bar = document.getElementById("sending");

const PLAIN_WORDS = {
  413: "Your answer is too large to be sent. Please choose smaller or fewer files, then send it again.",
  429: "Too many answers are on their way. Please wait a minute, then send it again.",
};

/* Resolves with what the router told once it has the answer on its disk; rejects with what it said where it will never
take it. */
export async function send(agentId, { json, files }) {
  say("sending");
  try {
    return await persist(
      () => submitTask(agentId, json, files),
      () => say("retrying"),
    );
  } finally {
    bar.hidden = true;
  }
}

/* Hand in an introduction; resolves with what the worker is to do next. Files are not sent: nobody would keep them. */
export async function handIn(agentId, { json }) {
  say("looking");
  try {
    const own = registration().agent_registration_id;
    return await persist(
      () => submitOnboarding(agentId, own, json),
      () => say("retrying"),
    );
  } finally {
    bar.hidden = true;
  }
}

/* Tell the worker why an answer that can be mended was not taken. */
export function explain(error) {
  const reason = PLAIN_WORDS[error.status] ?? error.message;
  say("refused", reason || "Your answer was not taken. Please load the page again; what you have written is kept.");
}

export function hush() {
  bar.hidden = true;
}

function say(words, reason = "") {
  choose(bar, words);
  put(bar, { reason });
  bar.hidden = false;
}
