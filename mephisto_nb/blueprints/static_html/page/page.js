/* The worker's page, of any kind of task: asks for a unit, shows it, and says at each step how things stand. */

import { getRouterStatus, getTaskConfig, getText, requestAgent, returnInPassing, submitTask } from "./api.js";
import { isLost, onContact } from "./contact.js";
import { pruneDrafts, sendingIn, writtenIn } from "./draft.js";
import * as identity from "./identity.js";
import * as keeping from "./keeping.js";
import { Live } from "./live.js";
import { askName } from "./name.js";
import { Next } from "./next.js";
import { Patience, persist } from "./patience.js";
import { choose, fillIn, notify, put, show, wire } from "./screens.js";
import { handIn } from "./sending.js";
import { Task } from "./task.js";
import { knowFiles } from "./template.js";
import { report, reportAs, watchErrors } from "./trouble.js";
import { Visit, copyCode, keepEnd, keptEnd, onLeave, showExit, stayHere } from "./visit.js";

const PATIENCE = 2000;
/* How long somebody waits to hear what comes next who can go back without. */
const KNOWN_FOR = 4000;
const LEFT = new Set(["expired", "returned", "timeout", "disconnect", "partner disconnect"]);
const DONE = new Set(["completed", "approved", "rejected", "soft_rejected"]);
const WORTH_RETRYING = new Set([
  "no_available_units", "too_many_concurrent", "screening_full", "gold_full", "being_judged", "not_judged", "trouble",
]);
const ONBOARDING = "onboarding_";
const SAID_FOR = 10_000;
/* Screens on which somebody waits for the router. */
const WAITING = new Set(["loading", "waiting"]);

const dialog = document.getElementById("return-dialog");
const returnRow = document.getElementById("return-row");
let kind = null;
let task = null;
let live = null;
let next = null;
let visit = new Visit(null);
let config = {};
let closedAt = null;
let endIfOver = null; // how it ends for who waits, if the task is closed meanwhile
let hasSent = false; // somebody who has sent something is not one who comes too late
let hasGivenBack = false; // nobody waits for work who wants none
let hasLeft = false; // the way back is to be seen, whatever is heard from now on

/* Serve a kind of task: `open(agentId, details, on, config)` shows a unit, where `on` has `sent(answer)` and `refused(error)`;
`preview(config)` what visitors see. What `open` gives has `isSending`, `isUntouched`,
`hasUnsent`, `written()`, `giveBack()` and `close()`, and, if it likes, `heard(status)`, which tells that a status is no end, `connect(live)`, `update(data)` and `confirmed()`. A kind
whose `canFollow()` is true opens the next unit on the same page; within a visit, one whose `canGoOn()` is. */
export function serve(kindOfTask, actions = {}) {
  document.getElementById("unready")?.remove();
  kind = kindOfTask;
  watchErrors();
  wire({
    restart: () => location.reload(),
    reload: () => location.reload(),
    next: () => identity.renew() && location.reload(),
    copy: keeping.copy,
    "save-text": keeping.saveText,
    "save-json": keeping.saveJSON,
    stay: () => dialog.close(),
    "ask-return": askReturn,
    return: giveBack,
    "stay-here": stayHere,
    "copy-code": copyCode,
    ...actions,
  });
  onLeave(leaveBy);
  pruneDrafts();
  onContact(sayWhetherLost);
  window.addEventListener("pagehide", letGo);
  document.getElementById("task-form").addEventListener("input", () => notice !== null && tellNotice());
  start().catch(fail);
}

async function start() {
  show("loading");
  config = await persist(getTaskConfig, waitForNetwork);
  closedAt = config.closed_at ?? null;
  next = new Next(config.next_unit, closedAt);
  visit = new Visit(config.visit);
  identity.tellRun(config.run_id ?? "");
  knowFiles(config.file_names);
  showTitle(config.task_title);
  if (identity.isPreview()) return closedAt ? refuse("run_over") : showVisitors();
  const ended = visit.isThere ? null : identity.howItEnded();
  if (ended === "sent") return thankFor(identity.lastAgent());
  if (ended) return end(ended);
  const details = await registerOr(visit.isThere ? keptEnd() : null);
  if (details) await work(details);
}

/* Whoever comes without a name has a look; or is asked for it, where the crowd takes a name for granted. */
async function showVisitors() {
  const { name_parameter: parameter, has_preview: hasPreview } = config;
  if (!parameter || hasPreview) await kind.preview(config);
  if (parameter) askName(parameter, hasPreview);
}

function showTitle(text) {
  if (typeof text !== "string" || text === "") return;
  const title = document.getElementById("task-title");
  document.title = text;
  title.textContent = text;
  title.hidden = false;
}

