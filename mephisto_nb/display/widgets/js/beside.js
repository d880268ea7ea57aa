/** What helps to decide on an answer: how others answered, what is known of its worker, what was decided before. */

import { make } from "./dom.js";
import { foreign } from "./grid.js";
import { count, duration, moment, number, UNKNOWN } from "./words.js";

/** What each status of an answer is called. */
export const VERDICT_LABELS = { completed: "waiting", accepted: "approved", soft_rejected: "soft-rejected", rejected: "rejected" };

const share = (value) => (value === null || value === undefined ? UNKNOWN : `${Math.round(100 * value)} %`);

function facts(rows) {
  return make("dl", { class: "mnb-facts" }, ...rows.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))));
}

function pace(ratio) {
  if (ratio === null || ratio === undefined) return UNKNOWN;
  return ratio < 0.1 ? "less than a tenth of the median" : `${number(ratio)} × the median`;
}

function recordOf({ record }) {
  const decided = record.decided > 0 ? ` of ${count(record.decided, "decision")}` : "";
  const rows = [
    ["Answers", `${number(record.answers)}, ${number(record.waiting)} waiting`],
    ["Approved", `${share(record.approval_rate)}${decided}`],
    ["Usual time", `${duration(record.median_seconds)}, ${pace(record.time_ratio)}`],
    ["Agrees", share(record.agreement)],
    ["Gold right", share(record.gold_accuracy)],
  ];
  const notes = (record.notes ?? []).map((text) => make("li", {}, foreign(text)));
  const parts = [make("h4", {}, foreign(record.worker_name)), facts(rows)];
  if (notes.length > 0) parts.push(make("h5", {}, "Earlier notes"), make("ul", { class: "mnb-lines" }, ...notes));
  return make("section", { "aria-label": "The worker's record" }, ...parts);
}

const SAME = { true: ["=", "the same as"], false: ["≠", "other than"] };

function saying({ name, value, same }) {
  const [mark, words] = SAME[same] ?? ["", ""];
  const sign = make("span", { class: same === false ? "mnb-warn" : "mnb-soft" }, make("span", { "aria-hidden": "true" }, mark), make("span", { class: "mnb-unseen" }, words));
  return make("div", {}, make("dt", {}, foreign(name)), make("dd", {}, sign, " ", foreign(value)));
}

function othersOf({ others }) {
  if (others.length === 0) return make("section", {}, make("h4", {}, "Others"), make("p", { class: "mnb-note" }, "Nobody else has answered the same yet."));
  const lines = others.map((one) => make("li", {}, make("p", { class: "mnb-note" }, foreign(one.worker_name), ` · ${VERDICT_LABELS[one.status] ?? one.status}`), make("dl", { class: "mnb-facts" }, ...one.answers.slice(0, 12).map(saying))));
  return make("section", { "aria-label": "Others' answers to the same" }, make("h4", {}, "Others to the same"), make("ul", { class: "mnb-lines" }, ...lines));
}

function historyOf({ history }) {
  if (history.length === 0) return "";
  const words = (one) => (one.undoes === null ? (VERDICT_LABELS[one.after] ?? one.after) : "taken back");
  const lines = history.map((one) => make("li", {}, make("span", { class: "mnb-note" }, `${moment(one.at)} · `), words(one), " · ", foreign(one.who), ...(one.note ? [": ", foreign(one.note)] : []), ...(one.message ? [" – to the worker: ", foreign(one.message)] : [])));
  return make("section", {}, make("h4", {}, "Decided before"), make("ul", { class: "mnb-lines" }, ...lines));
}

function againstOf({ against: reasons }) {
  if (reasons.length === 0) return "";
  const lines = reasons.map((reason) => make("li", { class: "mnb-warn" }, reason));
  return make("section", { "aria-label": "What speaks against it" }, make("h4", {}, "Against it"), make("ul", { class: "mnb-lines mnb-reasons-against" }, ...lines));
}

/** Draw all of it into `node`. */
export function drawBeside(node, found) {
  node.replaceChildren(againstOf(found), othersOf(found), recordOf(found), historyOf(found));
}
