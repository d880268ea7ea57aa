/** The line over a panel, and what keeps it up to date where another kernel changes the data. */

import { make, show, write } from "./dom.js";
import { clock, plain } from "./words.js";

/** Make a button. */
export function button(label, click, kind = "") {
  return make("button", { type: "button", class: `mnb-button ${kind}`, click }, label);
}

/** Make the line over a panel: what it is, how many, and what can be done anywhere in it. */
export function panelHead(title, kernel, ...tools) {
  const summary = make("span", { class: "mnb-aside" });
  let last = null;
  const undo = button("Undo", () => kernel.undo(last), "mnb-undo");
  const away = make("p", { class: "mnb-away", role: "status" });
  show(away, false);
  show(undo, false);
  const node = make("div", {},
    make("header", { class: "mnb-head" }, make("div", { class: "mnb-heading" }, make("h3", {}, title), summary), make("div", { class: "mnb-tools" }, undo, ...tools)),
    away);
  return {
    node,
    draw(state, words) {
      write(summary, state.closed ? "This operator was shut down: this can only be looked at." : words);
      show(undo, Boolean(state.undo) && !state.closed);
      last = state.undo_id;
      // What it would take back is read before it is clicked, and not in a tip alone.
      write(undo, state.undo ? `Undo: ${plain(state.undo).replace(/\.$/, "")}` : "Undo");
      undo.title = undo.textContent;
      for (const tool of tools) show(tool, !state.closed);
    },
    setAway(isAway, at) {
      show(away, isAway);
      if (isAway) write(away, `The kernel does not answer. What you see is how it was at ${clock(at)}.`);
    },
  };
}

/** Look, at moments that cost nothing, whether another kernel has changed something: as somebody comes, and each 20 s. */
export function keepLooking(root, link, kernel) {
  let last = 0;
  const look = () => {
    if (!link.looks || Date.now() - last < 2000) return;
    last = Date.now();
    kernel.ask("look").catch(() => {});
  };
  for (const name of ["focusin", "pointerenter"]) root.addEventListener(name, look);
  window.addEventListener("focus", look);
  const timer = setInterval(look, 20_000);
  return () => {
    window.removeEventListener("focus", look);
    clearInterval(timer);
  };
}
