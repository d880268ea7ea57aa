/* What is said: shown in its order, sent until it has arrived, and kept in the browser until then. */

import { announce } from "./screens.js";
import { fill, insert } from "./template.js";

const log = document.getElementById("talk-log");
const list = log.querySelector("ol");
const state = document.getElementById("talk-state");
const form = document.getElementById("talk-form"); // no <form>: the first one of the page is the researcher's
const text = document.getElementById("talk-text");
const section = document.getElementById("talk");
const doneRow = document.getElementById("talk-done");
const PREFIX = "mephisto:draft:talk:";

export class Talk {
  isOpen = false;
  #agentId;
  #config;
  #live = null;
  #seen = new Set();
  #unsent = [];
  #confirmable = 0;
  #mayWrite;
  #isOver = false;
  #isDone = false;

  constructor(agentId, config) {
    this.#agentId = agentId;
    this.#config = config;
    this.#mayWrite = !config.take_turns;
    form.querySelector("button").addEventListener("click", () => this.#write());
    text.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#write();
    });
    text.addEventListener("input", () => this.#keep());
  }

  static async showInstruction(html, data) {
    const place = document.getElementById("talk-instruction");
    const body = document.getElementById("talk-instruction-body");
    insert(fill(html, data), body);
    body.addEventListener("submit", (event) => event.preventDefault()); // there is nothing to send
    place.hidden = false;
    section.hidden = false;
    section.querySelector(".talk-main").hidden = true;
    if (window.matchMedia("(max-width: 40rem)").matches) place.open = false;
  }

  open() {
    this.isOpen = true;
    section.hidden = false;
    section.querySelector(".talk-main").hidden = false;
    const kept = this.#read();
    if (!text.value && kept?.text) text.value = kept.text;
    for (const message of kept?.unsent ?? []) this.#show(message, "unsent");
    this.#draw();
    text.focus({ preventScroll: true });
  }

  close() {
    this.isOpen = false;
    section.hidden = true;
  }

  /* What was said to somebody who has left is over: those who come begin anew. */
  clear() {
    this.close();
    list.replaceChildren();
    this.#seen.clear();
    this.#unsent = [];
    this.#isDone = false;
    this.#mayWrite = !this.#config.take_turns;
    this.#keep();
  }

  /* The conversation is over: what was said stays to be read. */
  end(words) {
    this.#isOver = true;
    this.#draw(words);
  }

