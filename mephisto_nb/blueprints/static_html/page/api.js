/* The router's routes, as calls that give JSON or throw a `RequestError`. */

const SECONDS = 1000;

/* `status` is 0 where no answer came at all: such a request, and one that hit a passing trouble, may be repeated. */
export class RequestError extends Error {
  constructor(message, status, code = "") {
    super(message);
    this.status = status;
    this.code = code;
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

function detailsOf(packet) {
  if (typeof packet?.data !== "object" || packet.data === null) {
    throw new RequestError("The answer to the registration cannot be read.", 502);
  }
  return packet.data;
}

export function submitTask(agentId, answer, files) {
  if (files.length === 0) return postJSON("submit_task", { USED_AGENT_ID: agentId, final_data: answer });
  const form = new FormData();
  form.append("USED_AGENT_ID", agentId);
  form.append("final_string_data", JSON.stringify(answer));
  form.append("client_timestamp", String(now()));
  // In the names of a form's parts, browsers write quotes and line breaks otherwise.
  const names = files.map(({ name, file }) => ({ field: name, name: file.name }));
  form.append("file_names", JSON.stringify({ files: names }));
  for (const { name, file } of files) form.append(name, file, file.name);
  return post("submit_task", { body: form });
}

/* Hand in an introduction; answered like `requestAgent`, which may take a while. */
export async function submitOnboarding(agentId, registrationId, answer) {
  const content = { USED_AGENT_ID: agentId, agent_registration_id: registrationId, onboarding_data: answer };
  return detailsOf(await postJSON("submit_onboarding", { provider_data: content }));
}

export const returnUnit = (agentId) => postJSON("return_unit", { USED_AGENT_ID: agentId });
export const logError = (agentId, error) => postJSON("log_error", { USED_AGENT_ID: agentId, error_data: error });

export const now = () => Date.now() / SECONDS;

function postJSON(path, content) {
  const body = JSON.stringify({ ...content, client_timestamp: now() });
  return post(path, { body, headers: { "Content-Type": "application/json" } });
}

async function post(path, options) {
  const response = await request(path, { method: "POST", ...options });
  return response.json().catch(() => ({}));
}

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
    throw new RequestError(String(error?.message ?? error), 0);
  }
  if (response.ok) return response;
  const told = await response.json().catch(() => null);
  throw new RequestError(told?.error?.message ?? "", response.status, told?.error?.code ?? "");
}
