/* Which of the page's screens is to be seen. The words are in index.html. */

const announcer = document.getElementById("announcer");
const notice = document.getElementById("notice");

/* Show one screen. `words` names its variant, `also` other parts of it to show, `fill` the texts to put in. */
export function show(name, { words = "other", also = [], fill = {}, focus = true } = {}) {
  const changed = document.body.dataset.screen !== name;
  document.body.dataset.screen = name;
  for (const section of document.querySelectorAll("section[data-screen]")) {
    section.hidden = section.dataset.screen !== name;
  }
  const section = document.querySelector(`section[data-screen="${name}"]`);
  if (!section) return;
  choose(section, words, also);
  put(section, fill);
  if (name === "preview") document.getElementById("time-left").before(section); // what it tells of stands below it
  const heading = section.querySelector("h2");
  announcer.textContent = section.querySelector("h2, .busy:not([hidden])").innerText;
  if (heading && focus && changed) heading.focus({ preventScroll: true });
  if (changed) window.scrollTo(0, 0);
}

/* Show those parts of `root` that belong to the variant `words`, or to 'other' where it has none such. */
export function choose(root, words, also = []) {
  const parts = [...root.querySelectorAll("[data-when]")];
  const known = parts.some((part) => part.dataset.when === words);
  for (const part of parts) {
    const when = part.dataset.when;
    part.hidden = !(also.includes(when) || when === (known ? words : "other"));
  }
}

/* Put texts into the places that ask for them; an empty text hides its place. */
export function put(root, fill) {
  for (const place of root.querySelectorAll("[data-fill]")) {
    const text = fill[place.dataset.fill] ?? "";
    if (place instanceof HTMLTextAreaElement) place.value = text;
    else place.textContent = text;
    if (!place.dataset.when || text === "") place.hidden = text === "";
  }
}

/* Say something above whatever screen there is, or nothing any more. */
export function notify(words, fill = {}) {
  notice.hidden = words === null;
  notice.replaceChildren();
  if (words === null) return;
  notice.append(document.getElementById("notices").content.cloneNode(true));
  choose(notice, words);
  put(notice, fill);
  for (const other of notice.querySelectorAll("[hidden]")) other.remove();
}

/* Put one text into its place in a screen, and leave the others as they are; an empty text hides the place. */
export function fillIn(name, place, text) {
  const found = document.querySelector(`section[data-screen="${name}"] [data-fill="${place}"]`);
  if (!found) return;
  found.textContent = text;
  found.hidden = text === "";
}

export function announce(text) {
  announcer.textContent = text;
}

/* Let each [data-do] button call the function of its name. */
export function wire(actions) {
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-do]");
    if (button) void actions[button.dataset.do]?.(button);
  });
}
