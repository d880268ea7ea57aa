/** The panel of review: walks through answers, and decides on each by a key. */

import { answerView } from "./answer.js";
import { drawBeside, VERDICT_LABELS } from "./beside.js";
import { notice } from "./dialogs.js";
import { make, put, show, write } from "./dom.js";
import { foreign, grid, searchFor } from "./grid.js";
import { button, keepLooking, panelHead } from "./heading.js";
import { askDecision, showKeys, VERDICT_NAMES } from "./verdicts.js";
import { duration, middle, number, plain, UNKNOWN } from "./words.js";

const REVIEW = "review";
const REVIEW_ORDERS = [["worker", "by worker"], ["disagreement", "by disagreement"], ["suspicion", "by suspicion"]];
const SHOWN = [["open", "waiting"], ["decided", "decided"], ["", "all"]];
const BECOMES = { approve: "accepted", soft_reject: "soft_rejected", reject: "rejected" };
const MARKS = { accepted: "✓", soft_rejected: "~", rejected: "✗" };
/** So many characters of a name fit into the list. */
const LONGEST_NAME = 14;
const EMPTY = "Nothing to review yet; answers appear as they come.";

function markOf({ status }) {
  if (!(status in MARKS)) return "";
  return make("span", { class: "mnb-verdict", "data-status": status }, make("span", { "aria-hidden": "true" }, MARKS[status]), make("span", { class: "mnb-unseen" }, VERDICT_LABELS[status]));
}

function against({ suspicion, reasons }) {
  if (!suspicion) return "";
  return make("span", { class: "mnb-warn", title: reasons }, number(suspicion), make("span", { class: "mnb-unseen" }, `: ${reasons}`));
}

const COLUMNS = [
  { name: "worker_name", title: "Worker", sort: "worker_name", width: "minmax(0, 1fr)", draw: (row) => make("span", { title: plain(row.worker_name) }, foreign(middle(row.worker_name, LONGEST_NAME))) },
  { name: "agreement", title: "Agrees", sort: "agreement", width: "66px", end: true, draw: (row) => (row.agreement === null ? UNKNOWN : `${Math.round(100 * row.agreement)} %`) },
  { name: "suspicion", title: "Against", sort: "suspicion", width: "68px", end: true, draw: against },
  { name: "status", title: "", width: "32px", draw: markOf },
];

function choices(label, options, chosen) {
  return make("select", { "aria-label": label, input: chosen }, ...options.map(([value, words]) => make("option", { value }, words)));
}

/** Say which keys there are, in one line. */
function hint() {
  const keys = [["a", "approve"], ["s", "soft-reject"], ["r", "reject"], ["d", "reject, with a reason"], ["b", "bonus …"], ["j", "next"], ["u", "undo"], ["?", "all keys"]];
  return make("p", { class: "mnb-note mnb-hint" }, ...keys.flatMap(([key, words]) => [make("kbd", {}, key), ` ${words}  `]));
}

/** Keep the focus in the panel where what had it has gone, or a frame has taken it; whoever clicks elsewhere is let go. */
function holdFocus(root, home, isFrame) {
  let isElsewhere = true;
  const back = () => home.focus({ preventScroll: true });
  const pressed = ({ target }) => (isElsewhere = !root.contains(target));
  const left = ({ relatedTarget }) => {
    if (relatedTarget !== null || isElsewhere) return;
    requestAnimationFrame(() => {
      if (document.activeElement === document.body && document.hasFocus() && root.isConnected) back();
    });
  };
  const blurred = () => setTimeout(() => isFrame(document.activeElement) && back());
  root.addEventListener("focusin", () => (isElsewhere = false));
  root.addEventListener("focusout", left);
  root.addEventListener("click", () => root.contains(document.activeElement) || back());
  window.addEventListener("pointerdown", pressed, true);
  window.addEventListener("blur", blurred);
  return () => {
    window.removeEventListener("pointerdown", pressed, true);
    window.removeEventListener("blur", blurred);
  };
}

