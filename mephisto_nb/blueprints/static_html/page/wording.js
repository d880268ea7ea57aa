/* Keeps the words that are sent as they were written: a browser that translates a page changes what is read alone. */

import { body } from "./forms.js";

const buttons = new WeakMap();

/* An option without a value sends its text, and a button of an input what stands on it. */
export function keepWords() {
  keepIn(body);
  for (const area of body.querySelectorAll("textarea")) area.value = area.defaultValue; // it no longer follows its text
  new MutationObserver((changes) => {
    for (const { target, addedNodes } of changes) {
      keepIn(target.closest?.("option") ?? target.parentElement?.closest("option"));
      addedNodes.forEach(keepIn);
    }
  }).observe(body, { childList: true, characterData: true, subtree: true });
}

/* Let a button that was pressed send what it was to send. */
export function restoreWords(button) {
  const value = buttons.get(button);
  if (value !== undefined && button.value !== value) button.value = value;
}

function keepIn(part) {
  if (!(part instanceof Element)) return;
  for (const one of [part, ...part.querySelectorAll("option, input[type=submit]")]) {
    if (one.matches("option:not([value])") && one.value !== "") one.setAttribute("value", one.value);
    if (one.matches("input[type=submit][name]") && !buttons.has(one)) keepButton(one);
  }
}

function keepButton(button) {
  if (!button.hasAttribute("value")) button.value = "Submit"; // else it sends this in the language of the browser
  buttons.set(button, button.value);
}
