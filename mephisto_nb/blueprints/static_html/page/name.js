/* Asks who comes by the bare address for their name, where names are believed. */

import { announce, show } from "./screens.js";

const section = document.querySelector('section[data-screen="name"]');
const form = document.getElementById("name-form"); // no <form>: the first one of the page is the researcher's
const KEY = "mephisto:name";
const field = document.getElementById("own-name");

/* Ask, and go to the address in which `parameter` holds the name; above a preview, if one `isShown`. */
export function askName(parameter, isShown) {
  if (isShown) {
    document.querySelector('section[data-screen="preview"]').hidden = true;
    document.getElementById("time-left").before(section);
    section.hidden = false;
    announce(section.querySelector("h2").innerText);
  } else {
    show("name", { focus: false });
  }
  field.value = lastName();
  field.select();
  field.addEventListener("input", () => field.setCustomValidity(""));
  form.querySelector("button").addEventListener("click", () => goOn(parameter));
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.isComposing) goOn(parameter);
  });
  field.focus({ preventScroll: true });
}

function goOn(parameter) {
  const name = field.value.trim();
  if (name === "") {
    field.setCustomValidity("Please write your name.");
    field.reportValidity();
    return;
  }
  keepName(name);
  const url = new URL(location.href);
  url.searchParams.set(parameter, name);
  location.assign(url);
}

/* Who comes back by the bare address need not know how they wrote their name. */
function lastName() {
  try {
    return localStorage.getItem(KEY) ?? "";
  } catch {
    return "";
  }
}

function keepName(name) {
  try {
    localStorage.setItem(KEY, name);
  } catch {
    // It has to be written again, then.
  }
}
