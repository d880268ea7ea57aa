/* The page's WebSocket: tells the router that the worker is here, and hears when their unit is taken back.
The page works without it; what matters is also told by the answers to its requests. */

import { now } from "./api.js";
import { Patience } from "./patience.js";

const HEARTBEAT = 15_000;

export class Live {
  #agentId;
  #onStatus;
  #socket = null;
  #patience = new Patience();
  #timer = 0;
  #closed = false;

  constructor(agentId, onStatus) {
    this.#agentId = agentId;
    this.#onStatus = onStatus;
    this.#connect();
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
    socket.addEventListener("close", () => this.#lost());
  }

  #opened() {
    this.#patience.reset();
    this.#send("alive", { update_id: String(Math.random()) });
    clearInterval(this.#timer);
    this.#timer = setInterval(() => this.#send("heartbeat"), HEARTBEAT);
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
    const status = packet?.data?.status;
    if (["update_status", "heartbeat"].includes(packet?.packet_type) && typeof status === "string") this.#onStatus(status);
  }

  async #lost() {
    clearInterval(this.#timer);
    if (this.#closed) return;
    await this.#patience.rest();
    if (!this.#closed) this.#connect();
  }
}