  forget() {
    try {
      localStorage.removeItem(PREFIX + this.#agentId);
    } catch {
      // There is nothing to remove where nothing can be kept.
    }
  }

  get isBegun() {
    return list.children.length > 0;
  }

  get hasUnsent() {
    return text.value !== "" || this.#unsent.some((message) => message.text);
  }

  /* What was said, and what is still to be: { text, data }. */
  written() {
    const said = [...list.children].map((one) => ({
      name: one.querySelector(".talk-name").textContent,
      text: one.querySelector(".talk-text").textContent,
    }));
    if (text.value) said.push({ name: "You", text: text.value });
    return { text: said.map((one) => [one.name, one.text].filter(Boolean).join(": ")).join("\n"), data: said };
  }

  connect(live) {
    this.#live = live;
    live.onOpen = () => this.#resend();
    live.onLost = () => this.#draw();
    if (live.isOpen) this.#resend();
  }

  hear(data) {
    if (typeof data !== "object" || data === null) return;
    const turn = data.task_data?.live_update_requested;
    if (typeof turn === "boolean") this.#mayWrite = turn;
    const isOwn = data.id === this.#agentId;
    if (typeof data.text === "string" && data.text !== "") {
      if (isOwn) this.#arrived(data);
      else this.#show(data, "heard");
    }
    if (isOwn && data.done === true) this.#isDone = true;
    if (isOwn && this.#config.take_turns) this.#mayWrite = false;
    this.#draw();
    if (turn === true && this.#config.take_turns) announce("It is your turn.");
  }

  /* One more message is on the router's disk. */
  confirmed() {
    this.#confirmable = Math.max(0, this.#confirmable - 1);
    if (this.#confirmable > 0) return;
    for (const message of this.#unsent.splice(0)) this.#mark(message.update_id, "sent");
    this.#keep();
    this.#draw();
  }

  finish() {
    this.#isDone = true;
    this.#say({ text: "", done: true });
  }

  #write() {
    const words = text.value.trim();
    if (!words || !this.#mayWrite || this.#isOver) return;
    text.value = "";
    if (this.#config.take_turns) this.#mayWrite = false;
    this.#say({ text: words });
    text.focus({ preventScroll: true });
  }

  #say(said) {
    const data = { update_id: newId(), id: this.#agentId, episode_done: false, task_data: {}, ...said };
    if (data.text) this.#show(data, "unsent");
    else this.#unsent.push(data);
    this.#keep();
    this.#send(data);
    this.#draw();
  }

  #send(data) {
    if (!this.#live?.isOpen) return;
    this.#confirmable += 1;
    this.#live.say(data);
  }

  #resend() {
    this.#confirmable = 0;
    for (const message of this.#unsent) this.#send(message);
    this.#draw();
  }

  /* One's own message, as it came back after a reload. */
  #arrived(data) {
    this.#unsent = this.#unsent.filter((message) => message.update_id !== data.update_id);
    this.#show(data, "sent");
    this.#mark(data.update_id, "sent");
  }

  #show(data, how) {
    if (how === "unsent" && !this.#seen.has(data.update_id)) this.#unsent.push(data);
    if (this.#seen.has(data.update_id)) return;
    this.#seen.add(data.update_id);
    if (!data.text) return;
    const isOwn = how !== "heard";
    const item = document.createElement("li");
    item.className = isOwn ? "own" : data.id ? "other" : "notice";
    item.dataset.id = data.update_id;
    item.append(made("span", "talk-name", isOwn ? "You" : String(data.id ?? "")), made("span", "talk-text", data.text));
    if (isOwn) item.append(made("span", "talk-sent", how === "sent" ? "sent" : "sending…"));
    const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
    list.append(item);
    if (isAtEnd || isOwn) log.scrollTop = log.scrollHeight;
  }

  #mark(updateId, words) {
    const item = [...list.children].find((one) => one.dataset.id === updateId);
    const place = item?.querySelector(".talk-sent");
    if (place) place.textContent = words;
  }

  #draw(words = null) {
    const isOnline = this.#live?.isOpen ?? true;
    form.hidden = this.#isOver;
    doneRow.hidden = this.#isOver || this.#isDone || !this.#config.may_end;
    form.querySelector("button").disabled = !this.#mayWrite || this.#isOver;
    form.classList.toggle("waits", !this.#mayWrite);
    if (this.#isOver && words === null) return;
    state.classList.toggle("matters", this.#isOver || !isOnline);
    for (const { update_id: id } of this.#unsent) this.#mark(id, isOnline ? "sending…" : "not sent yet");
    if (words !== null) state.textContent = words;
    else if (!isOnline) state.textContent = "The connection is interrupted. You can go on writing: it is sent as soon as it is back.";
    else if (this.#isDone) state.textContent = "You have said that you are done. The others have not yet.";
    else if (this.#config.take_turns) state.textContent = this.#mayWrite ? "It is your turn." : "Please wait for your turn.";
    else state.textContent = "";
  }

  #read() {
    try {
      return JSON.parse(localStorage.getItem(PREFIX + this.#agentId));
    } catch {
      return null;
    }
  }

  #keep() {
    try {
      const kept = { text: text.value, unsent: this.#unsent, written: this.written(), at: Date.now() };
      localStorage.setItem(PREFIX + this.#agentId, JSON.stringify(kept));
    } catch {
      // Full, or forbidden: it is still in the page.
    }
  }
}

function made(tag, name, words) {
  const element = document.createElement(tag);
  element.className = name;
  element.dir = "auto";
  element.textContent = words;
  return element;
}

function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
