/** One answer: the page as its worker saw it, and what was sent and asked as plain values. */

import { part } from "./dialogs.js";
import { make } from "./dom.js";
import { foreign } from "./grid.js";
import { plain } from "./words.js";

/* A page may send the frame that it is in elsewhere, unless the document around it forbids that: this is that document.
It hands on what it is told, see `outer.html` of the preview. */
const around = (page) => `<!doctype html><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="frame-src 'none'; object-src 'none'">
<style>:root { color-scheme: light dark; } html, body { margin: 0; height: 100%; overflow: hidden; } iframe { display: block; width: 100%; height: 100%; border: 0; }</style>
<body><script>
  const frame = document.body.appendChild(document.createElement("iframe"));
  frame.sandbox = "allow-scripts";
  frame.tabIndex = -1;
  frame.srcdoc = ${JSON.stringify(page).replaceAll("<", "\\u003c")};
  addEventListener("message", ({ source, data }) => {
    if (source === parent) frame.contentWindow.postMessage(data, "*");
  });
</script>`;

/** A frame of no origin: what runs in it reaches neither this page, nor cookies, nor the kernel, nor any window. */
function pageOf({ page, worker_name: worker }) {
  return make("iframe", {
    class: "mnb-page", sandbox: "allow-scripts", referrerpolicy: "no-referrer", tabindex: -1,
    title: `The page as ${plain(worker).slice(0, 80)} saw it`, srcdoc: around(page),
  });
}

function fileOf({ name, field, path, picture }) {
  const words = make("span", {}, foreign(field), ": ", make("span", { class: "mnb-code" }, foreign(path)));
  if (picture === null) return make("li", {}, words);
  return make("li", {}, words, make("img", { src: picture, alt: `Picture sent as ${plain(name)}`, class: "mnb-picture" }));
}

/** Make the place where an answer is shown. */
export function answerView() {
  const node = make("div", { class: "mnb-answer" });
  let [frame, shown] = [null, null];
  return {
    node,
    draw(found) {
      if (shown === found.unit_id) return;
      shown = found.unit_id;
      frame = found.page === null ? null : pageOf(found);
      const parts = [frame ?? make("p", { class: "mnb-note" }, plain(found.no_page))];
      if (found.files.length > 0) parts.push(make("section", {}, make("h5", {}, "Files"), make("ul", { class: "mnb-lines" }, ...found.files.map(fileOf))));
      const data = make("div", { class: "mnb-submission" }, part("What was sent", found.answer), part("What was asked", found.inputs));
      node.replaceChildren(...parts, data);
    },
    clear() {
      [frame, shown] = [null, null];
      node.replaceChildren();
    },
    /** Scroll the page by a part of its height: it cannot have the focus, so that keys stay here. */
    scroll(by) {
      frame?.contentWindow?.postMessage({ type: "scroll", by }, "*");
    },
    isFrame: (element) => frame !== null && element === frame,
  };
}