/* Ask for a unit, again and again while the task is paused. Gives nothing if there is none for this worker. */
async function register() {
  const patience = new Patience();
  for (;;) {
    const details = await ask();
    const words = whatIsAwaited(details);
    if (words === null) return details;
    endIfOver = details.exit_if_over ? visit.endBy(details.exit_if_over) : null;
    task?.close();
    task = null;
    wait(words);
    await patience.rest();
  }
}

/* Ask for a unit; where nobody answers for a while, and the way back is known, gives that. */
function registerOr(end) {
  if (!end?.exit) return register();
  const known = { agent_id: null, ...end };
  return Promise.race([register(), new Promise((resolve) => setTimeout(resolve, KNOWN_FOR, known))]);
}

/* What somebody waits for who gets nothing yet, but will; null: they need not wait. */
function whatIsAwaited(details) {
  const { failure_code: code, may_pass: mayPass } = details ?? {};
  if (code === "paused") return "paused";
  if (code === "not_vouched") return "vouching";
  return visit.isThere && mayPass ? "none" : null;
}

/* Ask for a unit, for as long as it takes. */
async function ask() {
  const timer = setTimeout(sayWhoIsAwaited, PATIENCE);
  try {
    return await persist(() => requestAgent(identity.registration()), waitForNetwork);
  } catch (error) {
    refuse(error.code, error.message);
  } finally {
    clearTimeout(timer);
  }
}

function wait(words) {
  if (!hasLeft && !hasGivenBack) show("waiting", { words, also: words === "none" ? [] : ["kept"] });
}

function waitForNetwork() {
  wait("offline");
}

async function sayWhoIsAwaited() {
  const status = await getRouterStatus().catch(() => null);
  if (WAITING.has(document.body.dataset.screen)) wait(status?.operator ?? "here");
}

function refuse(code, reason, exit = null) {
  const isOver = code === "run_over";
  const late = exit && !hasSent ? visit.endTooLate(exit) : null;
  const kept = isOver && visit.isThere ? keptEnd() ?? endIfOver ?? late : null;
  if (kept) return showExit(kept);
  if (hasLeft) return;
  show("refused", {
    words: code || "other",
    also: WORTH_RETRYING.has(code) ? ["retry"] : [],
    fill: { reason: reason || (isOver ? "" : "Please ask whoever sent you here.") },
  });
  if (!isOver) return;
  void saySince("refused");
  offerAsItIs();
}

async function work(details) {
  const { agent_id: agentId, status, failure_code: code, failure_reason: reason } = details;
  if (visit.hasEnded(details)) return leaveFor(details);
  if (agentId === null || agentId === undefined) return refuse(code, reason, details.exit);
  if (DONE.has(status)) return thankFor(agentId);
  if (LEFT.has(status) && !kind.goesOn?.(status)) return end(status);
  identity.markAgent(agentId);
  identity.onSentElsewhere(() => task && !task.isSending && warn("answered"));
  reportAs(agentId);
  const place = visit.showPlace(details.visit);
  choose(returnRow, visit.done > 0 ? "stop" : "other");
  if (agentId.startsWith(ONBOARDING)) return introduce(agentId, details);
  const on = { sent, refused, trouble: waitForNetwork, ready: place ? `${place}. Your task is ready.` : undefined };
  task = await kind.open(agentId, details, on, config);
  task.agentId = agentId;
  live = new Live(agentId, heard, task.update ? (data) => task?.update(data) : null, () => task?.confirmed?.());
  live.onUnknown = lookWhoIsThere;
  task.connect?.(live);
  if (identity.hasCome(agentId) && task.isUntouched) tellNotice("next");
}

/* The introduction that newcomers go through; what they are to do next comes as the answer to it. */
async function introduce(agentId, { init_task_data: data, deadline_in_seconds: seconds }) {
  const html = await persist(() => getText("onboarding.html"), waitForNetwork);
  task = new Task(agentId, goOn, refused, handIn);
  await task.open(html, data, seconds);
  live = new Live(agentId, (status, at) => (LEFT.has(status) || at) && heard(status, at));
  live.onUnknown = lookWhoIsThere;
}

function goOn(_answer, details) {
  if (details.agent_id || details.failure_code === "paused") return location.reload(); // it is found by who asks
  leave();
  if (visit.hasEnded(details)) return leaveFor(details);
  refuse(details.failure_code, details.failure_reason, details.exit);
}

/* -- What is heard of the task while somebody works on it ------------------------------------------------------- */

