/** The window in which a decision is made with all that may come with it: a bonus, a note, a block ... */

import { amountField, askAct, nameField, particular, wholeField } from "./ask.js";
import { closer, openDialog } from "./dialogs.js";
import { make } from "./dom.js";
import { plain } from "./words.js";

export const VERDICT_NAMES = { approve: "Approve", soft_reject: "Soft-reject", reject: "Reject" };

function choiceOf(name, options) {
  return make("select", { name }, ...options.map(([one, words]) => make("option", { value: one }, words)));
}

const line = (name) => make("input", { type: "text", name, dir: "auto", autocomplete: "off" });

/**
 * Ask for a decision on `found`, the answer that is shown; `begin` says what is filled in: verdict ("": none is, and one
 * has to be chosen), which, block, and which field has the focus. `kernel.choose()` resolves to how many answers wait of this worker, and in the list. The
 * window is there at once, so that what is typed next goes into it.
 */
export function askDecision(root, kernel, found, names, begin) {
  const worker = plain(found.worker_name).slice(0, 40);
  const scopes = {
    one: () => "this answer alone",
    worker: ({ worker: many = "…" }) => `all ${many} that wait of ${worker}`,
    list: ({ list: many = "…" }) => `all ${many} that wait in the list as it is searched and filtered`,
  };
  let chosen = {};
  const verdict = choiceOf("verdict", [["", "choose one"], ...Object.entries(VERDICT_NAMES)]);
  verdict.required = true;
  verdict.value = begin.verdict ?? "approve";
  const which = choiceOf("which", Object.entries(scopes).map(([name, words]) => [name, words(chosen)]));
  which.value = begin.which ?? "one";
  const bonus = amountField("bonus");
  const [note, message] = [line("note"), line("message")];
  const [granted, value] = [nameField(names), wholeField()];
  granted.input.required = false;
  const block = make("input", { type: "checkbox", name: "block" });
  block.checked = begin.block === true;
  const args = () => which.value !== "one" && chosen.choice === undefined ? null : ({
    verdict: verdict.value,
    which: which.value,
    ...(which.value === "one" ? {} : { choice: chosen.choice }),
    ...(which.value === "one" ? { unit_id: found.unit_id, seen: found.status, again: found.status !== "completed" } : {}),
    ...(bonus.value() !== 0 ? { bonus: bonus.value() } : {}),
    ...(note.value.trim() ? { note: note.value.trim() } : {}),
    ...(message.value.trim() ? { message: message.value.trim() } : {}),
    ...(granted.value().trim() ? { grant: { [granted.value().trim()]: value.value() } } : {}),
    ...(block.checked ? { block: true } : {}),
  });
  const done = askAct(root, kernel, {
    title: `Decide on ${worker}’s answer`, action: "decide", yes: "Decide", args,
    fields: [
      particular("Decision", verdict),
      particular("About", which),
      particular(`Bonus for each, in ${found.currency}`, bonus.input),
      particular("Note", note, "for you and your colleagues; workers never see it"),
      particular("Message", message, "for the worker, where the crowd can send one"),
      make("div", { class: "mnb-pair" }, ...granted.nodes, value.node),
      make("label", { class: "mnb-tick" }, block, make("span", {}, "Block the worker: they are offered nothing any more")),
    ],
  });
  const first = begin.focus === "bonus" ? bonus.input : note;
  first.focus();
  first.select();
  kernel.choose().then((numbers) => {
    chosen = numbers;
    for (const option of which.options) option.textContent = scopes[option.value](chosen);
    which.dispatchEvent(new Event("input", { bubbles: true }));
  }, () => {});
  return done;
}

const HELP = [
  ["a", "approve"], ["s", "soft-reject: pay, but do not use"], ["r", "reject"],
  ["d", "reject with a reason"], ["x", "reject with a reason, and block the worker"],
  ["b", "approve with a bonus, a message, a qualification …"], ["n", "with a note: say why, and choose what to decide"],
  ["A S R", "the same for all that wait of this worker; the sum is said first"],
  ["j ↓", "next"], ["k ↑", "previous"], ["w", "next that waits"], ["u", "undo the last decision; what is decided is asked about, with its sum, before it is decided otherwise"],
  ["Space", "scroll the page"], ["/", "search"], ["?", "these keys"],
];

/** Say which key does what. */
export function showKeys(root) {
  const rows = HELP.map(([keys, words]) => make("div", {}, make("dt", {}, ...keys.split(" ").map((key) => make("kbd", {}, key))), make("dd", {}, words)));
  openDialog(root, "Keys", [make("p", { class: "mnb-note" }, "They work wherever the focus is in the panel, save in a field."), make("dl", { class: "mnb-facts mnb-keys" }, ...rows)], [closer("Close")]);
}
