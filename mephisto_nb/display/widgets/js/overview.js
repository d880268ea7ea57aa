/** The head of a run: its name, its state, whether all is well; and how far it is. */

import { copyFrom, draw, follow, make, longName, own, put, show, style, write } from "./dom.js";
import { UNIT_LABELS, ago, count, duration, moment, number, percent, plain, runLabel } from "./words.js";

/** The name, the state, the elapsed time, and a sentence on what needs attention. */
export function head() {
  const name = longName("mnb-name", 40);
  const title = longName("mnb-title", 140);
  const state = make("span", { class: "mnb-state" });
  const elapsed = make("span", { class: "mnb-elapsed" });
  const health = make("p", { class: "mnb-health" });
  const tools = make("div", { class: "mnb-tools", role: "group", "aria-label": "Steer the run" });
  const node = make(
    "header",
    { class: "mnb-head" },
    make("div", { class: "mnb-heading" }, make("h3", {}, name.node), state, elapsed),
    tools,
    make("div", { class: "mnb-under" }, title.node, health),
  );
  return {
    node,
    tools,
    reads: ["run", "attention", "people"],
    draw({ run, attention }) {
      name.write(plain(run.name));
      title.write(plain(run.title));
      show(title.node, run.title && run.title !== run.name);
      write(state, runLabel(run.status, run.driver));
      put(state, "data-status", run.status);
      const bad = attention.filter((one) => one.severity !== "info");
      const worst = bad.some((one) => one.severity === "error") ? "error" : bad[0]?.severity;
      const notes = attention.length - bad.length;
      const words = worst ? `${count(bad.length, "thing needs", "things need")} attention` : "All is well";
      write(health, notes > 0 ? `${words}, ${count(notes, "note")}` : words);
      put(health, "data-worst", worst ?? "none");
    },
    tick({ run, people }, now) {
      const { launched_at: launched, ended_at: ended, paused_at: paused } = run;
      const crowd = count(people.seen, "person", "people");
      if (ended) write(elapsed, `ran for ${duration(ended - launched)}, ${crowd} took part`);
      else write(elapsed, paused ? pausedFor(now - paused) : `launched ${ago(now - launched)}`);
      put(elapsed, "title", `launched ${moment(launched)}`);
    },
  };
}

function pausedFor(seconds) {
  return seconds < 60 ? "for less than a minute" : `for ${duration(60 * Math.floor(seconds / 60))}`;
}

/** What needs attention: the reason, the remedy, and a button where there is one to press. */
export function attention(steer) {
  const list = make("ul", { class: "mnb-alerts" });
  const node = make("section", { class: "mnb-attention", "aria-label": "Needs attention", "aria-live": "polite" }, list);
  return {
    node,
    reads: ["attention"],
    draw(state) {
      show(list, state.attention.length > 0);
      follow(list, state.attention, (one) => one.key, () => alert(steer), (row, one) => row.draw(one));
    },
  };
}

function alert(steer) {
  const kind = make("span", { class: "mnb-kind" }, "Note ");
  const reason = own();
  const remedy = own();
  const button = make("button", { type: "button", class: "mnb-button", click: () => steer(button.mnbAction) });
  const node = make("li", {}, make("div", {}, make("div", { class: "mnb-reason" }, kind, reason), make("div", {}, remedy)), button);
  return {
    node,
    draw({ severity, reason: why, remedy: what, action }) {
      put(node, "data-severity", severity);
      show(kind, severity === "info");
      write(reason, plain(why));
      write(remedy, plain(what));
      show(button, action !== null && action !== undefined);
      button.mnbAction = action;
      write(button, plain(action?.label));
    },
  };
}

