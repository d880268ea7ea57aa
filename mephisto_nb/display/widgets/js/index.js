/** Where anywidget comes in. The model says what it shows: one run ("run" and its id), or all runs ("runs"). */

import { make } from "./dom.js";
import { Link } from "./link.js";
import { runDashboard } from "./run.js";
import { runList } from "./runs.js";

function render({ model, el }) {
  // JupyterLab would take Enter, Escape and letters for itself while a button in here has the focus.
  const root = make("div", { class: "mnb", "data-lm-suppress-shortcuts": "true" });
  el.append(root);
  const link = new Link(model, el);
  const topic = model.get("topic");
  const view = topic === "runs" ? runList(link) : runDashboard(link, topic);
  link.onAway = view.setAway;
  root.append(view.node);
  return () => {
    view.close();
    link.close();
  };
}

export default { render };
