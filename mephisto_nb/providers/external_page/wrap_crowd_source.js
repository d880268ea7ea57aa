/* Tells a task's page who the worker is, by the parameters that a crowd has put into the address.

Comes behind `crowd_script.js`, before the page's own scripts. Which parameters count is known to the kernel alone:
all are sent to it, and none is shown. They are taken out of the address, so that nobody's id is seen on a shared screen, in a copy of
what stands there, or in what the page reports; this tab keeps them, so that a reload finds the same visit again. From
another device people come by the crowd's own link, and find what they hold by the same ids. */

(() => {
  "use strict";

  const MOST = 60;
  const LONGEST = 8000;
  // What stands in an address where the crowd has put nothing in its place; the kernel knows them, too.
  const MACRO =
    /^(\{\{.*\}\}|\$\{.*\}|\{%.*%\}|\{[A-Za-z_]\w*\}|\[%?[A-Za-z_]\w*%?\]|%[A-Za-z_]\w*%|\ufffd\w*%|<[A-Za-z_]\w*>|#\{.*\})$/;
  // They differ at each arrival of one visit, or may.
  const PASSING = /token|signature|^sig$|hash|hmac|timestamp|^ts$/i;
  const place = `mephisto:came-by:${new URL("./", document.baseURI).pathname}`;

  const keyInAddress = () => new URLSearchParams(window.location.hash.slice(1)).get("key");

  /* What the address says: { query, key }; null, where it says nothing. */
  function fromAddress() {
    const key = keyInAddress();
    const query = window.location.search.slice(1, LONGEST);
    return query || key ? { query, key } : null;
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
    url.search = url.hash = "";
    window.history.replaceState(window.history.state, "", url);
  }

  const came = fromAddress();
  const found = came ?? kept();
  const given = [...new URLSearchParams(found?.query ?? "")].slice(0, MOST);
  if (found?.key) given.push(["key", found.key]);
  const parameters = Object.fromEntries(given);
  const unfilled = given.filter(([, value]) => MACRO.test(value.trim()));
  const isByHand = unfilled.length > given.length / 2;
  if (came && !isByHand) keep(came);
  const isNobody = given.length === 0 || isByHand;

  /* A short name for this visit, from which no id can be read: the same at each arrival. */
  const visit = (() => {
    const text = JSON.stringify(given.filter(([name]) => !PASSING.test(name)).sort());
    let [one, other] = [0xdeadbeef, 0x41c6ce57];
    for (const char of text) {
      one = Math.imul(one ^ char.codePointAt(0), 2654435761);
      other = Math.imul(other ^ char.codePointAt(0), 1597334677);
    }
    const digits = (number) => (number >>> 0).toString(16).padStart(8, "0");
    return `visit-${digits(one ^ (other >>> 16))}${digits(other ^ (one >>> 13))}`;
  })();

  window.getWorkerName = () => (isNobody ? null : visit);

  window.getAssignmentId = () => (isNobody ? null : visit);

  window.getAgentRegistration = () => ({
    parameters,
    query: found?.query ?? "",
    agent_registration_id: visit,
    assignment_id: visit,
    provider_type: "external",
  });

  window.getProviderURLParams = {};

  // A whole link that is opened where another one was loads no page by itself: only its last part is new.
  window.addEventListener("hashchange", () => keyInAddress() && window.location.reload());

  window.handleSubmitToProvider = () => {
    if (!window._MEPHISTO_CONFIG_.get("SHOWS_OWN_THANKS")) show("Thank you", "Your work was sent. You can close this page now.");
  };

  if (isByHand) {
    const names = unfilled.map(([name]) => name).join(", ");
    const words =
      `You opened this link by hand: the crowd puts each person's id where ${unfilled[0][1]} stands (${names}). ` +
      "This is how the page looks to visitors; nobody was registered.";
    showSoon("A look at the task", words);
  } else if (isNobody) {
    const why = "This address does not say who you are, perhaps because it was opened in another browser or window.";
    showSoon("Has somebody sent you?", `${why} Please open the task by the link that you were given, where it was given to you.`);
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
