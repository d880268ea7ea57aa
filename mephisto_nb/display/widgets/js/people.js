/** Who is at work now, and what came in last. */

import { fold, follow, make, longName, own, put, show, style, write } from "./dom.js";
import { ago, count, duration, moment, number, plain, stopwatch } from "./words.js";

/** How many rows each list has before it is folded open. */
const MOST_PEOPLE = 8;
const MOST_ANSWERS = 5;

/** A table of those at work: each with unit, time on it beside the median, and connection. */
export function people() {
  const summary = make("span", { class: "mnb-aside" });
  const body = make("tbody");
  const middleTime = make("p", { class: "mnb-note mnb-key" });
  const heads = ["Worker", "Unit", "Time"].map((name) => make("th", { scope: "col" }, name));
  const table = make("table", {}, make("thead", {}, make("tr", {}, ...heads)), body);
  const empty = make("p", { class: "mnb-empty" }, "Nobody is at work.");
  const scroll = make("div", { class: "mnb-scroll", tabindex: 0, role: "region", "aria-label": "People at work" }, table);
  let last = null;
  let now = 0;
  const more = fold(MOST_PEOPLE, scroll, () => draw(last));
  const node = make("section", { class: "mnb-panel" }, make("h4", {}, "At work now ", summary), scroll, more.node, middleTime, empty);
  let rows = [];

  function draw(state) {
    last = state;
    const { people: all, pace, run } = state;
    show(node, !run.ended_at || all.rows.length > 0);
    const away = all.rows.filter((one) => one.connected === false).length;
    // No fault: the page of a static task needs no connection, and phones sleep.
    const isNone = away > 0 && away === all.rows.length;
    const asleep = isNone ? ", none connected now" : "";
    write(summary, `${number(all.at_work)}${asleep}`);
    show(scroll, all.rows.length > 0);
    show(empty, all.rows.length === 0);
    write(empty, all.seen > 0 ? `Nobody is at work; ${count(all.seen, "person", "people")} came so far.` : "Nobody has come yet.");
    show(middleTime, pace.median_seconds !== null && all.rows.length > 0);
    write(middleTime, `half of the answers took ${duration(pace.median_seconds)} or less`);
    rows = [];
    follow(body, more.cut(all.rows, all.at_work), (one) => one.agent_id, person, (row, data) => {
      row.draw(data, pace.median_seconds, !isNone);
      row.tick(now);
      rows.push(row);
    });
  }

  return {
    node,
    reads: ["people", "pace", "run"],
    draw,
    tick(_, at) {
      now = at;
      for (const row of rows) row.tick(now);
    },
  };
}

function person() {
  const name = longName("mnb-who", 20);
  const dot = make("span", { class: "mnb-dot", role: "img" });
  const apart = make("span", { class: "mnb-apart" }, "not connected");
  const unit = longName("mnb-where", 12);
  const time = make("span", { class: "mnb-time" });
  const fill = make("span", { class: "mnb-fill" });
  const gauge = make("span", { class: "mnb-gauge" }, fill, make("span", { class: "mnb-median" }));
  const node = make(
    "tr",
    {},
    make("td", {}, make("span", { class: "mnb-person" }, dot, make("span", {}, name.node, " ", apart))),
    make("td", {}, unit.node),
    make("td", {}, make("span", { class: "mnb-timing" }, gauge, time)),
  );
  let [since, median] = [0, null];
  return {
    node,
    draw(data, medianSeconds, isTold) {
      [since, median] = [data.since, medianSeconds];
      name.write(plain(data.worker));
      unit.write(plain(data.unit));
      put(node, "data-slow", data.slow);
      const known = data.connected !== null && data.connected !== undefined;
      const isApart = known && !data.connected && isTold;
      const link = data.connected ? "connected" : "not connected";
      // A dot that nothing is known of would say nothing.
      show(dot, known);
      put(dot, "data-link", data.connected ? "up" : "down");
      put(dot, "title", link);
      put(dot, "aria-label", isApart ? null : link);
      put(dot, "aria-hidden", isApart ? "true" : null);
      show(apart, isApart);
    },
    tick(now) {
      write(time, stopwatch(now - since));
      show(gauge, median !== null);
      if (median === null) return;
      const share = Math.min(1, (now - since) / (2 * median));
      style(fill, "inline-size", `${Math.round(100 * share)}%`);
      put(gauge, "title", `the mark in the middle: half of the answers took ${duration(median)} or less`);
    },
  };
}

/** The newest submissions; a click opens one. */
export function newest(open) {
  const list = make("ol", { class: "mnb-newest" });
  const empty = make("p", { class: "mnb-empty" }, "No answers yet.");
  let last = null;
  let now = 0;
  const more = fold(MOST_ANSWERS, list, () => draw(last));
  const node = make("section", { class: "mnb-panel" }, make("h4", {}, "Newest answers"), list, more.node, empty);
  let rows = [];

  function draw(state) {
    last = state;
    show(empty, state.newest.length === 0);
    show(list, state.newest.length > 0);
    rows = [];
    follow(list, more.cut(state.newest), (one) => one.agent_id, (one) => submission(one, open), (row, data) => {
      row.draw(data);
      row.tick(now);
      rows.push(row);
    });
  }

  return {
    node,
    reads: ["newest"],
    draw,
    tick(_, at) {
      now = at;
      for (const row of rows) row.tick(now);
    },
  };
}

function submission({ agent_id: id }, open) {
  const preview = own("mnb-preview");
  const who = longName("mnb-who", 32, false);
  const when = make("span", { class: "mnb-when" });
  const button = make("button", { type: "button", class: "mnb-row", click: () => open(id) }, preview, who.node, when);
  let data = null;
  return {
    node: make("li", {}, button),
    draw(one) {
      data = one;
      write(preview, plain(one.preview) || "(empty)");
      who.write(plain(one.worker));
      put(button, "title", `${plain(one.worker)}, unit ${plain(one.unit)}, ${moment(one.at)}; click to read it`);
    },
    tick(now) {
      const took = data.seconds === null ? "" : `took ${duration(data.seconds)}, `;
      write(when, `${took}${ago(now - data.at)}`);
    },
  };
}
