/** The panel of workers: what is known of each over all runs, and what can be done with those who are chosen. */

import { askAct, kernelOf, nameField, particular, whyField, wholeField } from "./ask.js";
import { closer, notice, openDialog } from "./dialogs.js";
import { make, show, write } from "./dom.js";
import { foreign, grid, searchFor } from "./grid.js";
import { keepLooking, panelHead } from "./heading.js";
import { deed, reason } from "./qualifications.js";
import { count, duration, moment, money, number, plain, UNKNOWN } from "./words.js";

const WORKERS = "workers";
const ONLY = [["", "all workers"], ["blocked", "blocked"], ["below_minimum", "paid below the minimum"], ["noted", "with notes"], ["simulated", "simulated"]];

function nameOf(row) {
  const marks = [];
  if (row.simulated) marks.push(make("span", { class: "mnb-state" }, "simulated"));
  if (row.blocked) marks.push(make("span", { class: "mnb-state", "data-status": "failed" }, "blocked"));
  if (row.notes > 0) marks.push(make("span", { class: "mnb-state" }, count(row.notes, "note")));
  return make("span", { class: "mnb-named" }, make("span", { class: "mnb-cut" }, foreign(row.worker_name)), ...marks);
}

function held(row) {
  const names = Object.entries(row.qualifications);
  if (names.length === 0) return UNKNOWN;
  return make("span", {}, ...names.flatMap(([name, value], index) => [index ? ", " : "", foreign(name), ` ${value}`]));
}

function hourly(row) {
  if (row.hourly_pay === null) return UNKNOWN;
  const words = money(row.hourly_pay, row.currency);
  if (!row.below_minimum) return words;
  const least = `below the minimum of ${money(row.minimum_hourly_pay, row.currency)}`;
  return make("span", { class: "mnb-warn", title: least }, "▾ ", words, make("span", { class: "mnb-unseen" }, `, ${least}`));
}

export function workersPanel(link) {
  const told = notice();
  const kernel = kernelOf(link, WORKERS, told);
  const head = panelHead("Workers", kernel);
  let [names, stop, rev, isClosed, last] = [[], () => {}, null, false, null];
  const acts = make("div", { class: "mnb-line", role: "group", "aria-label": "With those chosen" });
  const table = grid({
    label: "Workers", noun: "worker", height: 390,
    empty: "No worker is known yet. They are as soon as they come to a run, or are granted something.",
    keyOf: (row) => row.worker_id,
    fetch: async (query) => {
      const found = await kernel.ask("rows", { table: "workers", ...query });
      drawHead(found.counts);
      return found;
    },
    open: openOne,
    choose: { ids: (query) => kernel.ask("ids", { table: "workers", ...query }), changed: (keys) => show(acts, keys.length > 0 && !isClosed) },
    columns: [
      { name: "worker_name", title: "Worker", sort: "worker_name", width: "minmax(9rem, 1.4fr)", draw: nameOf },
      { name: "provider_type", title: "Crowd", sort: "provider_type", width: "72px", draw: (row) => plain(row.provider_type) },
      { name: "units", title: "Units", sort: "units", width: "58px", end: true, draw: (row) => number(row.units) },
      { name: "approved", title: "Approved", sort: "approved", width: "90px", end: true, draw: (row) => number(row.approved) },
      { name: "hourly_pay", title: "Pay an hour", sort: "hourly_pay", width: "96px", end: true, draw: hourly },
      { name: "qualifications", title: "Qualifications", sort: "qualifications", width: "minmax(7rem, 1.2fr)", draw: held },
      { name: "last_seen_at", title: "Last seen", sort: "last_seen_at", width: "142px", draw: (row) => moment(row.last_seen_at) },
    ],
  });
  const only = make("select", { "aria-label": "Which workers", input: () => table.ask({ only: only.value }) }, ...ONLY.map(([value, words]) => make("option", { value }, words)));
  const row = make("div", { class: "mnb-line" }, searchFor(table, "Search workers and qualifications"), only, acts);
  const root = make("article", { class: "mnb-run mnb-people", "aria-label": "Workers" }, head.node, told.node, row, table.node);
  const chosen = () => ({ worker_ids: table.chosen() });

  /** Say over the panel what was counted in the reading that its rows are of. */
  function drawHead(counts) {
    const parts = counts.workers === null ? [] : [count(counts.workers, "worker")];
    if (counts.blocked) parts.push(`${number(counts.blocked)} blocked`);
    if (counts.below_minimum) parts.push(`${number(counts.below_minimum)} paid below the minimum`);
    head.draw(last, parts.join(", "));
  }

  function actButton(label, title, action, make_) {
    const one = make("button", { type: "button", class: "mnb-button", click: async () => {
      const { fields, args, danger } = make_();
      const all = () => ({ ...args(), ...chosen() });
      await askAct(root, kernel, { title: `${title} ${count(table.chosen().length, "worker")}`, action, yes: label.replace("…", ""), danger, fields, args: all });
    } }, label);
    return one;
  }

  const named = (more) => () => {
    const [name, value, why] = [nameField(names), wholeField(), whyField()];
    return {
      fields: [...name.nodes, ...(more ? [value.node] : []), why.node],
      args: () => ({ name: name.value(), ...(more ? { value: value.value() } : {}), ...why.value() }),
      danger: !more,
    };
  };
  const reasoned = (danger) => () => {
    const why = whyField();
    return { fields: [why.node], args: why.value, danger };
  };
  acts.append(
    actButton("Grant…", "Grant a qualification to", "grant", named(true)),
    actButton("Revoke…", "Revoke a qualification from", "revoke", named(false)),
    actButton("Block…", "Block", "block", reasoned(true)),
    actButton("Unblock…", "Unblock", "unblock", reasoned(false)),
    actButton("Note…", "A note about", "note", () => {
      const text = make("textarea", { rows: 3, required: true, dir: "auto", name: "text" });
      return { fields: [particular("Note", text, "workers never see it")], args: () => ({ text: text.value }), danger: false };
    }),
    make("button", { type: "button", class: "mnb-quiet", click: () => table.forget() }, "Choose none"),
  );
  show(acts, false);

  async function openOne({ worker_id: id, worker_name: name }) {
    const content = make("div", { class: "mnb-submission", tabindex: 0 }, make("p", { class: "mnb-empty" }, "Reading…"));
    openDialog(root, plain(name).slice(0, 80), [content], [closer("Close")]);
    try {
      content.replaceChildren(...describeWorker(await kernel.ask("worker", { worker_id: id })));
    } catch (error) {
      content.replaceChildren(make("p", { class: "mnb-error", role: "alert" }, plain(error.message)));
    }
  }

  link.follow(WORKERS, (state) => {
    names = state.names;
    isClosed = state.closed;
    last = state;
    drawHead(state);
    show(row, state.workers !== 0);
    if (state.rev !== rev) table.changed();
    rev = state.rev;
  }, (why) => told.say(why, true));
  stop = keepLooking(root, link, kernel);

  return {
    node: root,
    setAway: (isAway) => head.setAway(isAway, link.lastHeard),
    close() {
      stop();
      table.close();
    },
  };
}

