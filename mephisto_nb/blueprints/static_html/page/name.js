/* Asks who comes by the bare address for their name, where names are believed. */

import { announce, show } from "./screens.js";

const section = document.querySelector('section[data-screen="name"]');
const form = document.getElementById("name-form"); // no <form>: the first one of the page is the researcher's
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
  const url = new URL(location.href);
  url.searchParams.set(parameter, name);
  location.assign(url);
}
