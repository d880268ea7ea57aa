/** Where anywidget comes in for panels of people. The model says which: "qualifications" or "workers". */

import { make, put } from "./dom.js";
import { Link } from "./link.js";
import { qualificationsPanel } from "./qualifications.js";
import { workersPanel } from "./workers.js";

/** See `keepPlainKeys` of the dashboard: JupyterLab would take plain keys for its own. */
function keepKeysIn(root, { target, ctrlKey, metaKey, key }) {
  const isOwn = !(ctrlKey || metaKey) || (key === "a" && target.closest?.("[role=grid]") !== null);
  if (root.contains(target)) put(root, "data-lm-suppress-shortcuts", isOwn);
}

function render({ model, el }) {
  const root = make("div", { class: "mnb" });
  const keep = (event) => keepKeysIn(root, event);
  window.addEventListener("keydown", keep, true);
  el.append(root);
  const link = new Link(model, el);
  const view = model.get("topic") === "workers" ? workersPanel(link) : qualificationsPanel(link);
  link.onAway = view.setAway;
  root.append(view.node);
  return () => {
    window.removeEventListener("keydown", keep, true);
    view.close();
    link.close();
  };
}

export default { render };
