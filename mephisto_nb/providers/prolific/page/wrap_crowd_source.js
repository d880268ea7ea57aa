/* Tells a task's page who the worker is, by the ids that Prolific has put into the address.

Comes behind `crowd_script.js`, before the page's own scripts. The ids, and what Prolific has signed them with, are taken out of the
address, so that nobody's id is seen on a shared screen, in a copy of what stands there, or in what the page reports; this
tab keeps them, so that a reload finds the same visit again. From another device people come by Prolific's own button. */

(() => {
  "use strict";

  const IDS = ["PROLIFIC_PID", "STUDY_ID", "SESSION_ID"];
  const NAMES = [...IDS, "prolific_token"];
  const LONGEST = 8000;
  const place = `mephisto:came-by-prolific:${new URL("./", document.baseURI).pathname}`;

  /* What Prolific has put into the address; null, where it has put nothing there. */
  function fromAddress() {
    const query = new URLSearchParams(window.location.search);
    const given = NAMES.filter((name) => query.has(name)).map((name) => [name, query.get(name).slice(0, LONGEST)]);
    return given.length > 0 ? Object.fromEntries(given) : null;
  }

  function kept() {
    try {
      return JSON.parse(window.sessionStorage.getItem(place));
    } catch {
      return null;
    }
  }

  /* Take the ids out of the address, where this tab can keep them; else they have to stay, or a reload would lose them. */
  function keep(found) {
    try {
      window.sessionStorage.setItem(place, JSON.stringify(found));
    } catch {
      return;
    }
    const url = new URL(window.location.href);
    for (const name of NAMES) url.searchParams.delete(name);
    window.history.replaceState(window.history.state, "", url);
  }

  const came = fromAddress();
  const isByHand = IDS.some((name) => came?.[name]?.includes("%}"));
  const isPreview = !isByHand && Boolean(came?.SESSION_ID) && !/^[0-9a-f]{24}$/.test(came.SESSION_ID);
  if (came && !isByHand && !isPreview) keep(came);
  const found = came ?? kept() ?? {};
  const isNobody = isByHand || isPreview || !found.SESSION_ID;

  /* A short name for this visit, from which no id can be read, for whatever a page writes down: the same at each arrival. */
  const visit = (() => {
    let [one, other] = [0xdeadbeef, 0x41c6ce57];
    for (const char of IDS.map((name) => found[name] ?? "").join("/")) {
      one = Math.imul(one ^ char.codePointAt(0), 2654435761);
      other = Math.imul(other ^ char.codePointAt(0), 1597334677);
    }
    const digits = (number) => (number >>> 0).toString(16).padStart(8, "0");
    return `visit-${digits(one ^ (other >>> 16))}${digits(other ^ (one >>> 13))}`;
  })();

  window.getWorkerName = () => (isNobody ? null : visit);

  window.getAssignmentId = () => (isNobody ? null : visit);

  window.getAgentRegistration = () => ({
    parameters: { ...found },
    agent_registration_id: visit,
    assignment_id: visit,
    provider_type: "prolific",
  });

  window.getProviderURLParams = {};

  window.handleSubmitToProvider = () => {
    if (!window._MEPHISTO_CONFIG_.get("SHOWS_OWN_THANKS")) show("Thank you", "Your work was sent. You can close this page now.");
  };

  if (isByHand || isPreview) {
    const why = isByHand
      ? "You opened this link by hand: Prolific puts each person's ids into it."
      : "This is Prolific's preview of the study.";
    showSoon("A look at the task", `${why} So the page looks to visitors; nobody was registered, and nothing is kept.`);
  } else if (isNobody) {
    const why = "This address does not say who you are, perhaps because it was opened in another browser or window.";
    showSoon("Has Prolific sent you?", `${why} Please open the study on Prolific again, by its own button.`);
  }

  function showSoon(title, words) {
    if (document.body) show(title, words);
    else document.addEventListener("DOMContentLoaded", () => show(title, words));
  }

  /* A message beside the page, which may go on. */
  function show(title, words) {
    document.getElementById("mephisto-message")?.closest("dialog").remove();
    const dialog = document.createElement("dialog");
    const heading = document.createElement("h2");
    const text = document.createElement("p");
    const close = document.createElement("button");
    Object.assign(heading, { textContent: title, id: "mephisto-message", tabIndex: -1 });
    text.textContent = words;
    Object.assign(close, { type: "button", textContent: "Close this message" });
    close.addEventListener("click", () => dialog.remove());
    dialog.setAttribute("aria-labelledby", heading.id);
    dialog.append(heading, text, close);
    const where = { position: "fixed", inset: "auto 1rem 1rem auto", margin: 0, zIndex: 2147483647 };
    Object.assign(dialog.style, { ...where, padding: "1.5rem", borderRadius: "12px", maxWidth: "28rem" });
    Object.assign(dialog.style, { font: "1rem system-ui", color: "#111", background: "#fff", border: "2px solid #111" });
    document.body.append(dialog);
    dialog.show();
    heading.focus();
  }
})();
