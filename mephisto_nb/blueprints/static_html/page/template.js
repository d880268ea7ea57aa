/* Fills a researcher's HTML with one row of data.

The HTML is parsed first, with a mark in place of each field, and the values are put into the parsed text and
attributes: so a value can never become markup. `${field | safe}` is the one exception; scripts in it do not run. */

const FIELD = /\$\{\s*([^{}|\n]+?)\s*(?:\|\s*([^{}|\n]*?)\s*)?\}/g; // template.py knows the same expression
const STYLE = "data-mephisto-style"; // what template.py calls the style attributes that it finds
const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]/;
const ADDRESSES = new Set(["src", "href", "poster"]);
const KEEPS_LINES = "textarea, pre, option, title, style, script";
const OWN_COLOURS = /(^|[;{\s-])(background|background-color|color)\s*:/i;

let fileNames = {};

/* Take note of files whose names are no addresses as they stand: `names` has the address of each. */
export function knowFiles(names) {
  fileNames = names ?? {};
}

/* Give the address of a file that a template or a row names; any other address is as it was. */
function addressOf(text) {
  const name = text.trim().replaceAll("\\", "/").replace(/^(\.?\/)+/, "").normalize("NFC");
  if (Object.hasOwn(fileNames, name)) return fileNames[name];
  return /^[a-z][a-z0-9+.-]*:|^\/\//i.test(text) ? text : text.normalize("NFC");
}

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
  const lines = [];
  putValues(parsed, mark, values, lines);
  bringHome(parsed);
  return { ...takeApart(parsed), direction, lines };
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

function putValues(parsed, mark, values, lines) {
  const marks = new RegExp(`${mark}(\\d+);`, "g");
  const replaced = (text) => text.replace(marks, (_, index) => values[Number(index)]);
  const walker = document.createTreeWalker(parsed, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT);
  const texts = [];
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    if (node.nodeType === Node.TEXT_NODE) {
      texts.push(node);
      continue;
    }
    for (const attribute of node.attributes) {
      const text = replaced(attribute.value);
      const value = ADDRESSES.has(attribute.name) ? addressOf(text) : text;
      if (value !== attribute.value) attribute.value = value;
    }
    if (node instanceof HTMLTemplateElement) putValues(node.content, mark, values, lines);
  }
  for (const node of texts) putText(node, node.data.split(new RegExp(`${mark}(\\d+);`)), values, lines);
}

/* Put values into a text, whose `parts` are words of the template and the number of a value, in turn. Values of
several lines keep them, whatever becomes of the white space of the template around them. */
function putText(node, parts, values, lines) {
  if (parts.length === 1) return;
  const pieces = parts.map((part, index) => (index % 2 ? withPlainBreaks(values[Number(part)]) : part));
  const box = node.parentElement;
  const hasLines = pieces.some((piece, index) => index % 2 && piece.includes("\n"));
  if (!hasLines || box?.closest(KEEPS_LINES)) {
    node.data = pieces.join("");
  } else if (box && box.childNodes.length === 1 && parts.length === 3 && (parts[0] + parts[2]).trim() === "") {
    node.data = pieces[1];
    lines.push(box);
  } else {
    const nodes = pieces.map((piece, index) => (index % 2 ? inLines(piece) : document.createTextNode(piece)));
    lines.push(...nodes.filter((one) => one instanceof Element));
    node.replaceWith(...nodes);
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

function inLines(text) {
  if (!text.includes("\n")) return document.createTextNode(text);
  const span = document.createElement("span");
  span.textContent = text;
  return span;
}

const withPlainBreaks = (text) => text.replace(/\r\n?/g, "\n");

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
    const place = document.createComment(""); // a script that was parsed here would never run
    script.replaceWith(place);
    return { place, script };
  });
  for (const useless of parsed.querySelectorAll("title, meta, base")) useless.remove();
  const coloured = [...sheets, ...inline.map(({ text }) => text)].some((text) => OWN_COLOURS.test(text));
  const ownColours = coloured || parsed.querySelector("[bgcolor], font[color]") !== null;
  return { nodes: [...parsed.childNodes], sheets, inline, scripts, ownColours };
}

let sheetsInUse = [];

/* Take the styles of the last template out again. */
export function takeOut() {
  document.adoptedStyleSheets = document.adoptedStyleSheets.filter((sheet) => !sheetsInUse.includes(sheet));
  sheetsInUse = [];
}

/* Put a filled template into `place`. */
export function insert({ nodes, sheets, inline, ownColours, direction, lines }, place) {
  (place.closest("#task-form") ?? place).dir = direction;
  place.replaceChildren(...nodes.map((node) => document.adoptNode(node)));
  place.classList.toggle("own-colours", ownColours);
  for (const { element, text } of inline) element.style.cssText = text;
  const added = sheets.map((text) => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(text);
    return sheet;
  });
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, ...added];
  sheetsInUse = added;
  for (const element of lines) {
    if (getComputedStyle(element).whiteSpace === "normal") element.classList.add("keeps-lines");
  }
}

/* Run scripts one after the other, then tell them that the page is there, as their authors expect of any page. */
export async function runScripts(scripts) {
  if (scripts.length === 0) return;
  runs += 1;
  await loaded(); // or what they listen for would come twice
  for (const one of scripts) await runScript(one);
  document.dispatchEvent(new Event("DOMContentLoaded", { bubbles: true }));
  window.dispatchEvent(new Event("load"));
}

const loaded = () => new Promise((resolve) => {
  if (document.readyState === "complete") resolve();
  else window.addEventListener("load", resolve, { once: true });
});

/* Whether a script bears to be run for one unit after another on one page: it puts away what it has set up before. */
export const runsAgain = (script) => script.hasAttribute("data-runs-again");

let runs = 0;

/* A module runs once for each address. */
function addressToRun(script) {
  const src = script.getAttribute("src");
  return script.type === "module" && runsAgain(script) && runs > 1 ? `${src}${src.includes("?") ? "&" : "?"}run=${runs}` : src;
}

/* What a script has named to be called in its place, once it was run; undefined: it is to be run. */
const callInstead = ({ dataset }) => (dataset.runsAgain ? globalThis[dataset.runsAgain] : undefined);

/* A script runs where it was written: it may look for what stands beside it. */
function runScript({ place, script: written }) {
  const call = callInstead(written);
  if (typeof call === "function") return Promise.resolve(call());
  return new Promise((resolve, reject) => {
    const src = addressToRun(written);
    const script = document.createElement("script");
    for (const { name, value } of written.attributes) if (name !== "src") script.setAttribute(name, value);
    script.addEventListener("load", resolve);
    script.addEventListener("error", () => reject(new Error(`The script ${src} could not be loaded.`)));
    script.src = src;
    if (place.isConnected) place.replaceWith(script);
    else document.head.append(script);
  });
}
