/** Where anywidget comes in. The model says what it shows: one run ("run" and its id), or all runs ("runs"). */

import { make, put } from "./dom.js";
import { Link } from "./link.js";
import { takePlaces } from "./place.js";
import { runDashboard } from "./run.js";
import { runList } from "./runs.js";

/**
 * JupyterLab would take Enter, Escape and letters for its own while a button in here has the focus. It is told so
 * before it hears of the key. Keys with Ctrl or Cmd stay its own: people want to save from anywhere.
 */
function keepPlainKeys(root, { target, ctrlKey, metaKey }) {
  if (root.contains(target)) put(root, "data-lm-suppress-shortcuts", !(ctrlKey || metaKey));
}

function render({ model, el }) {
  const root = make("div", { class: "mnb" });
  const keepKeys = (event) => keepPlainKeys(root, event);
  window.addEventListener("keydown", keepKeys, true);
  el.append(root);
  const link = new Link(model, el);
  const topic = model.get("topic");
  const view = topic === "runs" ? runList(link) : runDashboard(link, topic);
  link.onAway = view.setAway;
  root.append(view.node);
  return () => {
    window.removeEventListener("keydown", keepKeys, true);
    view.close();
    link.close();
  };
}

export default { initialize: (given) => takePlaces(given, render), render };