function heard(status, at = null) {
  if (at) closedAt = at;
  if (task === null) {
    if (at) sayClosedNow();
    return;
  }
  if (task.isSending) return; // what is on its way decides for itself
  if (task.heard?.(status) && !at) return;
  const hasEnded = LEFT.has(status) || (DONE.has(status) && !at);
  if (visit.isThere && hasEnded && !kind.goesOn?.(status)) return askOn(true); // also once all is over: who asks goes back
  if (LEFT.has(status) && !kind.goesOn?.(status)) end(status);
  else if (DONE.has(status)) end(task.hasUnsent ? "answered" : "sent");
  else if (at) warn("over");
}

/* A run that is over is said to be, on whatever screen its end finds somebody. */
function sayClosedNow() {
  live?.close();
  if (document.body.dataset.screen === "closed") void showEnd("over");
}

/* Another run may have taken the place of this one, at the same address. */
async function lookWhoIsThere() {
  const now = await getTaskConfig().catch(() => null);
  if (now === null || now.run_id === config.run_id || task === null || task.isSending) return;
  end("over");
}

function refused(error) {
  if (visit.isThere) return askOn(true);
  if (error.code === "already_sent") return end("answered");
  end(error.code === "run_over" ? "over" : "other", error.code === "run_over" ? "" : error.message);
}

function sent(answer, told) {
  hasSent = true;
  if (visit.isThere) return goOnInVisit(told);
  end("sent");
  identity.tellProvider(answer);
}

/* Somebody comes back to a unit that was answered. What was written here since, or in another window, was not. */
async function thankFor(agentId) {
  const written = agentId ? writtenIn(agentId) : null;
  if (written === null || (await hasArrived(agentId, written))) return end("sent");
  end("answered", "", written);
}

/* Whether what was on its way when this page was left is the answer that was taken; it alone is told so. */
async function hasArrived(agentId, { data }) {
  const sending = sendingIn(agentId);
  if (!sending) return false;
  if (data.files) return true; // they are not at hand here; it was sent, and an answer is there
  return submitTask(agentId, sending.json, []).then(() => true, (error) => error.code !== "already_sent");
}

/* Leave the task for good: it was sent, or is no longer this worker's. */
function end(how, reason = "", written = lastWritten()) {
  const stays = live !== null && LEFT.has(how) && how !== "returned"; // to hear that the whole run is over
  leave(stays);
  if (dialog.open) dialog.close();
  tellNotice();
  if (how !== "over") identity.markEnded(how === "answered" ? "sent" : how);
  if (how === "sent") return thank();
  keeping.offer(how === "returned" ? null : written);
  void showEnd(how, reason);
}

function leave(keepsLive = false) {
  task?.close();
  if (!keepsLive) {
    live?.close();
    live = null;
  }
  task = null;
}

async function showEnd(how, reason = "") {
  const words = how === "expired" && closedAt ? "over" : how;
  show("closed", { words, fill: { reason } });
  const isOver = await saySince("closed");
  if (isOver && how === "expired") show("closed", { words: "over", fill: { reason, since: since() } });
  const hasMore = !isOver && how !== "over" && (await next.isThere());
  if (hasMore && !closedAt && document.body.dataset.screen === "closed") show("closed", { words, also: ["more"], fill: { reason } });
}

/* Thank for an answer that has arrived, and go on as the task says: with the next unit, or the question. */
function thank() {
  keeping.withdraw();
  void next.follow(take).catch(fail);
}

/* -- Within a visit --------------------------------------------------------------------------------------------- */

/* An answer of the visit has arrived: show the next unit, or the way back. Until then, the page stays as it is. */
function goOnInVisit(told) {
  const end = told?.exit ? visit.endBy(told.exit) : null;
  if (end) keepEnd(end); // in case nobody can be asked any more
  keeping.withdraw();
  tellNotice();
  askOn(false, end);
}

/* Ask what follows; what was written and could not be sent (`isLost`) is offered for keeping. `end` is how the visit ends,
if that is known. */
function askOn(isLost = false, end = null) {
  const written = isLost ? lastWritten() : null;
  const old = task;
  const isOpen = old !== null && !isLost;
  live?.close();
  live = null;
  if (isLost) leave();
  if (dialog.open) dialog.close();
  if (!isOpen) show("loading");
  keeping.offer(written);
  void followOn(old, end).catch(fail);
}

async function followOn(old, end) {
  const isHeld = task !== null; // its page is still to be seen
  const slow = setTimeout(() => isHeld && closeOld(old) && wait("here"), PATIENCE);
  const details = await registerOr(end).finally(() => clearTimeout(slow));
  closeOld(old);
  if (!details) return;
  const isNext = details.agent_id !== null && details.agent_id !== undefined;
  if (isNext && isHeld && !kind.canGoOn?.()) return location.reload();
  await work(details);
}

