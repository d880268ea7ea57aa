/* The page of a conversation: the waiting room, what is said, and the form at the end. */

import { getText } from "./api.js";
import { serve } from "./page.js";
import { persist } from "./patience.js";
import { Room } from "./room.js";
import { announce, show } from "./screens.js";
import { Talk } from "./talk.js";
import { Task } from "./task.js";

const PARTNER_LEFT = "partner disconnect";
/* The run of which a preview speaks, where nobody answers. */
const NO_RUN = "preview";

let chat = null;

serve(
  { open: (...about) => Chat.open(...about), preview, goesOn: (status) => status === PARTNER_LEFT },
  { "talk-done": () => chat?.finish() },
);

async function preview(config) {
  show("preview");
  if (config.has_instruction) await Talk.showInstruction(await getText("instruction.html"), {});
}

/* One person's conversation; what the page around it asks of a task. */
class Chat {
  #agentId;
  #data;
  #on;
  #html;
  #talk;
  #isShown;
  #room = new Room();
  #task = null;

  static async open(agentId, details, on, config) {
    const html = await persist(() => getText("task.html"), on.trouble);
    const data = details.init_task_data ?? {};
    const instruction = config.has_instruction ? await persist(() => getText("instruction.html"), on.trouble) : "";
    const isShown = config.run_id === NO_RUN;
    chat = new Chat(agentId, details, on, html, new Talk(agentId, isShown ? { ...config, may_end: true } : config), isShown);
    if (instruction) await Talk.showInstruction(instruction, data);
    chat.#begin(details);
    return chat;
  }

  constructor(agentId, details, on, html, talk, isShown) {
    this.#isShown = isShown;
    this.#agentId = agentId;
    this.#data = details.init_task_data ?? {};
    this.#on = on;
    this.#html = html;
    this.#talk = talk;
  }

  get isSending() {
    return this.#task?.isSending ?? false;
  }

  get isUntouched() {
    return !this.#talk.isBegun && !this.hasUnsent;
  }

  get hasUnsent() {
    return this.#talk.hasUnsent || (this.#task?.hasUnsent ?? false);
  }

  /* What was said, and what stands in the form, for people and for programs. */
  written() {
    const [talk, form] = [this.#talk.written(), this.#task?.written() ?? { text: "", data: {} }];
    return { text: [talk.text, form.text].filter(Boolean).join("\n"), data: { ...form.data, messages: talk.data } };
  }

  async giveBack(reason = "") {
    if (this.#task) return this.#task.giveBack(reason);
    const { returnUnit } = await import("./api.js");
    await returnUnit(this.#agentId, reason);
    this.#talk.forget();
  }

  close() {
    this.#room.close();
    this.#talk.close();
    this.#task?.close();
    document.getElementById("return-row").hidden = true;
    chat = null;
  }

  connect(live) {
    this.#talk.connect(live);
  }

  confirmed() {
    this.#talk.confirmed();
  }

  finish() {
    this.#talk.finish();
    if (this.#isShown) this.update({ task_data: { task_done: true } }); // the form at the end is to be seen, too
  }

  /* Take what the task's code says. */
  update(data) {
    if (data?.waiting_room) return this.#room.show(data.waiting_room);
    this.#talk.hear(data);
    if (data?.task_data?.task_done) void this.#end("The conversation is over. Please answer this last part.");
  }

  /* Take a status; true: it is no end of the task. */
  heard(status) {
    if (status === "waiting") {
      this.#talk.clear();
      this.#room.show();
    } else if (status === "in task" && this.#room.isOpen) {
      this.#room.close();
      this.#startTalk();
      announce("Everybody is here. You can begin.");
    } else if (status === PARTNER_LEFT) {
      this.#room.close();
      if (!this.#talk.isOpen) this.#startTalk();
      void this.#end("Your partner has left. That is not your fault: please answer this last part and send it. You are paid in full.");
    }
    return status === PARTNER_LEFT || status === "waiting" || status === "in task";
  }

  #begin({ status, waiting_room: room, init_task_data: data }) {
    document.getElementById("return-row").hidden = false;
    if (status === "waiting") return this.#room.show(room);
    const past = data?.past_live_updates ?? [];
    for (const update of past) this.#talk.hear(update); // before what is not sent yet, which comes behind it
    this.#startTalk();
    announce("Everybody is here. You can begin.");
    if (past.some((update) => update?.task_data?.task_done)) this.update({ task_data: { task_done: true } });
    if (status === PARTNER_LEFT) this.heard(status);
  }

  #startTalk() {
    show("task");
    this.#talk.open();
  }

  async #end(words) {
    this.#talk.end(words);
    if (this.#task) return;
    this.#task = new Task(this.#agentId, this.#sent.bind(this), this.#on.refused);
    await this.#task.open(this.#html, this.#data, NaN, ""); // the state of the talk has said it
    document.getElementById("talk-state").scrollIntoView({ block: "center" });
  }

  #sent(answer, told) {
    this.#talk.forget();
    this.#on.sent(answer, told);
  }
}