function decided(worker) {
  const parts = ["approved", "soft_rejected", "rejected", "waiting"].map((name) => [name.replace("_", "-"), worker[name]]);
  return parts.filter(([name, many]) => many > 0 || name === "approved").map(([name, many]) => `${number(many)} ${name}`).join(", ");
}

function waits(worker) {
  return worker.waiting > 0 ? `; ${money(worker.waiting_pay, worker.currency)} more if what waits is approved` : "";
}

/** What somebody earned; sums of several currencies do not exist. */
function earned(worker) {
  const { currency, bonuses, owed, sent } = worker;
  if (worker.earned === null) return [["Earned", `in ${plain(currency)}: operator.payments.owed() has a row for each`]];
  return [
    ["Earned", `${money(worker.earned, currency)}, and ${money(bonuses, currency)} of bonuses${waits(worker)}`],
    ["Owed and sent", `${money(owed, currency)} owed, ${money(sent, currency)} sent`],
  ];
}

function describeWorker({ worker, notes, history }) {
  const facts = [
    ["Units answered", `${number(worker.units)} in ${count(worker.runs, "run")}: ${decided(worker)}; ${number(worker.left)} left unfinished`],
    ...earned(worker),
    ["Median time", duration(worker.median_seconds)],
    ["Pay an hour", hourly(worker)],
    ["Qualifications", held(worker)],
    ["Known since", moment(worker.first_seen_at)],
  ];
  const list = make("dl", {}, ...facts.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))));
  const lines = (rows, words) => make("ul", { class: "mnb-lines" }, ...rows.map((row) => make("li", {}, make("span", { class: "mnb-note" }, `${moment(row.at)} · `), ...words(row))));
  const parts = [make("section", {}, list)];
  if (notes.length > 0) parts.push(make("section", {}, make("h5", {}, "Notes"), lines(notes, (row) => [foreign(row.text), make("span", { class: "mnb-note" }, " · ", foreign(row.who))])));
  const acts = history.filter((row) => !["note", "withdraw"].includes(row.action));
  if (acts.length > 0) parts.push(make("section", {}, make("h5", {}, "History"), lines(acts, (row) => [foreign(row.qualification_name ?? ""), ` ${deed(row)}`, ...(reason(row) ? [": ", foreign(row.why)] : []), " · ", foreign(row.who)])));
  return parts;
}
