/* The mock task's page: registers, shows the data, sends the answer. */

const said = document.getElementById("said");
const form = document.getElementById("task");
let isSending = false;

async function post(path, content) {
  const response = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ ...content, client_timestamp: Date.now() / 1000 }),
  });
  if (!response.ok) throw new Error(`${path} was answered with ${response.status}.`);
  return response.json();
}

async function start() {
  if (window.getWorkerName() === null) {
    said.textContent = "This is a preview.";
    return;
  }
  const { data } = await post("request_agent", { provider_data: window.getAgentRegistration() });
  open(data);
}

function open(data) {
  if (data.agent_id === null) {
    form.hidden = true;
    said.textContent = data.failure_reason;
    return;
  }
  said.textContent = isIntroduction(data.agent_id) ? "First, an introduction." : "";
  document.getElementById("data").textContent = JSON.stringify(data.init_task_data);
  form.hidden = false;
  form.onsubmit = (event) => {
    event.preventDefault(); // each time: the browser would go to another address, without the worker's name
    if (isSending) return;
    isSending = true;
    send(data.agent_id).catch(fail).finally(() => (isSending = false));
  };
}

const isIntroduction = (agentId) => agentId.startsWith("onboarding_");

async function send(agentId) {
  const answer = Object.fromEntries(new FormData(form));
  form.reset();
  if (isIntroduction(agentId)) {
    const content = { USED_AGENT_ID: agentId, onboarding_data: answer };
    return open((await post("submit_onboarding", { provider_data: content })).data);
  }
  await post("submit_task", { USED_AGENT_ID: agentId, final_data: answer });
  form.hidden = true;
  said.textContent = "Thank you. Your work was sent.";
  window.handleSubmitToProvider(answer);
}

function fail(error) {
  said.textContent = `Something went wrong: ${error.message}`;
}

start().catch(fail);
