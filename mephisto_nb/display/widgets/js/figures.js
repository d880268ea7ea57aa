/** The figures of a run: its pace, the time left, what it costs, what an hour of work earns, and its budgets. */

import { longName, make, put, show, style, write } from "./dom.js";
import { sparkline } from "./overview.js";
import { UNKNOWN, count, duration, money, number, plain, price } from "./words.js";

function tile(label, ...more) {
  const value = make("span", { class: "mnb-value" });
  const unit = make("span", { class: "mnb-unit" });
  const note = make("p", { class: "mnb-note" });
  const id = `mnb-${Math.random().toString(36).slice(2)}`;
  const node = make(
    "section",
    { class: "mnb-tile", "aria-labelledby": id },
    make("h4", { id }, label),
    make("p", { class: "mnb-main" }, value, unit),
    ...more,
    note,
  );
  const set = (main, rest, small) => {
    write(value, main);
    write(unit, rest);
    write(note, small);
  };
  return { node, set };
}

function pace() {
  const spark = sparkline("Answers over the time of the run, in thirty equal slices");
  const { node, set } = tile("Pace", spark.node);
  return {
    node,
    reads: ["pace", "run"],
    draw({ pace, run }) {
      if (run.status === "paused") set("Paused", "", paceNote(pace));
      else set(number(pace.per_hour), pace.per_hour === null ? "" : " units an hour", paceNote(pace));
      show(spark.node, pace.recent.some((value) => value > 0));
      spark.draw(pace.recent);
    },
  };
}

function paceNote(pace) {
  return pace.median_seconds === null ? "no answers yet" : `${duration(pace.median_seconds)} a unit, median`;
}

function timeLeft() {
  const { node, set } = tile("Time left");
  return {
    node,
    reads: ["pace", "run", "units"],
    draw({ pace, run, units }) {
      const { seconds_left: left, seconds_left_low: low, seconds_left_high: high } = pace;
      const isDone = run.ended_at || (units.total > 0 && units.answered + units.expired === units.total);
      if (isDone) set("Done", "", units.completed > 0 ? `${count(units.completed, "answer")} to review` : "nothing is left to do");
      else if (left === null) set(UNKNOWN, "", run.status === "paused" ? "not while it is paused" : "too early to tell");
      else set(duration(left), "", low === null ? "" : `likely ${duration(low)} to ${duration(high)}`);
    },
  };
}

const PARTS = [
  ["spent", "spent"],
  ["committed", "in progress"],
  ["to_come", "not begun"],
];

function cost() {
  const bar = make("div", { class: "mnb-bar mnb-thin", "aria-hidden": "true" });
  const list = make("ul", { class: "mnb-legend" });
  const parts = PARTS.map(([name, label]) => {
    const strip = make("span", { class: "mnb-piece", "data-money": name });
    const value = make("b", { "data-amount": name });
    const entry = make("li", { "data-money": name }, value, ` ${label}`);
    bar.append(strip);
    list.append(entry);
    return { name, strip, value, entry };
  });
  const [split, unpaid] = [make("p", { class: "mnb-note" }), make("p", { class: "mnb-note" })];
  const { node, set } = tile("Cost", bar, list);
  node.append(split, unpaid);
  node.classList.add("mnb-cost");
  put(node, "title", "What is paid, owed or still to be decided on, with fees: run.payments() has each payment");
  return {
    node,
    reads: ["money", "run"],
    draw({ money: all, run }) {
      const isOver = ["done", "ended"].includes(run.status);
      const whole = price(all.total, all.currency);
      set(price(all.spent, all.currency), isOver ? " in all" : ` so far of ${whole}`, feeNote(all, isOver ? "" : whole));
      write(split, splitOf(all));
      show(split, split.textContent !== "");
      write(unpaid, all.unpaid);
      show(unpaid, Boolean(all.unpaid));
      for (const { name, strip, value, entry } of parts) {
        style(strip, "flex-grow", String(all.total > 0 ? all[name] / all.total : 0));
        show(strip, all[name] > 0);
        show(entry, name !== "spent" && all[name] > 0);
        write(value, price(all[name], all.currency));
      }
    },
  };
}

/** Where what is spent stands in the ledger, and what stands in none yet. */
const BOOKED = [
  ["paid", "paid"],
  ["asked", "being asked for"],
  ["owed", "owed"],
  ["undecided", "to decide on"],
];

