/** Asking the kernel about people: acts with a preview before they are done, and what comes of them. */

import { closer, openDialog } from "./dialogs.js";
import { make, write } from "./dom.js";
import { plain } from "./words.js";

/** Give how one panel asks: questions, acts, and the line that tells what they came to. */
export function kernelOf(link, topic, told) {
  const ask = (what, args = {}) => link.ask({ type: "ask", topic, what, args });
  let undoing = false;
  return {
    ask,
    preview: (action, args) => ask("preview", { action, args }),
    async act(action, args) {
      try {
        told.say(await ask("act", { action, args }));
        return true;
      } catch (error) {
        told.say(error.message, true);
        return false;
      }
    },
    /** Take back the act that the button names: a second click was meant for the same. */
    async undo(act_id) {
      if (undoing) return;
      undoing = true;
      try {
        told.say(await ask("undo", { act_id }));
      } catch (error) {
        told.say(error.message, true);
      } finally {
        undoing = false;
      }
    },
  };
}

/**
 * Ask for the particulars of an act in a window that says, as somebody types, what it would do; then do it.
 *
 * `fields`: nodes made by `particular`; `args()` gives the arguments of now; `always`: what it would do is said before all
 * that is required is filled in, too. Resolves to whether it was done.
 */
export function askAct(root, kernel, { title, action, fields = [], args, yes, danger = false, always = false }) {
  return new Promise((resolve) => {
    const effect = make("p", { class: "mnb-effect", role: "status" });
    const id = `mnb-${Math.random().toString(36).slice(2)}`;
    const apply = make("button", { type: "submit", form: id, class: `mnb-button ${danger ? "mnb-danger" : "mnb-primary"}` }, yes);
    const form = make("form", { method: "dialog", id, class: "mnb-form" }, ...fields, effect);
    let turn = 0;
    let done = false;
    const foresee = async () => {
      const mine = ++turn;
      const given = args();
      apply.disabled = given === null || !form.checkValidity();
      if (apply.disabled && !always) return write(effect, plain(firstFault(form)));
      const said = await kernel.preview(action, given).catch((error) => {
        if (mine === turn) apply.disabled = true;
        return error.message;
      });
      if (mine === turn) write(effect, plain(said));
    };
    const dialog = openDialog(root, title, [form], [closer("Cancel"), apply]);
    form.addEventListener("input", foresee);
    form.addEventListener("keydown", (event) => {
      // JupyterLab takes Enter's own effect away, which is to send a form.
      if (event.key !== "Enter" || !event.target.matches("input")) return;
      event.preventDefault();
      if (!apply.disabled) form.requestSubmit(apply);
      else form.querySelector(":invalid")?.focus();
    });
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      apply.disabled = true;
      done = await kernel.act(action, args());
      dialog.close();
    });
    dialog.addEventListener("close", () => resolve(done));
    foresee();
  });
}

/** Say what keeps a form from being sent, where one of its fields says so itself. */
function firstFault(form) {
  const field = form.querySelector(":invalid");
  if (field?.matches("select")) return "Choose what to decide.";
  return field?.validity.customError ? field.validationMessage : "";
}

/** Make a field of such a window. */
export function particular(label, input, hint = "") {
  return make("label", {}, make("span", {}, label), input, ...(hint ? [make("small", {}, hint)] : []));
}

/** Make the choice of a qualification, by a list of names that can also be typed. */
export function nameField(names, value = "") {
  const id = `mnb-names-${Math.random().toString(36).slice(2)}`;
  const input = make("input", { type: "text", name: "qualification", required: true, list: id, value, autocomplete: "off", dir: "auto" });
  const list = make("datalist", { id }, ...names.map((name) => make("option", { value: name })));
  return { input, nodes: [particular("Qualification", input), list], value: () => input.value };
}

/** Make the field of a whole number. */
export function wholeField(value = 1) {
  const input = make("input", { type: "number", name: "value", step: 1, required: true, value });
  return { input, node: particular("Value", input, "a whole number"), value: () => Number(input.value) };
}

/**
 * Make the field of an amount of money, with a point or a comma before its parts. What stands for a thousand, or for a part,
 * cannot be told in 1,000, so it is refused, as is all else that is no amount.
 */
export function amountField(name) {
  const input = make("input", { type: "text", name, inputmode: "decimal", value: "0", required: true, autocomplete: "off" });
  const read = () => {
    const text = input.value.trim();
    const isClear = /^(\d+([.,]\d+)?|[.,]\d+)$/.test(text) && !/^[1-9]\d*,\d{3}$/.test(text);
    return isClear ? Number(text.replace(",", ".")) : null;
  };
  input.addEventListener("input", () => {
    const isEmpty = input.value.trim() === "";
    input.setCustomValidity(read() === null && !isEmpty ? "Write an amount as 0.25 or 0,25, without separators of thousands." : "");
  });
  return { input, value: () => read() ?? 0 };
}

/** Make the field of a reason, which goes into the history. */
export function whyField() {
  const input = make("input", { type: "text", name: "why", dir: "auto", autocomplete: "off" });
  return { node: particular("Why", input, "for the history; may stay empty"), value: () => (input.value.trim() ? { why: input.value.trim() } : {}) };
}
