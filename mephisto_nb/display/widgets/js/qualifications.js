/** The panel of qualifications: all of them, who holds one, its history, and who would qualify. */

import { askAct, kernelOf, particular, whyField, wholeField } from "./ask.js";
import { composer } from "./compose.js";
import { notice } from "./dialogs.js";
import { make, show, write } from "./dom.js";
import { foreign, grid, searchFor } from "./grid.js";
import { button, keepLooking, panelHead } from "./heading.js";
import { count, moment, number, plain, UNKNOWN } from "./words.js";

const TOPIC = "qualifications";

const ACTIONS = {
  grant: "granted", revoke: "revoked", create: "created", describe: "described", delete: "deleted",
  block: "blocked", unblock: "unblocked", note: "noted", withdraw: "note withdrawn",
};

/** Say why, of an act whose reason is more than its own name. */
export function reason(row) {
  return !row.why || row.why === ACTIONS[row.action] ? "" : plain(row.why);
}

/** Say what a row of a history tells. */
export function deed(row) {
  const value = row.value === null ? "" : ` ${row.value}`;
  const before = row.value_before === null || row.action !== "grant" ? "" : ` (was ${row.value_before})`;
  return `${ACTIONS[row.action] ?? row.action}${value}${before}`;
}

export function qualificationsPanel(link) {
  const told = notice();
  const kernel = kernelOf(link, TOPIC, told);
  const create = button("New…", askNew, "mnb-primary");
  const head = panelHead("Qualifications", kernel, create);
  let [state, picked, stop] = [null, null, () => {}];

  const list = grid({
    label: "Qualifications", noun: "qualification", height: 300,
    empty: "There are none yet. “New…” makes one; it can then be granted to workers, and asked for by a run.",
    keyOf: (row) => row.qualification_name,
    fetch: async (query) => counted(await kernel.ask("rows", { table: "qualifications", ...query })),
    open: pick,
    columns: [
      { name: "name", title: "Qualification", sort: "qualification_name", width: "minmax(0, 1fr)", draw: (row) => foreign(row.qualification_name) },
      { name: "holders", title: "Holders", sort: "holders", width: "78px", end: true, draw: (row) => number(row.holders) },
    ],
  });
  const search = searchFor(list, "Search qualifications");
  const detail = make("section", { class: "mnb-detail", "aria-label": "The qualification that is opened" });
  const compose = composer(kernel);
  const columns = make("div", { class: "mnb-columns" }, make("div", { class: "mnb-side" }, search, list.node), detail);
  const root = make("article", { class: "mnb-run mnb-people", "aria-label": "Qualifications" }, head.node, told.node, columns, compose.node);
  show(compose.node, false); // until the first state is here, which draws what was composed before
  let opened = null;

  /** Say over the panel what was counted in the reading that its rows are of. */
  function counted(found) {
    drawHead(found.counts);
    return found;
  }

  function drawHead(counts) {
    const known = counts.qualifications === null ? "" : `${count(counts.qualifications, "qualification")}, ${count(counts.workers, "known worker")}`;
    head.draw(state, known);
  }

  function pick(row) {
    if (picked === row.qualification_name) return;
    picked = row.qualification_name;
    opened?.close();
    opened = opening(row);
    opened.draw(row);
    detail.replaceChildren(opened.node);
    list.mark(picked);
    show(detail, true);
  }

  async function askNew() {
    const name = make("input", { type: "text", required: true, dir: "auto", autocomplete: "off", name: "name" });
    const about = make("textarea", { rows: 2, dir: "auto", name: "description" });
    const done = await askAct(root, kernel, {
      title: "New qualification", action: "create", yes: "Create",
      fields: [particular("Name", name), particular("Description", about, "what having it means; may stay empty")],
      args: () => ({ name: name.value, description: about.value }),
    });
    if (done) pick({ qualification_name: name.value, description: about.value });
  }

  function opening({ qualification_name: name }) {
    const title = make("h4", {}, foreign(name));
    const about = make("p", { class: "mnb-title" });
    const required = make("p", { class: "mnb-note" });
    const picked = make("div", { class: "mnb-line", role: "group", "aria-label": "With those chosen" });
    const holders = grid({
      label: `Holders of ${plain(name)}`, noun: "holder", height: 270,
      empty: "Nobody holds it yet. “Grant…” gives it to workers.",
      keyOf: (row) => row.worker_id,
      fetch: (query) => kernel.ask("rows", { table: "holders", of: name, ...query }),
      choose: { ids: (query) => kernel.ask("ids", { table: "holders", of: name, ...query }), changed: (keys) => show(picked, keys.length > 0) },
      columns: [
        { name: "worker_name", title: "Worker", sort: "worker_name", width: "minmax(0, 1fr)", draw: (row) => foreign(row.worker_name) },
        { name: "value", title: "Value", sort: "value", width: "70px", end: true, draw: (row) => number(row.value) },
        { name: "granted_at", title: "Since", sort: "granted_at", width: "142px", draw: (row) => moment(row.granted_at) },
      ],
    });
    const history = grid({
      label: `History of ${plain(name)}`, noun: "act", height: 270, empty: "Nothing has happened yet.",
      keyOf: (row) => `${row.at} ${row.worker_id}`,
      fetch: (query) => kernel.ask("rows", { table: "history", of: name, ...query }),
      columns: [
        { name: "at", title: "When", sort: "at", width: "142px", draw: (row) => moment(row.at) },
        { name: "worker", title: "Worker", sort: "worker_name", width: "minmax(0, 1fr)", draw: (row) => (row.worker_name === null ? UNKNOWN : foreign(row.worker_name)) },
        { name: "deed", title: "What", sort: "action", width: "minmax(0, 0.9fr)", draw: (row) => deed(row) },
        { name: "why", title: "Why", width: "minmax(0, 1fr)", draw: (row) => make("span", { title: reason(row) }, reason(row) ? foreign(row.why) : UNKNOWN) },
        { name: "who", title: "Who", width: "minmax(0, 0.6fr)", draw: (row) => make("span", { title: plain(row.who) }, foreign(row.who)) },
      ],
    });
    const ids = () => ({ worker_ids: holders.chosen() });
    const some = () => count(holders.chosen().length, "holder");
    const change = button("Change value…", async () => {
      const [value, why] = [wholeField(), whyField()];
      await askAct(root, kernel, { title: `Another value for ${some()}`, action: "grant", yes: "Change", fields: [value.node, why.node], args: () => ({ name, value: value.value(), ...ids(), ...why.value() }) });
    });
    const revoke = button("Revoke…", async () => {
      const why = whyField();
      const done = await askAct(root, kernel, { title: `Revoke from ${some()}`, action: "revoke", yes: "Revoke", danger: true, fields: [why.node], args: () => ({ name, ...ids(), ...why.value() }) });
      if (done) holders.forget();
    });
    picked.append(change, revoke);
    show(picked, false);
    const parts = { holders, history };
    const tabs = tabList("What is known of it", [["holders", "Holders"], ["history", "History"]], (which) => {
      for (const [one, part] of Object.entries(parts)) show(part.node, one === which);
      show(bySearch, which === "holders");
      parts[which].refresh();
    });
    const bySearch = searchFor(holders, "Search holders");
    const tools = make("div", { class: "mnb-tools" }, button("Grant…", askGrant, "mnb-primary"), button("Describe…", askDescribe), button("Delete…", askDelete));
    const node = make("div", { class: "mnb-opened-one" },
      make("div", { class: "mnb-head" }, make("div", {}, title, about, required), tools),
      tabs.node, make("div", { class: "mnb-line" }, bySearch, picked), holders.node, history.node);
    tabs.choose("holders");

    function askGrant() {
      const names = make("textarea", { rows: 4, required: true, dir: "auto", name: "names" });
      const [value, why] = [wholeField(), whyField()];
      const read = () => [...new Set(names.value.split("\n").map((one) => one.trim()).filter(Boolean))];
      return askAct(root, kernel, {
        title: "Grant to workers", action: "grant", yes: "Grant",
        fields: [particular("Workers", names, "names, one on each line; from a DataFrame, or for those who are chosen there: operator.workers()"), value.node, why.node],
        args: () => ({ name, workers: read(), value: value.value(), ...why.value() }),
      });
    }

    function askDescribe() {
      const text = make("textarea", { rows: 3, dir: "auto", name: "description" });
      text.value = about.textContent;
      return askAct(root, kernel, { title: "Describe", action: "describe", yes: "Save", fields: [particular("Description", text)], args: () => ({ name, description: text.value }) });
    }

    async function askDelete() {
      // Another kernel may have launched a run since this was drawn.
      const runs = await kernel.ask("required", { name }).catch((error) => told.say(error.message, true) ?? null);
      if (runs === null) return;
      const force = make("input", { type: "checkbox", name: "force", required: true });
      const ends = make("label", { class: "mnb-tick" }, force, make("span", {}, "Delete it although runs that have not ended ask for it"));
      const isAsked = runs !== "";
      const args = () => ({ name, ...(isAsked ? { force: true } : {}) });
      const yes = isAsked ? "Delete nonetheless" : "Delete";
      await askAct(root, kernel, { title: "Delete this qualification?", action: "delete", yes, danger: true, always: true, fields: isAsked ? [ends] : [], args });
    }

    return {
      node,
      draw(row) {
        write(about, row ? plain(row.description) : "");
        write(required, row?.required_by ? `Asked for by runs that have not ended: ${plain(row.required_by)}` : "");
        show(tools, !state.closed);
        parts[tabs.chosen()].changed();
      },
      close() {
        holders.close();
        history.close();
      },
    };
  }

  async function redraw() {
    list.changed();
    if (picked === null) return;
    const { rows } = await kernel.ask("rows", { table: "qualifications", search: picked, count: 500 });
    const row = rows.find((one) => one.qualification_name === picked);
    if (row !== undefined) return opened?.draw(row);
    opened?.close();
    [picked, opened] = [null, null];
    detail.replaceChildren();
    show(detail, false);
  }

  show(detail, false);
  let rev = null;
  link.follow(TOPIC, (next) => {
    state = next;
    drawHead(next);
    show(compose.node, next.workers !== 0);
    show(search, next.qualifications !== 0);
    compose.draw(next);
    if (next.rev !== rev) redraw().catch((error) => told.say(error.message, true));
    rev = next.rev;
  }, (why) => told.say(why, true));
  stop = keepLooking(root, link, kernel);

  return {
    node: root,
    setAway: (isAway) => head.setAway(isAway, link.lastHeard),
    close() {
      stop();
      for (const one of [list, compose, opened]) one?.close();
    },
  };
}

/** Make tabs (WAI-ARIA): arrows move between them. */
export function tabList(label, choices, chosen) {
  let now = null;
  const tabs = choices.map(([name, words]) => make("button", { type: "button", role: "tab", class: "mnb-tab", "data-name": name, click: () => choose(name) }, words));
  const node = make("div", { role: "tablist", class: "mnb-tabs", "aria-label": label }, ...tabs);
  function choose(name) {
    now = name;
    for (const tab of tabs) {
      const isIt = tab.dataset.name === name;
      tab.setAttribute("aria-selected", String(isIt));
      tab.tabIndex = isIt ? 0 : -1;
    }
    chosen(name);
  }
  node.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    const at = (tabs.findIndex((tab) => tab.dataset.name === now) + step + tabs.length) % tabs.length;
    tabs[at].focus();
    choose(tabs[at].dataset.name);
  });
  return { node, choose, chosen: () => now };
}
