((values, nonce) => {
  /* Puts an answer into the fields of a page, as its worker saw it, and lets nothing be changed.
  Values are set as values, never as markup, whatever somebody wrote. The page may build its fields when it likes. */
  const given = new Map(Object.entries(values));
  const done = new WeakSet();
  const counts = new Map();
  const untold = [];
  /* So long nothing has changed, in milliseconds, when a page is taken to be there. */
  const QUIET = 200;
  let timer = 0;

  const has = (value, one) => (Array.isArray(value) ? value.map(String).includes(one) : String(value) === one);

  const isFixed = (input) => ["checkbox", "radio", "hidden"].includes(input.type);

  /* The fields of one name, if they are of several kinds: each has of the answer what it can have given. */
  function mixed(input) {
    const inputs = [...document.querySelectorAll("input, select, textarea")].filter((one) => one.name === input.name);
    return new Set(inputs.map((one) => one.type)).size > 1 ? inputs : null;
  }

  function choose(input, value) {
    if (mixed(input) && typeof value !== "object") input.checked = String(value) === input.value;
    else if (Array.isArray(value)) input.checked = has(value, input.value);
    else if (input.type === "radio") input.checked = String(value) === input.value;
    else if (value !== null && typeof value === "object") input.checked = Boolean(value[input.value]);
    else input.checked = Boolean(value);
  }

  function put(input, value) {
    if (input.type === "file") return;
    if (input.matches("[data-mephisto-json]")) input.value = value === null ? "" : JSON.stringify(value);
    else if (input.type === "checkbox" || input.type === "radio") choose(input, value);
    else if (input.type === "select-multiple") for (const option of input.options) option.selected = has(value, option.value);
    else if (input instanceof HTMLSelectElement || !(Array.isArray(value) || mixed(input))) input.value = value ?? "";
    else if (mixed(input) && isFixed(input)) return;
    else {
      /* Several fields of one name: each has its own place in the list. */
      const place = counts.get(input.name) ?? 0;
      counts.set(input.name, place + 1);
      const fixed = (mixed(input) ?? []).filter(isFixed).map((one) => one.value);
      input.value = [value].flat().filter((one) => !fixed.includes(String(one)))[place] ?? "";
    }
    if (input instanceof HTMLTextAreaElement) input.style.blockSize = `${Math.min(400, input.scrollHeight + 4)}px`;
  }

  function close(input) {
    done.add(input);
    if (input.name && given.has(input.name)) {
      put(input, given.get(input.name));
      untold.push(input);
    }
    input.disabled = true;
  }

  /* The page's own scripts hear of it when they are there: they may show what an answer brings with it. */
  function tell() {
    for (const input of untold.splice(0)) {
      for (const name of ["input", "change"]) input.dispatchEvent(new Event(name, { bubbles: true }));
    }
  }

  function look() {
    clearTimeout(timer);
    timer = setTimeout(tell, QUIET);
    for (const input of document.querySelectorAll("input, select, textarea, button")) {
      if (!done.has(input)) close(input);
      else if (!input.disabled) input.disabled = true;
    }
  }

  /* What a page puts up later, or opens again, is filled and closed as well. */
  new MutationObserver(look).observe(document, { childList: true, subtree: true, attributes: true, attributeFilter: ["disabled"] });
  document.addEventListener("DOMContentLoaded", look);
  for (const name of ["submit", "reset", "beforeinput", "drop", "paste"]) {
    document.addEventListener(name, (event) => event.preventDefault(), true);
  }

  /* The focus stays where somebody decides, and so does what they have scrolled to. */
  for (const [type, name] of [[HTMLElement, "focus"], [SVGElement, "focus"], [Element, "scrollIntoView"], [window, "focus"]]) {
    Object.defineProperty(type.prototype ?? type, name, { value: () => {} });
  }

  /* The one thing that the page around it may ask for: to scroll, as this frame never has the focus. */
  window.addEventListener("message", ({ source, data }) => {
    if (source === parent && data?.type === "scroll") scrollBy({ top: Number(data.by) * innerHeight });
  });

  const sheet = document.createElement("style");
  sheet.nonce = nonce;
  sheet.textContent = `:is(input, select, textarea):disabled { opacity: 1 !important; color: inherit; -webkit-text-fill-color: currentcolor; }
    :is([type="radio"], [type="checkbox"]):disabled { appearance: none; box-sizing: border-box; inline-size: 1.15em; block-size: 1.15em;
      margin-block: 0; border: 2px solid currentcolor; border-radius: 3px; background: none; vertical-align: -0.15em; }
    [type="radio"]:disabled { border-radius: 50%; }
    :is([type="radio"], [type="checkbox"]):disabled:checked { background: radial-gradient(currentcolor 55%, transparent 60%); }
    [type="checkbox"]:disabled:checked { background: linear-gradient(currentcolor, currentcolor) center / 62% 62% no-repeat; }
    button:disabled { opacity: 0.45 !important; }`;
  document.head.append(sheet);
})
