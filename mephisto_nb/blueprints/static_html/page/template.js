/* Fills a researcher's HTML with one row of data.

The HTML is parsed first, with a mark in place of each field, and the values are put into the parsed text and
attributes: so a value can never become markup. `${field | safe}` is the one exception; scripts in it do not run. */

const FIELD = /\$\{\s*([^{}|\n]+?)\s*(?:\|\s*([^{}|\n]*?)\s*)?\}/g; // template.py knows the same expression
const STYLE = "data-mephisto-style"; // what template.py calls the style attributes that it finds
const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]/;
const OWN_COLOURS = /(^|[;{\s-])(background|background-color|color)\s*:/i;

/* Give { nodes, scripts, styles, ownColours } for `html` and `data`. */
export function fill(html, data) {
  const direction = directionOf(html.replace(FIELD, ""));
  const values = [];
  const mark = makeMark();
  const marked = html.replace(FIELD, (whole, path, way) => {
    const text = asText(lookUp(data, path));
    return way === "safe" ? text : `${mark}${values.push(text) - 1};`;
  });
  const template = document.createElement("template"); // what is parsed in one loads and runs nothing
  template.innerHTML = marked;
  const parsed = template.content;
  putValues(parsed, new RegExp(`${mark}(\\d+);`, "g"), values);
  bringHome(parsed);
  return { ...takeApart(parsed), direction };
}

/* The template's own words decide which way the task runs; each row's text finds its way by itself. */
function directionOf(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  for (const element of template.content.querySelectorAll("script, style, title")) element.remove();
  const letter = template.content.textContent.match(/\p{L}/u)?.[0] ?? "";
  return RIGHT_TO_LEFT.test(letter) ? "rtl" : "ltr";
}

/* Find `a.b` in nested data; a key that holds the dot itself comes first. Missing is null. */
export function lookUp(data, path) {
  if (data === null || typeof data !== "object") return null;
  if (Object.hasOwn(data, path)) return data[path];
  const dot = path.indexOf(".");
  if (dot < 0) return null;
  const head = path.slice(0, dot);
  return Object.hasOwn(data, head) ? lookUp(data[head], path.slice(dot + 1)) : null;
}

function asText(value) {
  if (value === null || value === undefined) return "";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/* Letters that no data can foresee, so that no value can pass for a mark. */
function makeMark() {
  return `field${Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16)).join("")}n`;
}

function putValues(parsed, marks, values) {
  const replaced = (text) => text.replace(marks, (_, index) => values[Number(index)]);
  const walker = document.createTreeWalker(parsed, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    if (node.nodeType === Node.TEXT_NODE) {
      if (marks.test(node.data)) node.data = replaced(node.data);
      marks.lastIndex = 0;
      continue;
    }
    for (const attribute of node.attributes) {
      const value = replaced(attribute.value);
      if (value !== attribute.value) attribute.value = value;
    }
    if (node instanceof HTMLTemplateElement) putValues(node.content, marks, values);
  }
}

/* A proxy may show the page in a folder: "/cat.png" is beside the page, and not at the root of whatever host that is. */
function bringHome(parsed) {
  for (const name of ["src", "href", "poster", "data"]) {
    for (const element of parsed.querySelectorAll(`[${name}^="/"]`)) {
      const address = element.getAttribute(name);
      if (!/^\/[/\\]/.test(address)) element.setAttribute(name, `.${address}`);
    }
  }
}

/* What the page's policy forbids in markup is allowed to scripts: styles are taken out, to be set one by one. */
function takeApart(parsed) {
  const sheets = [...parsed.querySelectorAll("style")].map((style) => {
    style.remove();
    return style.textContent;
  });
  const inline = [...parsed.querySelectorAll(`[style], [${STYLE}]`)].map((element) => {
    const text = [STYLE, "style"].map((name) => element.getAttribute(name) ?? "").join(";");
    element.removeAttribute(STYLE);
    element.removeAttribute("style");
    return { element, text };
  });
  const scripts = [...parsed.querySelectorAll("script[src]")].map((script) => {
    script.remove();
    return { src: script.getAttribute("src"), type: script.type };
  });
  for (const form of parsed.querySelectorAll("form")) unwrapForm(form);
  for (const useless of parsed.querySelectorAll("title, meta, base")) useless.remove();
  const coloured = [...sheets, ...inline.map(({ text }) => text)].some((text) => OWN_COLOURS.test(text));
  const ownColours = coloured || parsed.querySelector("[bgcolor], font[color]") !== null;
  return { nodes: [...parsed.childNodes], sheets, inline, scripts, ownColours };
}

/* The page has one form of its own, and forms cannot be nested. */
function unwrapForm(form) {
  const box = form.ownerDocument.createElement("div");
  for (const name of ["id", "class", "lang", "dir"]) {
    if (form.hasAttribute(name)) box.setAttribute(name, form.getAttribute(name));
  }
  box.append(...form.childNodes);
  form.replaceWith(box);
}

/* Put a filled template into `place`. */
export function insert({ nodes, sheets, inline, ownColours, direction }, place) {
  (place.closest("form") ?? place).dir = direction;
  place.replaceChildren(...nodes.map((node) => document.adoptNode(node)));
  place.classList.toggle("own-colours", ownColours);
  for (const { element, text } of inline) element.style.cssText = text;
  const added = sheets.map((text) => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(text);
    return sheet;
  });
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, ...added];
}

/* Run scripts one after the other, then tell them that the page is there, as their authors expect of any page. */
export async function runScripts(scripts) {
  for (const { src, type } of scripts) await runScript(src, type);
  if (scripts.length === 0) return;
  document.dispatchEvent(new Event("DOMContentLoaded", { bubbles: true }));
  window.dispatchEvent(new Event("load"));
}

function runScript(src, type) {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    if (type) script.type = type;
    script.addEventListener("load", resolve);
    script.addEventListener("error", () => reject(new Error(`The script ${src} could not be loaded.`)));
    script.src = src;
    document.head.append(script);
  });
}