/** What the cost is made of so far, where it is made of several things; and what of it are bonuses. */
function splitOf(all) {
  const said = BOOKED.filter(([name]) => all.is_read && all[name] > 0).map(([name, label]) => `${price(all[name], all.currency)} ${label}`);
  if (all.fees.spent > 0) said.push(`${price(all.fees.spent, all.currency)} fees`);
  const beside = all.beside > 0 ? `; ${price(all.beside, all.currency)} of all are bonuses` : "";
  return said.length > 1 || beside ? said.join(" · ") + beside : "";
}

/** `whole`: what it costs if all units are answered; nothing once none can be any more. */
function feeNote({ fees, fees_estimated: estimated, fee_rate: rate, reward, units_per_visit: units, currency }, whole) {
  const sum = Object.values(fees ?? {}).reduce((total, fee) => total + (fee ?? 0), 0);
  const all = whole ? `${whole} if all units are answered, ` : "";
  const known = estimated > 0 ? (estimated < sum ? ", partly an estimate" : ", an estimate") : "";
  const share = rate || sum ? `with ${rate ? `${number(100 * rate)}\u00a0% ` : ""}fees (${price(sum, currency)}${known})` : "without fees";
  return `${all}${share}; ${price(reward, currency)} a ${units > 1 ? `visit of ${count(units, "unit")}` : "unit"}`;
}

/** What is gone of each budget that the run counts against; nothing where none is set. */
function budgets() {
  const title = make("h4", { id: `mnb-${Math.random().toString(36).slice(2)}` });
  const list = make("ul");
  const node = make("section", { class: "mnb-tile mnb-budgets", "aria-labelledby": title.id }, title, list);
  return {
    node,
    reads: ["budgets"],
    draw({ budgets: all }) {
      show(node, all.length > 0);
      write(title, all.length > 1 ? "Budgets" : "Budget");
      list.replaceChildren(...all.map(budget));
    },
  };
}

function budget({ scope, name, currency, limit, ...amounts }) {
  const bar = make("div", { class: "mnb-bar mnb-thin", "aria-hidden": "true" });
  const legend = make("ul", { class: "mnb-legend" });
  for (const [part, label] of [["spent", "spent"], ["committed", "committed"], ["to_come", "free"]]) {
    const amount = amounts[label];
    const piece = make("span", { class: "mnb-piece", "data-money": part });
    style(piece, "flex-grow", String(Math.max(0, amount) / limit));
    show(piece, amount > 0);
    bar.append(piece);
    legend.append(make("li", { "data-money": part }, make("b", {}, price(amount, currency)), ` ${label}`));
  }
  const own = longName("", 28);
  own.write(scope === "run" ? "" : plain(name));
  const whole = make("span", {}, `${price(limit, currency)} (${currency})`);
  const entry = make("li", {}, make("p", {}, make("span", {}, `${SCOPES[scope]} `, own.node), whole), bar, legend);
  put(entry, "data-warn", amounts.free < 0);
  return entry;
}

const SCOPES = { run: "This run", task: "Task", month: "Month" };

function pay() {
  const { node, set } = tile("Pay by the hour");
  return {
    node,
    reads: ["money"],
    draw({ money: all }) {
      const minimum = all.minimum_per_hour;
      const words = all.below_minimum ? "below the minimum of" : "the minimum is";
      const less = all.below > 0 ? `; ${number(all.below)} of ${count(all.timed, "answer")} earned less` : "";
      const note = minimum ? `${words} ${money(minimum, all.currency)}${less}` : "median over all answers";
      if (all.per_hour === null) set(UNKNOWN, "", minimum ? note : "no answers yet");
      else if (all.reward === 0 && all.per_hour === 0) set("Unpaid", "", "nobody is paid for this task");
      else set(money(all.per_hour, all.currency), " an hour, median", note);
      put(node, "data-warn", all.below_minimum);
    },
  };
}

/** All four, side by side, and budgets where there are such. */
export function figures() {
  const tiles = [pace(), timeLeft(), cost(), pay(), budgets()];
  return {
    node: make("div", { class: "mnb-tiles" }, ...tiles.map((one) => one.node)),
    reads: ["pace", "money", "budgets", "run", "units"],
    draw(state, changed) {
      for (const one of tiles) if (one.reads.some((name) => changed.has(name))) one.draw(state);
    },
  };
}
