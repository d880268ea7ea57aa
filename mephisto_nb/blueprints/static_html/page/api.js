/* The router's routes, as calls that give JSON or throw a `RequestError`. */

import { stringify, written } from "./numbers.js";
import { missed, reached } from "./contact.js";

const SECONDS = 1000;
/* What a proxy says in place of a router that is gone. */
const GATEWAY = new Set([502, 503, 504, 521, 522, 523, 530]);

/* `status` is 0 where no answer came at all: such a request, and one that hit a passing trouble, may be repeated. */
export class RequestError extends Error {
  constructor(message, status, code = "", isDuplicate = false) {
    super(message);
    this.status = status;
    this.code = code;
    this.isDuplicate = isDuplicate; // it was done already
  }

  get mayPass() {
    return this.status === 0 || this.status === 408 || this.status === 429 || this.status >= 500;
  }
}

export const getTaskConfig = () => getJSON("task_config.json?mephisto_task_version=2.0.3");
export const getRouterStatus = () => getJSON("status");
export const getSample = () => getJSON("preview.json");

export async function getText(path) {
  return (await request(path)).text();
}

export async function requestAgent(registration) {
  return detailsOf(await postJSON("request_agent", { provider_data: registration }));
}

/* Ask whether there is more work, and take none. */
export const lookAhead = (registration) => requestAgent({ ...registration, only_looks: true });

function detailsOf(packet) {
  if (typeof packet?.data !== "object" || packet.data === null) {
    throw new RequestError("The answer to the registration cannot be read.", 502);
  }
  return packet.data;
}

/* `json` is the answer, written as it will be kept. */
export function submitTask(agentId, json, files) {
  if (files.length === 0) return postJSON("submit_task", { USED_AGENT_ID: agentId, final_data: written(json) });
  const form = new FormData();
  form.append("USED_AGENT_ID", agentId);
  form.append("final_string_data", json);
  form.append("client_timestamp", String(now()));
  // In the names of a form's parts, browsers write quotes and line breaks otherwise.
  const names = files.map(({ name, file }) => ({ field: name, name: file.name }));
  form.append("file_names", JSON.stringify({ files: names }));
  for (const { name, file } of files) form.append(name, file, file.name);
  return post("submit_task", { body: form });
}

/* Hand in an introduction; answered like `requestAgent`, which may take a while. */
export async function submitOnboarding(agentId, registrationId, json) {
  const content = { USED_AGENT_ID: agentId, agent_registration_id: registrationId, onboarding_data: written(json) };
  return detailsOf(await postJSON("submit_onboarding", { provider_data: content }));
}

/* Give a unit back; `reason` says why, if that matters: "no_consent". */
export async function returnUnit(agentId, reason = "") {
  try {
    await postJSON("return_unit", { USED_AGENT_ID: agentId, ...(reason && { reason }) });
  } catch (error) {
    if (!error.isDuplicate) throw error; // the first time it was not heard that it had got through
  }
}

/* Give a unit back while the page is being left: nothing can be awaited any more. */
export function returnInPassing(agentId) {
  const body = JSON.stringify({ USED_AGENT_ID: agentId, client_timestamp: now() });
  navigator.sendBeacon("return_unit", new Blob([body], { type: "application/json" }));
}

export const logError = (agentId, error) => postJSON("log_error", { USED_AGENT_ID: agentId, error_data: error });

export const now = () => Date.now() / SECONDS;

function postJSON(path, content) {
  const body = stringify({ ...content, client_timestamp: now() });
  return post(path, { body, headers: { "Content-Type": "application/json" } });
}

/* Only a router's own word counts: what stands in its place may answer as well, with a page where one logs in, say. */
async function post(path, options) {
  const response = await request(path, { method: "POST", ...options });
  const told = await response.json().catch(() => null);
  if (typeof told?.status !== "string" && typeof told?.packet_type !== "string") throw notTheRouter(path);
  return told;
}

const notTheRouter = (path) => new RequestError(`${path} was answered by something else than the task's server.`, 502);

async function getJSON(path) {
  const response = await request(path);
  return response.json().catch(() => {
    throw new RequestError(`${path} holds no JSON.`, 502);
  });
}

async function request(path, options = {}) {
  let response;
  try {
    response = await fetch(path, { cache: "no-store", ...options });
  } catch (error) {
    missed();
    throw new RequestError(String(error?.message ?? error), 0);
  }
  if (response.ok) {
    reached();
    return response;
  }
  const told = await response.json().catch(() => null);
  if (told === null && GATEWAY.has(response.status)) missed();
  else reached();
  if (told === null && options.method === "POST" && [401, 403, 404, 409, 410].includes(response.status)) throw notTheRouter(path);
  throw new RequestError(told?.error?.message ?? "", response.status, told?.error?.code ?? "", told?.duplicate === true);
}
