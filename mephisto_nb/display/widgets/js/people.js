/** Who is at work now, and what came in last. */

import { follow, make, own, put, show, style, write } from "./dom.js";
import { count, duration, moment, number, plain, stopwatch } from "./words.js";

/** A table of those at work: each with unit, time on it beside the median, and connection. */
export function people() {
  const summary = make("span", { class: "mnb-aside" });
  const body = make("tbody");
  const names = ["Worker", "Unit", "Time"].map((name) => make("th", { scope: "col" }, name));
  const table = make("table", {}, make("thead", {}, make("tr", {}, ...names)), body);
  const empty = make("p", { class: "mnb-empty" }, "Nobody is at work.");
  const scroll = make("div", { class: "mnb-scroll", tabindex: 0, role: "region", "aria-label": "People at work" }, table);
  const node = make("section", { class: "mnb-panel" }, make("h4", {}, "At work now ", summary), scroll, empty);
  let rows = [];
  return {
    node,
    reads: ["people", "pace", "run"],
    draw({ people: all, pace, run }) {
      show(node, !run.ended_at || all.rows.length > 0);
      const away = all.rows.filter((one) => one.connected === false).length;
      // No fault: the page of a static task needs no connection, and phones sleep.
      const asleep = away > 0 && away === all.rows.length ? ", none connected now" : "";
      const hidden = all.at_work - all.rows.length;
      write(summary, `${number(all.at_work)}${asleep}${hidden > 0 ? `; ${number(all.rows.length)} are listed` : ""}`);
      show(scroll, all.rows.length > 0);
      show(empty, all.rows.length === 0);
      write(empty, all.seen > 0 ? `Nobody is at work; ${count(all.seen, "person", "people")} came so far.` : "Nobody has come yet.");
      rows = [];
      follow(body, all.rows, (one) => one.agent_id, person, (row, data) => {
        row.draw(data, pace.median_seconds);
        rows.push(row);
      });
    },
    tick(_, now) {
      for (const row of rows) row.tick(now);
    },
  };
}

function person() {
  const name = own("mnb-who");
  const dot = make("span", { class: "mnb-dot", role: "img" });
  const unit = own("mnb-where");
  const time = make("span", { class: "mnb-time" });
  const fill = make("span", { class: "mnb-fill" });
  const gauge = make("span", { class: "mnb-gauge" }, fill, make("span", { class: "mnb-median" }));
  const node = make(
    "tr",
    {},
    make("td", {}, make("span", { class: "mnb-person" }, dot, name)),
    make("td", {}, unit),
    make("td", {}, make("span", { class: "mnb-timing" }, gauge, time)),
  );
  let [since, median] = [0, null];
  return {
    node,
    draw(data, medianSeconds) {
      [since, median] = [data.since, medianSeconds];
      write(name, plain(data.worker));
      write(unit, plain(data.unit));
      put(unit, "title", plain(data.unit));
      put(node, "data-slow", data.slow);
      const known = data.connected !== null && data.connected !== undefined;
      const link = known ? (data.connected ? "connected" : "not connected") : "connection unknown";
      put(dot, "data-link", known ? (data.connected ? "up" : "down") : "unknown");
      put(dot, "aria-label", link);
      put(dot, "title", link);
    },
    tick(now) {
      write(time, stopwatch(now - since));
      show(gauge, median !== null);
      if (median === null) return;
      const share = Math.min(1, (now - since) / (2 * median));
      style(fill, "inline-size", `${Math.round(100 * share)}%`);
      put(gauge, "title", `the bar's middle is the median, ${duration(median)}`);
    },
  };
}

/** The newest submissions; a click opens one. */
export function newest(open) {
  const list = make("ol", { class: "mnb-newest" });
  const empty = make("p", { class: "mnb-empty" }, "No answers yet.");
  const node = make("section", { class: "mnb-panel" }, make("h4", {}, "Newest answers"), list, empty);
  let rows = [];
  return {
    node,
    reads: ["newest"],
    draw(state) {
      show(empty, state.newest.length === 0);
      show(list, state.newest.length > 0);
      rows = [];
      follow(list, state.newest, (one) => one.agent_id, (one) => submission(one, open), (row, data) => {
        row.draw(data);
        rows.push(row);
      });
    },
    tick(_, now) {
      for (const row of rows) row.tick(now);
    },
  };
}

function submission({ agent_id: id }, open) {
  const preview = own("mnb-preview");
  const who = own("mnb-who");
  const when = make("span", { class: "mnb-when" });
  const button = make("button", { type: "button", class: "mnb-row", click: () => open(id) }, preview, who, when);
  let data = null;
  return {
    node: make("li", {}, button),
    draw(one) {
      data = one;
      write(preview, plain(one.preview) || "(empty)");
      write(who, plain(one.worker));
      put(button, "title", `unit ${plain(one.unit)}, ${moment(one.at)}; click to read it`);
    },
    tick(now) {
      const took = data.seconds === null ? "" : `took ${duration(data.seconds)}, `;
      const ago = now - data.at;
      write(when, `${took}${ago < 5 ? "just now" : `${roughly(ago)} ago`}`);
    },
  };
}

function roughly(seconds) {
  if (seconds < 60) return `${5 * Math.floor(seconds / 5)} s`;
  return duration(seconds < 3600 ? 60 * Math.floor(seconds / 60) : seconds);
}
