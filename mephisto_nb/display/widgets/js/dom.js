/** Small helpers over the DOM. Text goes in as text, never as markup, and nothing is touched that has not changed. */

import { middle, number } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name, value);
    else put(node, name, value);
  }
  node.append(...children);
  return node;
}

/** Make an element; a function among the attributes listens to the event of that name. */
export function make(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** Make an element of a drawing. */
export function draw(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

/** Set the text of a leaf. */
export function write(node, text) {
  const wanted = String(text ?? "");
  if (node.textContent !== wanted) node.textContent = wanted;
}

/** Set an attribute; null, undefined and false take it away. */
export function put(node, name, value) {
  if (value === null || value === undefined || value === false) {
    if (node.hasAttribute(name)) node.removeAttribute(name);
    return;
  }
  const wanted = value === true ? "" : String(value);
  if (node.getAttribute(name) !== wanted) node.setAttribute(name, wanted);
}

/** Show a node, or hide it; drawings have the attribute, but not the property. */
export function show(node, visible) {
  if (node.hasAttribute("hidden") === Boolean(visible)) node.toggleAttribute("hidden", !visible);
}

/** Set a style. */
export function style(node, name, value) {
  if (node.style.getPropertyValue(name) !== value) node.style.setProperty(name, value);
}

/** Make text that keeps its own direction, and cannot turn that of its neighbours. */
export function own(className = "") {
  return make("bdi", { class: className || null });
}

/**
 * Make a name that is cut in the middle where it is long. Who points at it, or comes to it by keyboard, reads it whole.
 *
 * `write(text)` sets it. `tabbable` is false inside a button, whose own title says it all.
 */
export function longName(className, longest, tabbable = true) {
  const short = make("bdi");
  const whole = make("bdi", { class: "mnb-whole" });
  const node = make("span", { class: className }, short, whole);
  let shown = null;
  return {
    node,
    write(text) {
      if (text === shown) return;
      shown = text;
      const cut = middle(text, longest);
      const isCut = cut !== text;
      write(short, cut);
      write(whole, isCut && tabbable ? text : "");
      put(short, "aria-hidden", isCut && tabbable ? "true" : null);
      put(node, "data-cut", isCut && tabbable);
      put(node, "tabindex", isCut && tabbable ? 0 : null);
    },
  };
}

/**
 * Show the first rows of a list, and a button that says how many more there are.
 *
 * `cut(rows, total)` gives the rows to draw. A list that was folded open is scrolled.
 */
export function fold(most, scroll, redraw) {
  let isOpen = false;
  const node = make("button", { type: "button", class: "mnb-quiet mnb-more" });
  node.addEventListener("click", () => {
    isOpen = !isOpen;
    redraw();
  });
  return {
    node,
    cut(rows, total = rows.length) {
      const canOpen = rows.length > most;
      const shown = canOpen && isOpen ? rows : rows.slice(0, most);
      const more = total - shown.length;
      put(scroll, "data-open", canOpen && isOpen);
      put(node, "aria-expanded", canOpen && isOpen ? "true" : "false");
      show(node, canOpen);
      write(node, isOpen ? (more > 0 ? `and ${number(more)} more; show fewer` : "show fewer") : `and ${number(more)} more`);
      return shown;
    },
  };
}

/** Give a part of a state by its dotted path. */
export function at(state, path) {
  return path.split(".").reduce((part, name) => part?.[name], state);
}

/** Copy a text; give false where that is not allowed, as on a page that came from another computer without https. */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

/** Copy the text of a node; where that is not allowed, select it, and give false. */
export async function copyFrom(node) {
  const isCopied = await copyText(node.textContent);
  if (!isCopied) getSelection().selectAllChildren(node);
  return isCopied;
}

function keepFocus(parent, node) {
  const focused = node.getRootNode().activeElement;
  if (focused === null || !node.contains(focused)) return;
  const heir = node.nextElementSibling ?? node.previousElementSibling;
  const target = heir?.matches("button") ? heir : (heir?.querySelector("button") ?? parent.closest("[tabindex]"));
  target?.focus();
}

const kept = new WeakMap();

/**
 * Make the children of `parent` follow a list. A row that is known stays the element that it was, so that the focus,
 * a selection and a screen reader's place stay, too.
 */
export function follow(parent, rows, keyOf, create, update) {
  if (!kept.has(parent)) kept.set(parent, new Map());
  const known = kept.get(parent);
  const wanted = new Set(rows.map(keyOf));
  for (const [key, row] of known) {
    if (wanted.has(key)) continue;
    keepFocus(parent, row.node);
    row.node.remove();
    known.delete(key);
  }
  let place = parent.firstElementChild;
  for (const data of rows) {
    const key = keyOf(data);
    if (!known.has(key)) known.set(key, create(data));
    const row = known.get(key);
    if (row.node === place) place = place.nextElementSibling;
    else parent.insertBefore(row.node, place);
    update(row, data);
  }
}
