/** The dashboard of one run. */

import { notice, showSubmission } from "./dialogs.js";
import { make, put, show, write } from "./dom.js";
import { figures } from "./figures.js";
import { attention, head, next, progress } from "./overview.js";
import { newest, people } from "./people.js";
import { sharing, steering } from "./steering.js";
import { clock, plain } from "./words.js";

/** Make the dashboard of the run `runId`, which follows it until `close()`. */
export function runDashboard(link, runId) {
  const root = make("article", { class: "mnb-run" });
  const news = notice();
  const controls = steering(link, runId, root, news.say);
  const top = head();
  top.tools.append(...controls.nodes);
  const away = make("p", { class: "mnb-away", role: "status" });
  const absence = make("p", { class: "mnb-note mnb-absence" });
  const waiting = make("p", { class: "mnb-empty" }, "Waiting for the kernel…");
  const open = (agent) => showSubmission(root, () => link.ask({ type: "submission", topic: runId, agent_id: agent }));
  const sections = [top, attention(controls.steer), next(), progress(), figures(), people(), newest(open), sharing()];
  const [, alerts, after, bar, tiles, crowd, answers, share] = sections.map((section) => section.node);
  const foot = make("footer", { class: "mnb-foot" }, share, absence);
  const body = make("div", { class: "mnb-body" }, top.node, away, news.node, alerts, after, bar, tiles, make("div", { class: "mnb-panels" }, crowd, answers), foot);
  root.append(waiting, body);
  show(body, false);
  show(away, false);
  let last = null;
  let ahead = 0;

  function draw(state, changed) {
    last = state;
    ahead = state.run.now - Date.now() / 1000;
    put(root, "aria-label", `Run ${plain(state.run.name)}`);
    for (const section of [...sections, controls]) {
      if (section.reads.some((name) => changed.has(name))) section.draw(state, changed);
    }
    write(absence, plain(state.run.absence ?? ""));
    if (body.hidden) {
      show(waiting, false);
      show(body, true);
    }
    tick();
  }

  function tick() {
    if (last === null || link.away) return;
    const now = Date.now() / 1000 + ahead;
    for (const section of sections) section.tick?.(last, now);
  }

  function setAway(isAway) {
    show(away, isAway);
    put(root, "data-away", isAway);
    if (isAway) write(away, `The kernel does not answer. What you see is how it was at ${clock(link.lastHeard)}.`);
    controls.draw(last);
    tick();
  }

  link.follow(runId, draw, (why) => write(waiting, plain(why)));
  const timer = setInterval(() => link.looks && tick(), 1000);
  return {
    node: root,
    setAway,
    close() {
      clearInterval(timer);
      link.unfollow(runId);
    },
  };
}