export function reviewPanel(link) {
  const told = notice();
  const ask = (what, args = {}) => link.ask({ type: "ask", topic: REVIEW, what, args });
  const where = () => ({ order: order.value, filter: applied, ...seen });
  const kernel = {
    ask,
    undo,
    preview: (action, args) => ask("preview", { action, args }),
    async act(action, args) {
      let done = false;
      await quiet();
      await occupied(async () => (done = await decide(args)));
      return done;
    },
    choose: () => ask("choose", { ...where(), worker_id: current.worker_id }),
  };
  let [current, state, busy, rev, seen] = [null, null, false, null, {}];
  let [applied, listed] = ["", null]; // the filter, and what the list was asked for last
  let [steps, pending, acting] = [Promise.resolve(), 0, Promise.resolve()];
  let [asked, awaited] = [Promise.resolve(), false]; // the window that is open or asked for; whether it is still to come

  const head = panelHead("Review", kernel, button("Keys", () => showKeys(root)));
  const order = choices("Order", REVIEW_ORDERS, () => askList({}));
  const only = choices("Which answers", SHOWN, () => askList({ only: only.value }));
  const filter = make("input", { type: "text", class: "mnb-search mnb-filter", placeholder: "Filter, as in pandas: duration_in_seconds < 5", "aria-label": "Filter, as in DataFrame.query", spellcheck: false, change: applyFilter });
  // JupyterLab takes Enter's own effect away.
  filter.addEventListener("keydown", (event) => event.key === "Enter" && applyFilter());
  const list = grid({
    label: "Answers", noun: "answer", height: 420, empty: EMPTY, columns: COLUMNS,
    keyOf: (row) => row.unit_id,
    fetch: fetchRows, counted,
    open: (row) => go({ unit_id: row.unit_id }),
  });
  const search = searchFor(list, "Search answers");
  const view = answerView();
  const beside = make("aside", { class: "mnb-beside", "aria-label": "Beside it" });
  const who = make("h4", { class: "mnb-answer-who" });
  const place = make("p", { class: "mnb-note", role: "status" });
  const verdicts = Object.entries(VERDICT_NAMES).map(([verdict, words]) => deciding(verdict, words));
  const bar = make("div", { class: "mnb-line mnb-verdicts", role: "group", "aria-label": "Decide" },
    ...verdicts.map((one) => one.node), keyed("More…", "b", () => more({ focus: "bonus" })), keyed("Previous", "k", () => go({ step: -1 })), keyed("Next", "j", () => go({ step: 1 })));
  const walk = make("section", { class: "mnb-walk", tabindex: 0, "aria-label": "The answer" }, make("div", { class: "mnb-answer-head" }, who, place), bar, view.node);
  const tools = make("div", { class: "mnb-line" }, order, only, filter);
  const hints = hint();
  const columns = make("div", { class: "mnb-review-columns" }, make("div", { class: "mnb-side" }, search, list.node), walk, beside);
  const root = make("article", { class: "mnb-run mnb-people mnb-review", "aria-label": "Review" }, head.node, told.node, tools, hints, columns);

  /** Read rows; where others are asked for than before, what was decided meanwhile leaves those that wait. */
  async function fetchRows({ start, count: many, ...query }) {
    seen = query;
    const asked = JSON.stringify(where());
    const anew = listed !== null && asked !== listed;
    listed = asked;
    return ask("rows", { ...where(), start, count: many, anew });
  }

  function counted({ total, waiting }) {
    return seen.only === "open" ? `${number(waiting)} of ${number(total)} waiting` : null;
  }

  function applyFilter() {
    if (filter.value.trim() === applied) return;
    applied = filter.value.trim();
    askList({});
  }

  /** Ask for the list anew, and begin at what is then first, unless the answer that is shown is still in it. */
  function askList(changes) {
    return go({ waiting: only.value === "open" }, list.ask(changes));
  }

  function keyed(words, key, click) {
    const node = button("", click);
    node.setAttribute("aria-keyshortcuts", key);
    node.append(words, make("kbd", { "aria-hidden": "true" }, key));
    return node;
  }

  function deciding(verdict, words) {
    const label = make("span", {}, words);
    const node = keyed(label, verdict[0], () => decideOn(verdict));
    node.classList.toggle("mnb-primary", verdict === "approve");
    return { node, draw: (cost) => write(label, cost ? `${words} · ${cost}` : words), verdict };
  }

  /** Show an answer: of an id, or that which comes before or after the one that is shown. One goes after the other. */
  function go(wanted, after = null) {
    if (pending > 3 && after === null) return steps;
    pending += 1;
    tellBusy();
    steps = steps.then(() => after).then(() => goNow(wanted)).catch((error) => told.say(error.message, true)).finally(() => {
      pending -= 1;
      tellBusy();
    });
    return steps;
  }

  function tellBusy() {
    put(root, "aria-busy", busy || pending > 0 ? "true" : null);
  }

  async function goNow(wanted) {
    const from = wanted.step && current ? { unit_id: current.unit_id } : {};
    const found = await ask("show", { ...where(), ...from, ...wanted, known: current?.unit_id });
    if (found !== null) drawAnswer(found);
    else if (wanted.waiting) await goNow(current === null ? {} : { unit_id: current.unit_id }); // nothing waits any more
    else if (wanted.step) told.say(wanted.step > 0 ? "This is the last one of the list." : "This is the first one of the list.");
    else drawNothing();
  }

  /** See how what is shown is by now; it holds up no key. */
  async function lookAgain(id) {
    const found = await ask("show", { ...where(), unit_id: id, known: id });
    if (found !== null && current?.unit_id === id && pending === 0) drawAnswer(found);
  }

  function drawAnswer(found) {
    current = found;
    who.replaceChildren(foreign(found.worker_name), " ", make("span", { class: "mnb-state", "data-status": found.status }, VERDICT_LABELS[found.status] ?? found.status));
    const nth = found.place < 0 ? "" : `Answer ${found.place + 1} of ${number(found.total)}, `;
    write(place, `${nth}to item ${found.item}, ${duration(found.seconds)} of work`);
    for (const one of verdicts) one.draw(one.verdict === "reject" || found.status !== "completed" ? "" : found.pays);
    view.draw(found);
    drawBeside(beside, found);
    list.mark(found.unit_id);
    drawColumns();
  }

  function drawNothing() {
    current = null;
    view.clear();
    beside.replaceChildren();
    drawColumns();
  }

  function drawColumns() {
    show(walk, current !== null);
    show(beside, current !== null);
    for (const one of [bar, hints]) show(one, state?.closed !== true);
    if (state?.closed) told.hide();
  }

  /** Do one thing, and no other until it is done; what fails is told. */
  function occupied(work) {
    busy = true;
    tellBusy();
    acting = work().catch((error) => told.say(error.message, true)).finally(() => {
      busy = false;
      tellBusy();
    });
    return acting;
  }

  /** Wait until nothing is on its way: what somebody asks for is about what they then see, and is never dropped. */
  async function quiet() {
    while (busy || pending > 0) await (busy ? acting : steps);
  }

  async function decide(args) {
    const { said, done } = await ask("act", { action: "decide", args });
    told.say(said, done === 0);
    return done > 0;
  }

  /** Go on to the next that waits, or look again at what could not be decided. */
  const goOn = (done) => go(done ? { step: 1, waiting: true } : { unit_id: current?.unit_id });

  async function decideOn(verdict) {
    if (busy || pending > 0 || current === null || state.closed) return;
    const { unit_id, status } = current;
    // What is decided already is not decided otherwise by one key: the sum is said first.
    if (status !== "completed" && status !== BECOMES[verdict]) return more({ verdict });
    await occupied(async () => goOn(await decide({ verdict, unit_id, seen: status })));
  }

  /** Open the window of a decision. Whoever asks for it types on, and until it is there no letter does anything. */
  function more(begin) {
    awaited = true;
    asked = asked.then(() => askMore(begin)).catch((error) => told.say(error.message, true));
    return asked;
  }

  async function askMore(begin) {
    await quiet();
    awaited = false;
    if (current === null || state.closed) return;
    const done = await askDecision(root, kernel, current, state.names, begin);
    walk.focus({ preventScroll: true });
    if (done) await goOn(true);
  }

  async function undo() {
    if (busy || pending > 0 || state.closed) return;
    await occupied(async () => {
      const { said, unit_ids: ids } = await ask("undo");
      told.say(said);
      if (ids.length > 0) await go({ unit_id: ids[0] });
    });
  }

  const keys = {
    a: () => decideOn("approve"), s: () => decideOn("soft_reject"), r: () => decideOn("reject"),
    A: () => more({ verdict: "approve", which: "worker" }), S: () => more({ verdict: "soft_reject", which: "worker" }), R: () => more({ verdict: "reject", which: "worker" }),
    b: () => more({ focus: "bonus" }), n: () => more({ verdict: "" }), d: () => more({ verdict: "reject" }), x: () => more({ verdict: "reject", block: true }),
    j: () => go({ step: 1 }), k: () => go({ step: -1 }), w: () => go({ step: 1, waiting: true }), u: undo,
    "/": () => search.focus(), "?": () => showKeys(root),
  };
  const ofAnswer = {
    ArrowDown: keys.j, ArrowRight: keys.j, ArrowUp: keys.k, ArrowLeft: keys.k,
    " ": (event) => view.scroll(event.shiftKey ? -0.8 : 0.8),
  };
  root.addEventListener("keydown", (event) => {
    const { target, key } = event;
    if (awaited || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || target.closest("dialog, input, select, textarea")) return;
    const does = keys[key] ?? (target === walk ? ofAnswer[key] : undefined);
    if (does === undefined) return;
    event.preventDefault();
    if (!event.repeat || key in ofAnswer || key === "j" || key === "k") does(event);
  });
  const letGo = holdFocus(root, walk, view.isFrame);

  function summary({ counts, tasks }) {
    const said = Object.entries(VERDICT_LABELS).filter(([status]) => counts[status]).map(([status, words]) => `${number(counts[status])} ${words}`);
    return `${tasks.map(plain).join(", ")}: ${said.join(", ") || "no answers yet"}`;
  }

  async function takeIn(next, isNew) {
    if (!isNew) return;
    list.changed();
    if (next.counts === null) return;
    const total = Object.values(next.counts).reduce((sum, one) => sum + one, 0);
    if (current === null && total > 0) await go({ waiting: true });
    else if (current !== null && !busy && pending === 0) await lookAgain(current.unit_id);
  }

  only.value = "open";
  drawColumns();
  let isFirst = true;
  link.follow(REVIEW, (next) => {
    state = next;
    if (isFirst) {
      order.value = next.order;
      list.ask({ only: only.value }).catch(() => {});
      isFirst = false;
    }
    head.draw(next, next.counts === null ? "" : summary(next));
    const key = `${next.rev} ${JSON.stringify(next.counts)}`;
    takeIn(next, key !== rev).catch((error) => told.say(error.message, true));
    rev = key;
    drawColumns();
  }, (why) => told.say(why, true));
  const stop = keepLooking(root, link, kernel);

  return {
    node: root,
    setAway: (isAway) => head.setAway(isAway, link.lastHeard),
    close() {
      stop();
      letGo();
      list.close();
    },
  };
}
