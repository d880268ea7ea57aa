/* The worker's page, of any kind of task: asks for a unit, shows it, and says at each step how things stand. */

import { getRouterStatus, getTaskConfig, getText, requestAgent } from "./api.js";
import { pruneDrafts } from "./draft.js";
import * as identity from "./identity.js";
import { Live } from "./live.js";
import { askName } from "./name.js";
import { Patience, persist } from "./patience.js";
import { put, show, wire } from "./screens.js";
import { handIn } from "./sending.js";
import { Task } from "./task.js";
import { knowFiles } from "./template.js";
import { report, reportAs, watchErrors } from "./trouble.js";

const PATIENCE = 2000;
const LEFT = new Set(["expired", "returned", "timeout", "disconnect", "partner disconnect"]);
const DONE = new Set(["completed", "approved", "rejected", "soft_rejected"]);
const WORTH_RETRYING = new Set([
  "no_available_units", "too_many_concurrent", "screening_full", "gold_full", "being_judged", "not_judged", "trouble",
]);
const ONBOARDING = "onboarding_";

const dialog = document.getElementById("return-dialog");
let kind = null;
let task = null;
let live = null;

/* Serve a kind of task: `open(agentId, details, on, config)` shows a unit, where `on` has `sent(answer)` and `refused(error)`;
`preview(config)` what visitors see. What `open` gives has `isSending`, `describe()`, `giveBack()` and `close()`, and, if
it likes, `heard(status)`, which tells that a status is no end, `connect(live)`, `update(data)` and `confirmed()`. */
export function serve(kindOfTask, actions = {}) {
  kind = kindOfTask;
  watchErrors();
  wire({
    restart: () => location.reload(),
    reload: () => location.reload(),
    next: () => identity.renew() && location.reload(),
    copy: copyAnswer,
    stay: () => dialog.close(),
    "ask-return": askReturn,
    return: giveBack,
    ...actions,
  });
  pruneDrafts();
  start().catch(fail);
}

async function start() {
  show("loading");
  const config = await persist(getTaskConfig, waitForNetwork);
  identity.tellRun(config.run_id ?? "");
  knowFiles(config.file_names);
  showTitle(config.task_title);
  if (identity.isPreview()) return visit(config);
  const ended = identity.howItEnded();
  if (ended) return end(ended);
  const details = await register();
  if (details) await work(details, config);
}

/* Whoever comes without a name has a look; or is asked for it, where the crowd takes a name for granted. */
async function visit(config) {
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
    if (details?.failure_code !== "paused") return details;
    show("waiting", { words: "paused" });
    await patience.rest();
  }
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

function waitForNetwork() {
  show("waiting", { words: "offline" });
}

async function sayWhoIsAwaited() {
  const status = await getRouterStatus().catch(() => null);
  const screen = document.body.dataset.screen;
  if (screen === "loading" || screen === "waiting") show("waiting", { words: status?.operator ?? "here" });
}

function refuse(code, reason) {
  show("refused", {
    words: code || "other",
    also: WORTH_RETRYING.has(code) ? ["retry"] : [],
    fill: { reason: reason || "Please ask whoever sent you here." },
  });
}

async function work(details, config) {
  const { agent_id: agentId, status, failure_code: code, failure_reason: reason } = details;
  if (agentId === null || agentId === undefined) return refuse(code, reason);
  if (DONE.has(status)) return end("sent");
  if (LEFT.has(status) && !kind.goesOn?.(status)) return end(status);
  reportAs(agentId);
  if (agentId.startsWith(ONBOARDING)) return introduce(agentId, details);
  const on = { sent, refused: (error) => end("other", error.message), trouble: waitForNetwork };
  task = await kind.open(agentId, details, on, config);
  live = new Live(agentId, heard, task.update ? (data) => task?.update(data) : null, () => task?.confirmed?.());
  task.connect?.(live);
}

/* The introduction that newcomers go through; what they are to do next comes as the answer to it. */
async function introduce(agentId, { init_task_data: data, deadline_in_seconds: seconds }) {
  const html = await persist(() => getText("onboarding.html"), waitForNetwork);
  task = new Task(agentId, goOn, (error) => end("other", error.message), handIn);
  await task.open(html, data, seconds);
  live = new Live(agentId, (status) => LEFT.has(status) && heard(status));
}

function goOn(_answer, details) {
  if (details.agent_id || details.failure_code === "paused") return location.reload(); // it is found by who asks
  task?.close();
  live?.close();
  task = live = null;
  refuse(details.failure_code, details.failure_reason);
}

function heard(status) {
  if (task === null || task.isSending) return; // what is on its way decides for itself
  if (task.heard?.(status)) return;
  if (LEFT.has(status)) end(status);
  else if (DONE.has(status)) end("sent");
}

function sent(answer) {
  end("sent");
  identity.tellProvider(answer);
}

/* Leave the task for good: it was sent, or is no longer this worker's. */
function end(how, reason = "") {
  const answer = how === "sent" || how === "returned" ? "" : (task?.describe() ?? "");
  task?.close();
  live?.close();
  task = live = null;
  if (dialog.open) dialog.close();
  identity.markEnded(how);
  if (how === "sent") show("sent");
  else show("closed", { words: how, also: answer ? ["answer"] : [], fill: { reason, answer } });
  for (const button of document.querySelectorAll('[data-do="next"]')) button.hidden = !identity.canRenew();
}

function askReturn() {
  put(dialog, {});
  dialog.showModal();
}

async function giveBack(button) {
  if (task === null) return;
  button.disabled = true;
  try {
    await task.giveBack();
    end("returned");
  } catch (error) {
    const unreachable = "That did not get through. Please check your connection, and try again.";
    put(dialog, { reason: error.mayPass ? unreachable : error.message || unreachable });
  } finally {
    button.disabled = false;
  }
}

async function copyAnswer(button) {
  const kept = document.getElementById("kept-answer");
  kept.select();
  await navigator.clipboard?.writeText(kept.value).catch(() => {}); // it is selected: Ctrl+C does the rest
  button.textContent = "Copied";
}

function fail(error) {
  report(error, "page");
  task?.close();
  show("broken", { fill: { reason: error?.message ?? "" } });
}
