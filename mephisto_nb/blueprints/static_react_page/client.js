/* For pages that are built without the npm packages: window.mephisto, a worker's task in four calls.

    const { data, agentId, isPreview, config, previousRequests } = await mephisto.begin();
    const labels = await mephisto.call("classify", { text: data.text });   // rejects if the function raises
    await mephisto.submit({ labels });                                     // once, however often it is called
    await mephisto.tell({ type: "feedback", text: "Clear enough." });

What was handed over is sent again until it has arrived, over lost connections, under an id that makes it count once.
`mephisto.onStatus` may be set to a function that hears how the unit stands ("in task", "timeout", "expired" ...). */

"use strict";

window.mephisto = (() => {
  const BEAT = 6000;
  const PAUSES = [1000, 30_000];
  const calls = new Map(); // by request id: { packet, resolve, reject }
  let agentId = null;
  let beginning = null;
  let sending = null;
  let socket = null;
  let beat = 0;
  let pause = PAUSES[0];

  /* A BigInt is sent as the number that it is. */
  const spell = (_, value) => (typeof value === "bigint" ? (JSON.rawJSON?.(String(value)) ?? String(value)) : value);
  const now = () => Date.now() / 1000;
  const wait = (milliseconds) => new Promise((resolve) => {
    setTimeout(resolve, milliseconds);
    window.addEventListener("online", resolve, { once: true });
    window.addEventListener("focus", resolve, { once: true });
  });
  const newId = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");

  /* Post until there is an answer that no waiting will change. */
  async function post(path, content) {
    const body = JSON.stringify({ ...content, client_timestamp: now() }, spell);
    for (let rest = PAUSES[0]; ; rest = Math.min(2 * rest, PAUSES[1])) {
      let response = null;
      try {
        response = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body });
      } catch {
        // No connection: again.
      }
      const told = await response?.json().catch(() => null);
      if (response?.ok && told) return told; // else something stands in the router's place
      if (told && response.status < 500 && ![408, 429].includes(response.status)) {
        throw Object.assign(new Error(told?.error?.message || `${path} was refused.`), { code: told?.error?.code });
      }
      await wait(rest);
    }
  }

  async function begin() {
    const config = await (await fetch("task_config.json?mephisto_task_version=2.0.3")).json();
    const isPreview = window.getWorkerName() === null || window.getAssignmentId() === null;
    if (isPreview) return { isPreview, config, data: null, agentId: null, previousRequests: [] };
    const { data: details } = await post("request_agent", { provider_data: window.getAgentRegistration() });
    if (details.agent_id === null) throw Object.assign(new Error(details.failure_reason), { code: details.failure_code });
    agentId = details.agent_id;
    const given = details.init_task_data;
    const isRemote = Boolean(given && typeof given === "object" && "previous_requests" in given);
    if (isRemote) connect();
    const data = isRemote ? given.task_data : given;
    return { isPreview, config, data, agentId, previousRequests: isRemote ? given.previous_requests : [] };
  }

  function connect() {
    const url = new URL("./", document.baseURI);
    url.search = url.hash = "";
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    socket = new WebSocket(url);
    socket.addEventListener("open", () => {
      pause = PAUSES[0];
      send("alive", { update_id: newId() });
      for (const { packet } of calls.values()) send("mephisto_bound_live_update", packet);
      beat = setInterval(() => send("heartbeat"), BEAT);
    });
    socket.addEventListener("message", (event) => hear(JSON.parse(event.data)));
    socket.addEventListener("close", async () => {
      clearInterval(beat);
      await wait(pause);
      pause = Math.min(2 * pause, PAUSES[1]);
      connect();
    });
  }

  function send(type, data) {
    if (socket?.readyState !== WebSocket.OPEN) return; // sent when it is
    socket.send(JSON.stringify({ packet_type: type, subject_id: agentId, data, client_timestamp: now() }));
  }

  function hear(packet) {
    const data = packet.data ?? {};
    if (packet.packet_type === "client_bound_live_update") {
      send("ack", { update_id: data.update_id });
      settle(data);
    } else if (data.status) window.mephisto.onStatus?.(data.status);
  }

  function settle({ handles, response, error }) {
    const found = calls.get(handles);
    if (!found) return; // answered already
    calls.delete(handles);
    if (error) found.reject(Object.assign(new Error(error.message), { name: error.type }));
    else found.resolve(JSON.parse(response));
  }

  function call(target, args = {}) {
    if (agentId === null) return Promise.reject(new Error("Await mephisto.begin() before mephisto.call()."));
    const request_id = newId();
    const packet = { request_id, target, args: JSON.stringify(args, spell), update_id: request_id };
    return new Promise((resolve, reject) => {
      calls.set(request_id, { packet, resolve, reject });
      send("mephisto_bound_live_update", packet);
    });
  }

  async function submit(answer) {
    await post("submit_task", { USED_AGENT_ID: agentId, final_data: answer });
    window.handleSubmitToProvider(answer);
  }

  return {
    begin: () => (beginning ??= begin().catch((error) => {
      beginning = null; // it may be tried again
      throw error;
    })),
    call,
    submit: (answer) => (sending ??= submit(answer).catch((error) => {
      sending = null;
      throw error;
    })),
    tell: (...items) =>
      post("submit_metadata", {
        USED_AGENT_ID: agentId,
        metadata: Object.fromEntries(items.map((item) => [item.type, item])),
      }),
    onStatus: null,
  };
})();
