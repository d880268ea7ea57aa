/** Windows over the page: a question before something ends or costs, a form, a text to copy, one submission in full. */

import { at, make, own, put, show, write } from "./dom.js";
import { duration, moment, plain } from "./words.js";

/** Open a dialog in `root`; it goes when it is closed, and the focus returns to where it was. */
export function openDialog(root, title, content, buttons) {
  const id = `mnb-${Math.random().toString(36).slice(2)}`;
  const dialog = make(
    "dialog",
    { class: "mnb-dialog", "aria-labelledby": id },
    make("h4", { id }, title),
    ...content,
    make("div", { class: "mnb-answers" }, ...buttons),
  );
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  root.append(dialog);
  dialog.showModal();
  return dialog;
}

export function closer(label) {
  return make("button", { type: "button", class: "mnb-button", click: (event) => event.target.closest("dialog").close() }, label);
}

/** Ask before an action; resolves to whether it is wanted. */
export function confirm(root, title, text, yes) {
  return new Promise((resolve) => {
    const sure = make("button", { type: "button", class: "mnb-button mnb-danger" }, yes);
    const dialog = openDialog(root, title, [make("p", {}, plain(text))], [closer("Cancel"), sure]);
    sure.addEventListener("click", () => {
      resolve(true);
      dialog.close();
    });
    dialog.addEventListener("close", () => resolve(false));
  });
}

/**
 * Ask for the arguments of an action, as its `form` says, beginning with how they are in `state`. `preview(args)` says what
 * they would do. Resolves to those that were changed, or null.
 */
export function askForm(root, { title, yes, fields: wanted }, state, preview) {
  return new Promise((resolve) => {
    const fields = wanted.map((one) => field(one, one.now === "" ? undefined : at(state, one.now), state));
    const effect = make("p", { class: "mnb-effect", role: "status" });
    const id = `mnb-${Math.random().toString(36).slice(2)}`;
    const apply = make("button", { type: "submit", form: id, class: "mnb-button mnb-primary" }, yes);
    const form = make("form", { method: "dialog", id }, ...fields.map((one) => one.node), effect);
    const changed = () => Object.fromEntries(fields.filter((one) => one.isChanged()).map((one) => [one.name, one.value()]));
    let turn = 0;
    const foresee = async () => {
      const mine = ++turn;
      const args = changed();
      apply.disabled = Object.keys(args).length === 0 || !form.checkValidity();
      const words = apply.disabled ? "" : await preview(args).catch((error) => error.message);
      if (mine === turn) write(effect, plain(words));
    };
    const dialog = openDialog(root, title, [form], [closer("Cancel"), apply]);
    form.addEventListener("input", foresee);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      resolve(changed());
      dialog.close();
    });
    dialog.addEventListener("close", () => resolve(null));
    foresee();
  });
}

/** What is drawn for each kind of field, and how its value is read. */
const FIELDS = {
  whole: { draw: (now) => make("input", { type: "number", min: 0, step: 1, value: now ?? 0 }), read: Number, empty: 0 },
  amount: { draw: (now) => make("input", { type: "number", min: 0, step: "any", value: now ?? 0 }), read: Number, empty: 0 },
  lines: { draw: (now) => make("textarea", { rows: 6, dir: "auto", spellcheck: "false" }, now ?? ""), read: String, empty: "" },
};

function field({ name, label, hint, kind }, now, state) {
  const { draw, read, empty } = FIELDS[kind];
  const input = draw(now);
  put(input, "name", name);
  put(input, "required", true);
  const unit = kind === "amount" ? ` (${state.money.currency})` : "";
  const node = make("label", {}, make("span", {}, label + unit), input, make("small", {}, hint));
  return { node, name, value: () => read(input.value), isChanged: () => read(input.value) !== (now ?? empty) };
}

/** Show a text that the page may not copy, selected, so that one key copies it. */
export function showText(root, title, text) {
  const box = make("textarea", { class: "mnb-copied", readonly: true, rows: Math.min(12, text.split("\n").length), wrap: "off", dir: "ltr", "aria-label": "To copy" }, text);
  const note = make("p", { class: "mnb-note" }, "The browser does not let this page copy. Press Ctrl+C, or ⌘C, while the text is selected.");
  openDialog(root, title, [note, box], [closer("Close")]);
  box.focus();
  box.select();
}

/** Show one submission: what was asked, what came back, who, when. */
export async function showSubmission(root, load) {
  const content = make("div", { class: "mnb-submission", tabindex: 0 }, make("p", { class: "mnb-empty" }, "Reading…"));
  openDialog(root, "Answer", [content], [closer("Close")]);
  try {
    content.replaceChildren(...describe(await load()));
  } catch (error) {
    content.replaceChildren(make("p", { class: "mnb-error", role: "alert" }, plain(error.message)));
  }
}

function describe({ worker, unit, at, seconds, inputs, answer, files }) {
  const took = seconds === null || seconds === undefined ? "" : `, took ${duration(seconds)}`;
  const who = own("mnb-who");
  write(who, plain(worker));
  const line = make("p", { class: "mnb-note" }, who, ` · unit ${plain(unit)} · ${moment(at)}${took}`);
  const parts = [line, part("Answer", answer), part("What was asked", inputs)];
  if (files?.length) parts.push(part("Files", files));
  return parts;
}

/** Give values that others wrote, under a heading, as text. */
export function part(title, value) {
  return make("section", {}, make("h5", {}, title), values(value));
}

function values(value) {
  if (value === null || typeof value !== "object") return scalar(value);
  const entries = Object.entries(value);
  if (entries.length === 0) return make("p", { class: "mnb-empty" }, "(empty)");
  const rows = entries.map(([name, one]) => make("div", {}, make("dt", {}, isolated(name)), make("dd", {}, values(one))));
  return make("dl", {}, ...rows);
}

function scalar(value) {
  return make("span", { class: typeof value === "string" ? "mnb-text" : "mnb-code" }, isolated(value === "" ? "(empty)" : value));
}

function isolated(text) {
  const node = own();
  write(node, plain(typeof text === "string" ? text : JSON.stringify(text)));
  return node;
}

/** A line that says what an action came to; it stays until the next one. */
export function notice() {
  const text = make("span");
  const hide = make("button", { type: "button", class: "mnb-quiet", "aria-label": "Dismiss", click: () => show(node, false) }, "×");
  const node = make("div", { class: "mnb-notice", role: "status" }, text, hide);
  node.hidden = true;
  return {
    node,
    say(words, isError = false) {
      write(text, plain(words));
      node.classList.toggle("mnb-error", isError);
      show(node, true);
    },
    hide: () => show(node, false),
  };
}
