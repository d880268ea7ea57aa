/** Puts a panel into the element that anywidget gives it, and takes it out again. */

import { make, put } from "./dom.js";
import { Link } from "./link.js";

/** See `keepPlainKeys` of the dashboard: JupyterLab would take plain keys for its own. */
function keepKeysIn(root, { target, ctrlKey, metaKey, key }) {
  const isOwn = !(ctrlKey || metaKey) || (key === "a" && target.closest?.("[role=grid]") !== null);
  if (root.contains(target)) put(root, "data-lm-suppress-shortcuts", isOwn);
}

/** Show the panel that `makeView(link)` makes; what is given back takes it away. */
export function mountPanel({ model, el }, makeView) {
  const root = make("div", { class: "mnb" });
  const keep = (event) => keepKeysIn(root, event);
  window.addEventListener("keydown", keep, true);
  el.append(root);
  const link = new Link(model, el);
  const view = makeView(link);
  link.onAway = view.setAway;
  root.append(view.node);
  return () => {
    window.removeEventListener("keydown", keep, true);
    view.close();
    link.close();
  };
}