/** How many units have an answer, of how many; the bar has one piece for each status. */
export function progress() {
  const answered = make("span", { class: "mnb-figure" });
  const total = make("span", { class: "mnb-of" });
  const asOf = make("span", { class: "mnb-of mnb-old" });
  const share = make("span", { class: "mnb-share" });
  const bar = make("div", { class: "mnb-bar", role: "progressbar", "aria-label": "Units answered", "aria-valuemin": 0 });
  const legend = make("ul", { class: "mnb-legend", "aria-label": "Units by status" });
  const work = make("p", { class: "mnb-note", role: "status" });
  const pieces = Object.entries(UNIT_LABELS).map(([status, label]) => piece(status, label));
  bar.append(...pieces.map((one) => one.strip));
  legend.append(...pieces.map((one) => one.entry));
  const node = make(
    "section",
    { class: "mnb-progress", "aria-label": "Progress" },
    make("p", { class: "mnb-hero" }, answered, total, asOf, share),
    bar,
    legend,
    work,
  );
  return {
    node,
    reads: ["units", "work"],
    draw({ units, work: long }) {
      show(work, Boolean(long));
      if (long) write(work, `${plain(long.what)}: ${number(long.done)} of ${number(long.total)}`);
      write(answered, number(units.answered));
      write(total, ` of ${number(units.total)} answered${units.expired > 0 ? `; ${number(units.expired)} expired` : ""}`);
      write(share, `${percent(units.answered, units.total)}\u00a0%`);
      put(bar, "aria-valuemax", Math.max(units.total, 1));
      put(bar, "aria-valuenow", units.answered);
      put(bar, "aria-valuetext", `${number(units.answered)} of ${number(units.total)} units answered`);
      for (const one of pieces) one.draw(units[one.status] ?? 0, units.total);
    },
    tick({ run }, now) {
      write(asOf, run.as_of === null ? "" : `, as of ${ago(now - run.as_of)}`);
    },
  };
}

function piece(status, label) {
  const strip = make("span", { class: "mnb-piece", "data-unit": status });
  const value = make("b", { "data-count": status });
  const entry = make("li", { "data-unit": status }, value, ` ${label}`);
  return {
    status,
    strip,
    entry,
    draw(number_, total) {
      style(strip, "flex-grow", String(total > 0 ? number_ / total : 0));
      show(strip, number_ > 0);
      show(entry, number_ > 0);
      write(value, number(number_));
    },
  };
}

/** What to do with a run that is over. */
export function next() {
  const list = make("ul", {});
  const node = make("section", { class: "mnb-next", "aria-label": "What comes next" }, make("b", {}, "What comes next"), list);
  return {
    node,
    reads: ["next"],
    draw({ next: steps }) {
      show(node, steps.length > 0);
      follow(list, steps, (one) => one.code, (one) => step(one), () => {});
    },
  };
}

function step({ code, words }) {
  const said = make("span", { role: "status" });
  const copy = async () => write(said, (await copyFrom(button)) ? " (copied)" : " (selected)");
  const button = make("button", { type: "button", class: "mnb-copies", title: "Copy", click: copy }, make("code", {}, code));
  return { node: make("li", {}, button, said, ` ${words}`) };
}

/** Draw small bars, one for each value. */
export function sparkline(label) {
  const node = draw("svg", { class: "mnb-spark", role: "img", "aria-label": label, preserveAspectRatio: "none" });
  let bars = [];
  return {
    node,
    draw(values) {
      if (bars.length !== values.length) {
        put(node, "viewBox", `0 0 ${values.length * 4 - 1} 20`);
        bars = values.map((_, index) => draw("rect", { x: index * 4, width: 3, rx: 0.5 }));
        node.replaceChildren(...bars);
      }
      const largest = Math.max(1, ...values);
      values.forEach((value, index) => {
        const height = value > 0 ? Math.max(1.5, (20 * value) / largest) : 0.75;
        put(bars[index], "y", (20 - height).toFixed(2));
        put(bars[index], "height", height.toFixed(2));
        put(bars[index], "data-empty", value === 0);
      });
    },
  };
}
