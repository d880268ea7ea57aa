/* The page's WebSocket: tells the router that the worker is here, and hears when their unit is taken back.
The page works without it; what matters is also told by the answers to its requests. */

import { now } from "./api.js";
import { missed, reached } from "./contact.js";
import { Patience } from "./patience.js";

const HEARTBEAT = 15_000;
/* Why a router hangs up on an agent that is none of its own. */
const NO_AGENT = "no agent";

export class Live {
  #agentId;
  #onStatus;
  #onUpdate;
  #onConfirmed;
  #socket = null;
  #patience = new Patience();
  #timer = 0;
  #closed = false;
  #beats = []; // of each heartbeat that is not answered yet: whether something was said before it

  /* `onUpdate(data)` takes what the task's code says; `onConfirmed()` is called once for each `say`, in order, when what
  was said is on the router's disk. */
  constructor(agentId, onStatus, onUpdate = null, onConfirmed = () => {}) {
    this.#agentId = agentId;
    this.#onStatus = onStatus;
    this.#onUpdate = onUpdate;
    this.#onConfirmed = onConfirmed;
    this.#connect();
  }

  /* Called whenever there is a connection, and when there is none any more. */
  onOpen = () => {};
  onLost = () => {};
  /* Called when what answers does not know this agent. */
  onUnknown = () => {};

  get isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  /* Say something to the task's code, if there is a connection; `onConfirmed` tells that it has arrived. */
  say(data) {
    this.#send("mephisto_bound_live_update", data);
    this.#beat(true);
  }

  close() {
    this.#closed = true;
    clearInterval(this.#timer);
    this.#socket?.close();
  }

  #connect() {
    const url = new URL("./", document.baseURI);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    url.search = "";
    const socket = (this.#socket = new WebSocket(url));
    socket.addEventListener("open", () => this.#opened());
    socket.addEventListener("message", (event) => this.#heard(event.data));
    socket.addEventListener("close", (event) => this.#lost(event));
  }

  #opened() {
    reached();
    this.#patience.reset();
    this.#beats = [];
    this.#send("alive", { update_id: String(Math.random()) });
    clearInterval(this.#timer);
    this.#timer = setInterval(() => this.#beat(false), HEARTBEAT);
    this.onOpen();
  }

  /* Its answer comes behind that to all that was sent before. */
  #beat(isAfterWords) {
    if (!this.isOpen) return;
    this.#beats.push(isAfterWords);
    this.#send("heartbeat");
  }

  #send(type, data) {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    this.#socket.send(
      JSON.stringify({ packet_type: type, subject_id: this.#agentId, data, client_timestamp: now() }),
    );
  }

  #heard(text) {
    let packet;
    try {
      packet = JSON.parse(text);
    } catch {
      return;
    }
    if (packet?.packet_type === "client_bound_live_update" && this.#onUpdate) {
      this.#onUpdate(packet.data);
      this.#send("ack", { update_id: packet.data.update_id });
    }
    if (packet?.packet_type === "heartbeat" && this.#beats.shift()) this.#onConfirmed();
    const status = packet?.data?.status;
    if (["update_status", "heartbeat"].includes(packet?.packet_type) && typeof status === "string") {
      this.#onStatus(status, packet.data.closed_at);
    }
  }

  async #lost({ reason }) {
    clearInterval(this.#timer);
    if (this.#closed) return;
    missed();
    this.onLost();
    if (reason === NO_AGENT) this.onUnknown();
    await this.#patience.rest();
    if (!this.#closed) this.#connect();
  }
}
