/* Runs before a page that is somebody else's script: leads what it asks for to where the task is, says what becomes of an
answer that cannot be sent, that the task is closed or cannot be reached, and brings the next unit.

A classic script, in a scope of its own: bundles find no names here but those of wrap_crowd_source.js. */

"use strict";

(() => {
  document.getElementById("unready")?.remove();
  if (!/^http/.test(location.protocol)) return; // a preview in a notebook, which has no router

  const SECONDS = 1000;
  const PATIENCE = 600 * SECONDS;
  const READ_FOR = 600;
  const LEAVES_AFTER = 10 * SECONDS;
  const KNOWN_FOR = 4 * SECONDS;
  const MOST_SHOWN = 20_000;
  const home = new URL("./", document.baseURI);
  const ROUTES = new Set([
    "request_agent", "submit_onboarding", "submit_task", "submit_metadata", "return_unit", "log_error", "task_config.json",
    "is_alive", "get_timestamp", "status", "download_file",
  ]);
  const ANSWERS = new Set(["submit_task", "submit_onboarding"]);
  const { fetch, XMLHttpRequest, WebSocket } = window;
  let config = {};
  let failingSince = null;
  let isTouched = false;
  let lastTold = null; // what the router has told, or will, of the last answer

  /* -- Where the task is: npm's packages ask at the root of the host, and a proxy may show a task in a folder --------- */

  function lead(address) {
    const url = new URL(address instanceof Request ? address.url : address, document.baseURI);
    const isOurs = url.host === location.host && !(home.pathname !== "/" && url.pathname.startsWith(home.pathname));
    const isRoute = url.protocol.startsWith("ws") ? ["/", "/socket"].includes(url.pathname) : ROUTES.has(url.pathname.split("/")[1]);
    if (home.pathname === "/" || !isOurs || !isRoute) return address;
    url.pathname = home.pathname + url.pathname.slice(1);
    return address instanceof Request ? new Request(url, address) : url.href;
  }

  const routeOf = (address) => new URL(address instanceof Request ? address.url : address, document.baseURI).pathname.split("/").pop();

  window.fetch = async (address, options = {}) => {
    const route = routeOf(address);
    try {
      const response = await (route === "request_agent" ? askForWork : fetch)(lead(address), options);
      if (!ROUTES.has(route)) return response;
      const answered = told(response.clone());
      if (route === "submit_task") lastTold = answered;
      void answered.then((answer) => watch(route, response.status, answer, options.body));
      return response;
    } catch (error) {
      if (ROUTES.has(route)) void watch(route, 0, null, options.body);
      throw error;
    }
  };

  /* Ask for work; again while the crowd cannot be asked who comes, and while all of a visit's work is with others. */
  async function askForWork(address, options) {
    let ifOver = null;
    for (let rest = SECONDS; ; rest = Math.min(2 * rest, 30 * SECONDS)) {
      const response = await fetch(address, options);
      const answer = await told(response.clone());
      const details = answer?.data;
      const isOver = [answer?.error?.code, details?.failure_code].includes("run_over");
      if (isOver && ifOver) showExit(endBy(ifOver));
      else if (isOver && details?.exit) showExit({ visit_ended: { outcome: "too_late" }, exit: details.exit, failure_reason: TOO_LATE });
      ifOver = details?.exit_if_over;
      if (details?.visit_ended) showExit(details);
      const isToCome = details?.may_pass && (details.failure_code === "not_vouched" || config.visit);
      if (!isToCome || typeof options?.body !== "string") return response;
      await new Promise((resolve) => setTimeout(resolve, rest));
    }
  }

  const told = async (response) => (/json/.test(response.headers.get("Content-Type")) ? response.json().catch(() => null) : null);

  const { open, send } = XMLHttpRequest.prototype;
  const asked = new WeakMap();

  XMLHttpRequest.prototype.open = function (method, address, ...rest) {
    asked.set(this, routeOf(address));
    return open.call(this, method, lead(address), ...rest);
  };

  XMLHttpRequest.prototype.send = function (body) {
    const route = asked.get(this);
    if (ROUTES.has(route)) {
      this.addEventListener("loadend", () => {
        if (route === "submit_task") lastTold = parsed(this);
        void watch(route, this.status, parsed(this), body, true);
      });
    }
    return send.call(this, body);
  };

  function parsed(request) {
    try {
      return request.responseType === "json" ? request.response : JSON.parse(request.responseText);
    } catch {
      return null;
    }
  }

  window.WebSocket = new Proxy(WebSocket, {
    construct(target, [address, ...rest]) {
      const socket = new target(lead(address), ...rest);
      socket.addEventListener("message", ({ data }) => hear(data));
      return socket;
    },
  });

  function hear(text) {
    try {
      const closedAt = JSON.parse(text).data?.closed_at;
      if (closedAt) sayClosed(closedAt);
    } catch {
      // It is not for us.
    }
  }

  /* -- What becomes of an answer ---------------------------------------------------------------------------------- */

  /* `isLast` tells that who asked does not ask again by themselves. */
  async function watch(route, status, answer, body, isLast = false) {
    const isRefused = status >= 400 && status < 500 && ![408, 429].includes(status) && answer?.error;
    if (isRefused || (status >= 200 && status < 300)) failingSince = null;
    else failingSince ??= Date.now();
    const isLost = failingSince !== null && (isLast || Date.now() - failingSince >= PATIENCE);
    if (!ANSWERS.has(route)) return isLost && !isLast && say("This task cannot be reached", AWAY);
    if (isRefused) {
      const closedAt = (await getConfig())?.closed_at;
      const title = answer.error.code === "already_sent" ? "An answer was sent already" : "This answer could not be sent";
      say(closedAt ? "This task is closed" : title, [answer.error.message, since(closedAt)].filter(Boolean).join(" "), read(body));
    } else if (isLost) say("This answer is not sent yet", isLast ? "It did not get through. Please try again." : AWAY, read(body));
    else if (failingSince === null) hide();
  }

  const AWAY =
    "Nobody has answered for a while: your connection may be interrupted, or the task be closed. This page goes on trying.";

  /* What a request holds of an answer: { text, data }. */
  function read(body) {
    try {
      const sent = body instanceof FormData ? JSON.parse(body.get("final_string_data") ?? body.get("final_data")) : JSON.parse(body);
      const data = body instanceof FormData ? sent : sent.final_data ?? sent.provider_data?.onboarding_data ?? {};
      const line = ([name, value]) => `${name}: ${typeof value === "object" ? JSON.stringify(value) : value}`;
      return { text: Object.entries(data).map(line).join("\n"), data };
    } catch {
      return null;
    }
  }

  function since(closedAt) {
    if (!closedAt) return "";
    const when = new Date(closedAt * SECONDS).toLocaleString("en-GB", { dateStyle: "full", timeStyle: "short" });
    return `It has been closed since ${when}.`;
  }

  const sayClosed = (closedAt) => !["answer", "exit"].includes(card?.isAbout) && say("This task is closed", since(closedAt));

  /* -- What comes next -------------------------------------------------------------------------------------------- */

  const finish = window.handleSubmitToProvider;

  window.handleSubmitToProvider = async (answer) => {
    if (config.visit) return followVisit();
    const way = typeof window.renewRegistration === "function" ? config.next_unit : undefined;
    if (way !== "comes" && way !== "asked") return finish(answer);
    say("Thank you", "Your work was sent. Looking whether there is more for you…");
    const read = new Promise((resolve) => setTimeout(resolve, READ_FOR));
    if (way === "comes") window.renewRegistration();
    const next = await ask(way === "comes" ? {} : { only_looks: true }).catch(() => null);
    await read;
    const hasMore = Boolean(next?.agent_id || next?.has_more);
    hide();
    window._MEPHISTO_CONFIG_.set("SHOWS_OWN_THANKS", hasMore);
    finish(answer);
    if (!hasMore) return;
    if (way === "comes") return goOn(next.agent_id);
    say("Thank you", "Your work was sent. You can close this page, or go on with another task.", null, {
      "Next task": () => window.renewRegistration() && location.reload(),
    });
  };

  /* Within a visit, what follows is told by who is asked for it: the next unit, or the way back. */
  async function followVisit() {
    const exit = (await lastTold)?.exit;
    const asked = ask({}).catch(() => null); // where it is over, asking has shown the way back
    const known = exit ? endBy(exit) : null;
    const next = await (known ? Promise.race([asked, new Promise((resolve) => setTimeout(resolve, KNOWN_FOR, known))]) : asked);
    if (next !== null && next === known) return showExit(known);
    if (next?.agent_id) {
      isTouched = true;
      location.reload();
    } else if (!next?.visit_ended) say("Thank you", "Your work was sent. You can close this page now.");
  }

  const ENDS = {
    completed: "Thank you. You are done.",
    screened_out: "This task is for other people",
    quota_full: "There is nothing left to do",
    too_late: "This task is closed",
    failed_checks: "Thank you for your work",
    no_consent: "You are not taking part",
    timed_out: "The time is over",
    returned: "You have stopped",
  };
  const SAID = {
    completed: "All your answers have arrived.",
    quota_full: "Others have done all that was left while you waited. Thank you for coming.",
  };
  const TOO_LATE =
    "No more work is given out. If you have sent answers here before, they have arrived. If you have sent nothing, this is for you:";
  const endBy = (exit) => {
    const pay = exit.outcome === "completed" ? config.visit?.when_done : "";
    return { visit_ended: { outcome: exit.outcome }, exit, failure_reason: [SAID[exit.outcome], pay].filter(Boolean).join(" ") };
  };
  let leaving = 0;

  /* Say how a visit has ended, with the way back to the crowd. */
  function showExit({ visit_ended: ended, exit, failure_reason: reason }) {
    const title = ENDS[ended.outcome] ?? "Your visit is over";
    const url = /^https?:/i.test(exit?.url ?? "") ? exit.url : null;
    const text = exit?.text ?? "";
    const words = [text === reason ? "" : reason, text].filter(Boolean).join(" ");
    clearTimeout(leaving);
    const acts = url ? { [`Back to ${new URL(url).hostname}`]: () => location.assign(url) } : {};
    if (url && exit.automatic) acts["Stay on this page"] = () => clearTimeout(leaving);
    say(title, words, null, acts);
    card.isAbout = "exit";
    if (exit?.code) card.append(codeOf(exit.code));
    if (url && exit.automatic) leaving = setTimeout(() => location.assign(url), LEAVES_AFTER);
  }

  function codeOf(code) {
    const label = made("label", { textContent: "Your code " });
    const field = made("input", { value: code, readOnly: true });
    label.append(field, " ", button("Copy the code", () => {
      field.select();
      void navigator.clipboard?.writeText(code).catch(() => {});
    }));
    return label;
  }

  function goOn(agentId) {
    try {
      window.sessionStorage.setItem("mephisto:came", agentId);
      window.sessionStorage.setItem("mephisto:thank", "yes");
    } catch {
      // Then it is held until its time is over.
    }
    isTouched = true;
    location.reload();
  }

  async function ask(more) {
    const body = JSON.stringify({ provider_data: { ...window.getAgentRegistration(), ...more }, client_timestamp: Date.now() / SECONDS });
    const headers = { "Content-Type": "application/json" };
    return (await (await askForWork(new URL("request_agent", home), { method: "POST", headers, body })).json()).data;
  }

  for (const kind of ["pointerdown", "keydown", "input"]) {
    window.addEventListener(kind, () => (isTouched = true), { capture: true, once: true, passive: true });
  }

  /* Who goes away from a unit that came by itself, and has not begun with it, gives it back. */
  window.addEventListener("pagehide", ({ persisted }) => {
    if (persisted || isTouched) return;
    try {
      const agentId = window.sessionStorage.getItem("mephisto:came");
      const body = JSON.stringify({ USED_AGENT_ID: agentId, client_timestamp: Date.now() / SECONDS });
      if (agentId) navigator.sendBeacon(new URL("return_unit", home), new Blob([body], { type: "application/json" }));
    } catch {
      // It is held until its time is over.
    }
  });

  /* -- A card over the page --------------------------------------------------------------------------------------- */

  let card = null;

  function hide() {
    card?.remove();
    card = null;
  }

  function say(title, words, kept = null, actions = {}) {
    hide();
    card = made("section", { ariaLive: "polite", isAbout: kept?.text ? "answer" : "" });
    Object.assign(card.style, {
      position: "fixed", insetInline: "1rem", insetBlockEnd: "1rem", zIndex: "2147483647", maxInlineSize: "34rem", padding: "1rem 1.25rem",
      maxBlockSize: "80vh", overflow: "auto",
      marginInline: "auto", background: "#fff", color: "#22242a", border: "1px solid #85888f", borderRadius: "12px", font: "1rem/1.5 system-ui",
      boxShadow: "0 8px 24px rgb(20 22 30 / 20%)",
    });
    card.append(made("h2", { textContent: title }), made("p", { textContent: words, dir: "auto" }));
    if (kept?.text) {
      const area = made("textarea", { value: shortened(kept.text), readOnly: true, rows: 6, dir: "auto" });
      area.setAttribute("aria-label", "What you had written, in case you want to keep it");
      area.style.inlineSize = "100%";
      card.append(area);
      actions = { ...actions, ...waysToKeep(kept, area) };
    }
    for (const [name, act] of Object.entries(actions)) card.append(button(name, act), " ");
    document.body.append(card);
  }

  /* Nobody reads a million letters in a small field, and browsers take long to lay them out; what is saved is whole. */
  const shortened = (text) => (text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}…` : text);

  const waysToKeep = ({ text, data }, area) => ({
    Copy: () => {
      area.select();
      void navigator.clipboard?.writeText(text).catch(() => {});
    },
    "Save as text": () => save(`${text}\n`, "text/plain", "txt"),
    "Save as JSON": () => save(`${JSON.stringify(data, null, 2)}\n`, "application/json", "json"),
    Close: hide,
  });

  function button(name, act) {
    const found = made("button", { type: "button", textContent: name });
    Object.assign(found.style, { minBlockSize: "44px", padding: "0 1rem", font: "inherit" });
    found.addEventListener("click", act);
    return found;
  }

  function save(content, type, ending) {
    const link = made("a", { href: URL.createObjectURL(new Blob([content], { type })), download: `answer.${ending}` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60 * SECONDS);
  }

  const made = (tag, properties) => Object.assign(document.createElement(tag), properties);

  /* The page was loaded again for the next unit, before anybody could read that the last one has arrived. */
  function thankOnce() {
    try {
      if (window.sessionStorage.getItem("mephisto:thank") === null) return;
      window.sessionStorage.removeItem("mephisto:thank");
    } catch {
      return;
    }
    say("Thank you", "Your work was sent. Here is the next task.");
    const thanks = card;
    const end = () => card === thanks && hide();
    setTimeout(end, 10 * SECONDS);
    window.addEventListener("input", end, { once: true });
    window.addEventListener("pointerdown", end, { once: true });
  }

  /* -- The beginning ---------------------------------------------------------------------------------------------- */

  const getConfig = () => fetch(new URL("task_config.json", home), { cache: "no-store" }).then(told).catch(() => null);

  if (document.body) thankOnce();
  void getConfig().then((found) => {
    config = found ?? {};
    if (config.closed_at) sayClosed(config.closed_at);
  });
})();
