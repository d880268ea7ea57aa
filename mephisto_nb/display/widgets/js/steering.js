/**
 * The buttons that steer a run, drawn from the kernel's table of actions: none is known here by name. What ends or costs
 * something says first, in the kernel's words, what it will do.
 */

import { at, copyFrom, copyText, make, put, show, write } from "./dom.js";
import { askForm, confirm, showText } from "./dialogs.js";
import { plain } from "./words.js";

const OPEN = ["live", "paused", "closing"];
const isAddress = (text) => /^https?:/.test(text ?? "");

/** Make `steer(action)` and the buttons; `root` is where dialogs open, `say(words, isError)` where news goes. */
export function steering(link, runId, root, say) {
  const actions = new Map(link.model.get("actions").map((action) => [action.name, action]));
  const busy = new Set();
  let last = null;

  const preview = (name, args) => link.ask({ type: "preview", topic: runId, action: name, args });

  async function act(action, args) {
    busy.add(action.name);
    draw(last);
    say(action.during);
    try {
      await tell(action, await link.ask({ type: "act", topic: runId, action: action.name, args }));
    } catch (error) {
      say(error.message, true);
    } finally {
      busy.delete(action.name);
      draw(last);
    }
  }

  /** Say what came of it; where that is a text, copy it, or show it where the page may not. */
  async function tell(action, { words, text }) {
    if (text === "" || (await copyText(text))) return say(words || action.done);
    say("Ready to be copied by hand.");
    showText(root, action.label.replace("…", ""), text);
  }

  /** Ask, where there is something to ask, and do it. What has an address is opened. */
  async function steer({ name, args = {}, address }) {
    if (address !== undefined) return void (isAddress(address) && window.open(address, "_blank", "noreferrer"));
    if (busy.has(name)) return;
    const action = actions.get(name);
    try {
      const given = await ask(action, args);
      if (given !== null) await act(action, given);
    } catch (error) {
      say(error.message, true);
    }
  }

  /** Give the arguments with which an action is wanted; null: it is not. */
  async function ask({ name, form, question }, args) {
    const isAsked = form !== null && Object.keys(args).length === 0 && (form.where === "" || Boolean(at(last, form.where)));
    if (isAsked) return askForm(root, form, last, (changed) => preview(name, changed));
    if (question === null) return args;
    const words = await preview(name, args);
    return words === "" || (await confirm(root, question.title, words, question.yes)) ? args : null;
  }

  const task = make("a", { class: "mnb-button mnb-primary", target: "_blank", rel: "noreferrer" }, "Open the task");
  const buttons = [...actions.values()].map(({ name, label, hint, danger }) =>
    make("button", { type: "button", class: "mnb-button", "data-action": name, "data-danger": danger, title: hint || null, click: () => steer({ name }) }, label),
  );

  /** Whether an action is offered now. What is under way stays, though the run closes meanwhile. */
  const isOffered = ({ name, statuses }, status) => statuses.includes(status) || (status === "closing" && busy.has(name));

  function draw(state) {
    if (state === null) return;
    last = state;
    const { status, url } = state.run;
    const isOpen = OPEN.includes(status);
    show(task, isOpen && isAddress(url));
    put(task, "href", isOpen ? url : null);
    put(task, "title", "Look at the task as a worker would; without a name, it is a preview");
    showOffered(buttons, buttons.map((button) => isOffered(actions.get(button.dataset.action), status)));
    for (const button of buttons) {
      const { name, needs } = actions.get(button.dataset.action);
      const isVain = needs.length > 0 && needs.every((path) => !at(state, path));
      put(button, "aria-disabled", isVain || busy.has(name) || link.away ? "true" : null);
    }
  }

  return { nodes: [task, ...buttons], steer, draw, reads: ["run", "limits", "units"] };
}

/** Show the buttons that are offered. One that goes while it has the focus leaves it to the one that comes instead. */
function showOffered(buttons, offered) {
  const left = buttons.find((button, index) => !offered[index] && button.getRootNode().activeElement === button);
  const next = buttons.find((button, index) => offered[index] && button.hidden);
  buttons.forEach((button, index) => show(button, offered[index]));
  if (left) next?.focus();
}


/** How to send people to the task: by one address, or each by a link of their own, which only the kernel can make. */
export function sharing() {
  const words = make("span");
  const address = make("bdi", { class: "mnb-address", dir: "ltr" });
  const copy = make("button", { type: "button", class: "mnb-quiet" }, "Copy");
  const node = make("p", { class: "mnb-share-line" }, words, address, " ", copy);
  copy.addEventListener("click", async () => write(copy, (await copyFrom(address)) ? "Copied" : "Selected"));
  return {
    node,
    reads: ["run"],
    draw({ run }) {
      show(node, OPEN.includes(run.status) && (run.has_own_links || run.worker_url));
      const text = run.has_own_links ? 'run.get_worker_url("NAME")' : plain(run.worker_url);
      if (address.textContent !== text) write(copy, "Copy");
      write(address, text);
      write(words, run.has_own_links ? "Each worker has their own link: " : run.entry_words ? `${plain(run.entry_words)}: ` : "Link for workers: ");
    },
  };
}
