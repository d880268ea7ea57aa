/**
 * Where anywidget comes in for the charts of a run: what is drawn comes from the kernel, as a Vega-Lite specification.
 *
 * `vegaEmbed` is of the bundle into which this is put, which comes from an installed package and not from the network.
 */

/* global vegaEmbed */

import { make, show, write } from "./dom.js";
import { Link } from "./link.js";
import { takePlaces } from "./place.js";
import { clock, count, plain } from "./words.js";

function render({ model, el }) {
  const away = make("p", { class: "mnb-away", role: "status" });
  const trouble = make("p", { class: "mnb-trouble", role: "status" });
  const place = make("div", { class: "mnb-drawing" });
  const link = new Link(model, el);
  let shown = null;
  let finalize = null;
  let work = Promise.resolve();

  function say(text) {
    show(trouble, text !== "");
    write(trouble, plain(text));
  }

  /** Draw beside what is shown, and put it in its place when it is ready: nothing flickers, nothing jumps. */
  async function draw({ spec, answered, error }) {
    const what = answered === null ? "" : ` What you see is of ${count(answered, "answer")}.`;
    if (spec !== "" && spec !== shown) {
      const next = make("div");
      const drawn = await vegaEmbed(next, JSON.parse(spec), { actions: false, renderer: "svg" });
      finalize?.();
      finalize = drawn.finalize;
      shown = spec;
      place.replaceChildren(next);
    }
    say(error === "" ? "" : `The charts could not be drawn anew: ${error}${what}`);
  }

  link.onAway = (isAway) => {
    show(away, isAway);
    if (isAway) write(away, `The kernel does not answer. What you see is how it was at ${clock(link.lastHeard)}.`);
  };
  el.append(make("div", { class: "mnb mnb-charts" }, away, trouble, place));
  show(away, false);
  say("");
  link.follow("charts", (state) => {
    const now = { ...state };
    work = work.then(() => draw(now)).catch((error) => say(`The charts could not be drawn: ${error.message}`));
  }, say);
  return () => {
    link.close();
    finalize?.();
  };
}

export default { initialize: (given) => takePlaces(given, render), render };
