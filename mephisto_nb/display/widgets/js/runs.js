/** All runs of an operator; a click opens one. */

import { follow, make, longName, put, show, style, write } from "./dom.js";
import { runDashboard } from "./run.js";
import { clock, moment, number, percent, plain, price, runLabel } from "./words.js";

const TOPIC = "runs";

/** Make the list, in which one run at a time can be opened. */
export function runList(link) {
  const body = make("tbody");
  const names = ["Task", "State", "Answered", "Cost so far", "Launched"].map((name) => make("th", { scope: "col" }, name));
  const cost = make("b");
  const sum = make("td", { colspan: 2 }, cost);
  const foot = make("tfoot", {}, make("tr", {}, make("th", { scope: "row", colspan: 3 }, "All runs"), sum));
  const table = make("table", { class: "mnb-runs" }, make("thead", {}, make("tr", {}, ...names)), body, foot);
  const left = make("ul", { class: "mnb-note", "aria-label": "Runs that are not taken up" });
  const empty = make("p", { class: "mnb-empty" });
  const away = make("p", { class: "mnb-away", role: "status" });
  const summary = make("span", { class: "mnb-aside" });
  const list = make("section", { class: "mnb-list" }, make("h3", {}, "Runs ", summary), away, table, left, empty);
  const back = make("button", { type: "button", class: "mnb-button" }, "‹ All runs");
  const place = make("div", { class: "mnb-opened" }, back);
  const root = make("article", { class: "mnb-run", "aria-label": "Runs of this operator" }, list, place);
  let opened = null;
  let opener = null;
  show(place, false);
  show(away, false);

  function open(id, button) {
    opener = button;
    opened = runDashboard(link, id);
    place.append(opened.node);
    show(list, false);
    show(place, true);
    back.focus();
  }

  back.addEventListener("click", () => {
    opened.close();
    opened.node.remove();
    opened = null;
    show(place, false);
    show(list, true);
    opener?.focus();
  });

  link.follow(TOPIC, (state) => {
    const { runs, closed } = state;
    const isEmpty = runs.length === 0;
    show(table, !isEmpty);
    show(empty, isEmpty || closed);
    write(empty, closed ? "This operator was shut down; mephisto_nb.Operator() makes a new one." : "No task has been launched yet.");
    write(summary, isEmpty ? "" : [...COUNTED.map((label) => countOf(runs, label)), `${number(runs.length)} in all`].filter(Boolean).join(", "));
    write(cost, state.sums.map(costOf).join("; "));
    show(foot, runs.length > 1);
    const isLeft = ({ status }) => ["left", "detached"].includes(status) && !closed;
    follow(left, runs.filter(isLeft), ({ id, driver }) => `${id} ${driver ?? ""}`, hint, () => {});
    follow(body, runs, (run) => run.id, (run) => row(run, open), (entry, run) => entry.draw(run));
  }, (why) => write(summary, plain(why)));

  return {
    node: root,
    setAway(isAway) {
      show(away, isAway);
      if (isAway) write(away, `The kernel does not answer. What you see is how it was at ${clock(link.lastHeard)}.`);
      opened?.setAway(isAway);
    },
    close() {
      opened?.close();
    },
  };
}

function shareOf({ answered, total }) {
  if (total === null) return "";
  return total > 0 ? `${number(answered)} of ${number(total)} (${percent(answered, total)}\u00a0%)` : "no units";
}

/** The states that the line above the list counts. */
const COUNTED = ["Failed", "Live", "Paused", "Closing", "Not taken up", "Driven elsewhere"];

function countOf(runs, label) {
  const found = runs.filter((run) => runLabel(run.status, run.driver) === label).length;
  return found > 0 && `${number(found)} ${label.toLowerCase()}`;
}

function costOf({ spent, whole_cost: whole, currency }) {
  if (whole === null) return "";
  return spent === whole ? price(spent, currency) : `${price(spent, currency)} of ${price(whole, currency)}`;
}

/** How to take up a run that nobody drives; or who drives it. */
function hint({ id, name, driver }) {
  const who = make("bdi", {}, plain(name));
  if (driver) {
    const look = make("code", {}, `operator.get_task_run("${plain(id)}")`);
    return { node: make("li", {}, who, ` is driven by ${plain(driver)}: what workers send is taken in there. To look at it: `, look) };
  }
  const code = make("code", {}, `run = await operator.reconnect("${plain(id)}")`);
  return { node: make("li", {}, who, " is not taken up: it is alive, but not connected to this notebook. Take it up: ", code) };
}

function row({ id }, open) {
  const name = longName("", 48, false);
  const button = make("button", { type: "button", class: "mnb-link", click: () => open(id, button) }, name.node);
  const state = make("span", { class: "mnb-state" });
  const alerts = make("span", { class: "mnb-count-alerts" });
  const fill = make("span", { class: "mnb-piece", "data-unit": "completed" });
  const bar = make("span", { class: "mnb-bar mnb-thin", role: "progressbar", "aria-valuemin": 0 }, fill);
  const share = make("span", { class: "mnb-of" });
  const cost = make("td", { class: "mnb-amount" });
  const launched = make("td");
  const node = make(
    "tr",
    {},
    make("td", {}, button),
    make("td", {}, state, alerts),
    make("td", {}, make("span", { class: "mnb-small-progress" }, bar, share)),
    cost,
    launched,
  );
  return {
    node,
    draw(run) {
      name.write(plain(run.name));
      put(button, "title", `${plain(run.name)}, run ${plain(run.id)}`);
      write(state, runLabel(run.status, run.driver));
      put(state, "data-status", run.status);
      write(alerts, run.attention > 0 ? `${run.attention} ${run.attention === 1 ? "needs" : "need"} attention` : "");
      style(fill, "inline-size", `${run.total > 0 ? (100 * run.answered) / run.total : 0}%`);
      put(bar, "aria-label", `Units of ${plain(run.name)} answered`);
      show(bar, run.total > 0);
      put(bar, "aria-valuemax", Math.max(1, run.total ?? 0));
      put(bar, "aria-valuenow", run.answered ?? 0);
      write(share, shareOf(run));
      write(cost, costOf(run));
      write(launched, moment(run.launched_at));
    },
  };
}
