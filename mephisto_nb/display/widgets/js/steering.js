/** The buttons that steer a run. What ends or costs something says first, in the kernel's words, what it will do. */

import { copyFrom, make, put, show, write } from "./dom.js";
import { askLimits, confirm } from "./dialogs.js";
import { plain } from "./words.js";

const OPEN = ["live", "paused", "closing"];

/** What each action is called, on its button, while it lasts, and when it is done. */
const ACTIONS = {
  pause: { label: "Pause", during: "Pausing…", done: "Paused: nothing more is handed out until you resume." },
  resume: { label: "Resume", during: "Resuming…", done: "Resumed." },
  limits: { label: "Limits…", title: "Change the limits?", yes: "Change them", during: "Changing the limits…", done: "The limits are changed." },
  expire: { label: "Expire open units…", title: "Expire what is left?", yes: "Expire", during: "Expiring…", done: "The open units have expired." },
  shutdown: { label: "Stop…", hint: "Who is at work may finish; the rest expires", title: "Stop gently?", yes: "Stop gently", during: "Stopping, once those at work are done…", done: "The run has ended." },
  force_shutdown: { label: "Stop at once…", hint: "Who is at work is interrupted", title: "Stop at once?", yes: "Stop at once", during: "Stopping at once…", done: "The run has ended." },
};

/** Make `steer(action)` and the buttons; `root` is where dialogs open, `say(words, isError)` where news goes. */
export function steering(link, runId, root, say) {
  const busy = new Set();
  let limits = {};

  const preview = (name, args) => link.ask({ type: "preview", topic: runId, action: name, args });

  async function act(name, args) {
    busy.add(name);
    draw(last);
    say(ACTIONS[name]?.during ?? "Doing it…");
    try {
      const words = await link.ask({ type: "act", topic: runId, action: name, args });
      say(words || ACTIONS[name]?.done || "Done.");
    } catch (error) {
      say(error.message, true);
    } finally {
      busy.delete(name);
      draw(last);
    }
  }

  /** Ask, where there is something to ask, and do it. */
  async function steer({ name, args = {} }) {
    if (busy.has(name)) return;
    if (name === "open") return void window.open(task.href, "_blank", "noreferrer");
    try {
      if (name === "limits" && Object.keys(args).length === 0) return void (await steerLimits());
      const known = ACTIONS[name] ?? {};
      const words = known.title ? await preview(name, args) : "";
      if (words && !(await confirm(root, known.title ?? "Sure?", words, known.yes ?? "Do it"))) return;
    } catch (error) {
      return void say(error.message, true);
    }
    await act(name, args);
  }

  async function steerLimits() {
    const args = await askLimits(root, limits, (changed) => preview("limits", changed));
    if (args !== null) await act("limits", args);
  }

  const task = make("a", { class: "mnb-button mnb-primary", target: "_blank", rel: "noreferrer" }, "Open the task");
  const buttons = Object.fromEntries(
    Object.entries(ACTIONS).map(([name, { label, hint }]) => [
      name,
      make("button", { type: "button", class: "mnb-button", "data-action": name, title: hint, click: () => steer({ name }) }, label),
    ]),
  );
  let last = null;

  function draw(state) {
    if (state === null) return;
    last = state;
    limits = state.limits;
    const { status, url } = state.run;
    const isOpen = OPEN.includes(status);
    show(task, isOpen && /^https?:/.test(url ?? ""));
    put(task, "href", isOpen ? url : null);
    put(task, "title", "Look at the task as a worker would; without a name, it is a preview");
    swap(buttons.pause, buttons.resume, status !== "paused", isOpen && status !== "closing");
    for (const name of ["limits", "expire", "shutdown"]) show(buttons[name], isOpen && (status !== "closing" || busy.has(name)));
    show(buttons.force_shutdown, isOpen);
    for (const [name, button] of Object.entries(buttons)) {
      put(button, "aria-disabled", busy.has(name) || link.away ? "true" : null);
    }
    const { launched, created } = state.units;
    if (launched + created === 0) put(buttons.expire, "aria-disabled", "true");
  }

  const nodes = [task, ...Object.values(buttons)];
  return { nodes, steer, draw, reads: ["run", "limits", "units"] };
}

/** Show one of two buttons that take each other's place, and leave the focus with the one that is shown. */
function swap(first, second, isFirst, isAny) {
  const [shown, hidden] = isFirst ? [first, second] : [second, first];
  const hadFocus = hidden.getRootNode().activeElement === hidden;
  show(shown, isAny);
  show(hidden, false);
  if (hadFocus && isAny) shown.focus();
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
      write(words, run.has_own_links ? "Each worker has their own link: " : "Link for workers: ");
    },
  };
}