function closeOld(old) {
  if (task === old) task = null;
  old?.close();
  return true;
}

/* The visit is over: say how, and show the way back. */
function leaveFor(details) {
  hasLeft = true;
  leave();
  visit.hide();
  if (dialog.open) dialog.close();
  keepEnd(details);
  showExit(details);
  void offerAnother();
}

/* By links that serve again, another visit may begin. */
async function offerAnother() {
  if (!(await next.isThere()) || document.body.dataset.screen !== "exit") return;
  for (const place of document.querySelectorAll('section[data-screen="exit"] [data-when="more"]')) place.hidden = false;
}

/* Somebody leaves by a button of the task's own, such as one that says that they do not agree to take part. */
async function leaveBy(reason) {
  if (task === null || task.isSending) return;
  await giveBackFor(reason).catch(askReturn);
}

async function giveBackFor(reason = "") {
  await task.giveBack(reason);
  if (!visit.isThere) return end("returned");
  leave();
  visit.hide();
  show("loading");
  hasGivenBack = true;
  const slow = setTimeout(() => show("closed", { words: "returned", also: ["visit"] }), PATIENCE);
  const details = await register().finally(() => clearTimeout(slow));
  if (details) await work(details);
}

/* Show the unit that has come by itself. */
async function take(details) {
  identity.markCame(details.agent_id);
  if (!kind.canFollow?.()) return location.reload();
  await work(details);
}

/* Who goes away from a unit that came by itself, and has not begun with it, gives it back. */
function letGo(event) {
  if (visit.isThere || event.persisted || task === null || task.isSending || !task.agentId || !task.isUntouched) return;
  if (identity.hasCome(task.agentId)) returnInPassing(task.agentId);
}

/* -- Words above a screen --------------------------------------------------------------------------------------- */

let notice = null;
let timer = 0;

/* Say something that passes; nothing: what was said is over. */
function tellNotice(words = null) {
  if (words === null && ["answered", "over", "away"].includes(notice) && task !== null) return offerAsItIs();
  clearTimeout(timer);
  notice = words;
  notify(words, { since: since() });
  if (words === "next" || words === "back") timer = setTimeout(() => notice === words && tellNotice(), SAID_FOR);
}

/* Say that what is written here cannot be sent, or not now, and offer it for keeping; the page stays as it is. */
function warn(words) {
  tellNotice(words);
  offerAsItIs();
}

const offerAsItIs = () => keeping.offer(lastWritten());

/* What stands in the task, or was kept of it when the page was left. */
function lastWritten() {
  if (task !== null) return task.written();
  const agentId = next === null || identity.isPreview() ? null : identity.lastAgent();
  return agentId ? writtenIn(agentId) : null;
}

function sayWhetherLost(isAway) {
  const screen = document.body.dataset.screen;
  document.body.toggleAttribute("data-lost", isAway);
  if (isAway && (task !== null || WAITING.has(screen))) return warn("away");
  if (isAway || notice !== "away") return;
  keeping.withdraw();
  tellNotice("back");
}

function since() {
  if (!closedAt) return "";
  const when = new Date(closedAt * 1000).toLocaleString("en-GB", { dateStyle: "full", timeStyle: "short" });
  return `It has been closed since ${when}.`;
}

/* Say since when the run is over, if it is; tell whether. */
async function saySince(screen) {
  if (!closedAt && !isLost()) {
    const told = (await getRouterStatus().catch(() => null))?.closed_at;
    closedAt ??= told ?? null; // the end may have been heard meanwhile, and this answer be older
  }
  if (closedAt && document.body.dataset.screen === screen) fillIn(screen, "since", since());
  return closedAt !== null;
}

/* -- Giving back ------------------------------------------------------------------------------------------------ */

function askReturn() {
  const { words, fill } = visit.question();
  choose(dialog, words);
  put(dialog, fill);
  if (!dialog.open) dialog.showModal();
}

async function giveBack(button) {
  if (task === null) return;
  button.disabled = true;
  try {
    await giveBackFor();
    dialog.close();
  } catch (error) {
    const unreachable = "That did not get through. Please check your connection, and try again.";
    put(dialog, { ...visit.question().fill, reason: error.mayPass ? unreachable : error.message || unreachable });
  } finally {
    button.disabled = false;
  }
}

function fail(error) {
  report(error, "page");
  const written = task?.written?.() ?? null;
  task?.close();
  show("broken", { fill: { reason: error?.message ?? "" } });
  keeping.offer(written);
}
