/* Keeps what a worker has typed in their browser until it was sent: values in localStorage, files in IndexedDB. */

const PREFIX = "mephisto:draft:";
const DATABASE = "mephisto-drafts";
const STORE = "files";
const DAYS_KEPT = 30;
const PAUSE = 250;
const FILES_WITHIN = 3000;

export class Draft {
  #place;
  #key;
  #read;
  #timer = 0;
  #closed = false;
  #kept;
  #restored = false;
  #touched = new Set();

  /* `read()` gives what stands in the form, for people and for programs: { text, data }. */
  constructor(place, agentId, read = () => null) {
    this.#place = place;
    this.#read = read;
    this.#key = PREFIX + agentId;
    this.#kept = readJSON(this.#key);
  }

  /* Put back what was kept, but for what the worker has changed since. Gives what `keep` was told about a sending under
  way, or null. */
  async restore() {
    const files = await Promise.race([filesOf(this.#key).catch(() => new Map()), nothingAfter(FILES_WITHIN)]);
    this.#restored = true;
    for (const [name, input] of this.#inputs()) {
      if (this.#touched.has(input)) continue;
      const changed = input.type === "file" ? putFiles(input, files.get(name)) : putValue(input, this.#kept?.values?.[name]);
      if (!changed) continue;
      input.dispatchEvent(new Event("input", { bubbles: true }));
      input.dispatchEvent(new Event("change", { bubbles: true }));
    }
    return this.#kept?.sending ?? null;
  }

  /* Whether a worker has put anything in, now or before the page was loaded again. */
  get isUntouched() {
    return this.#touched.size === 0 && this.#kept === null;
  }

  /* Follow the form from now on, until `signal` says that it is over. */
  watch(signal) {
    this.#place.addEventListener("input", (event) => {
      if (event.isTrusted) this.#touched.add(event.target);
      this.#soon();
    }, { signal });
    this.#place.addEventListener("change", (event) => {
      if (event.isTrusted) this.#touched.add(event.target);
      this.#soon();
      if (event.target.type === "file") void this.#keepFiles(event.target);
    }, { signal });
    this.#place.addEventListener("reset", () => this.#soon(), { signal });
    const atOnce = () => this.#timer && this.keep();
    window.addEventListener("pagehide", atOnce, { signal });
    document.addEventListener("visibilitychange", atOnce, { signal });
  }

  /* Write the values now; `sending` marks an answer that the worker has asked to be sent. */
  keep(sending = null) {
    clearTimeout(this.#timer);
    this.#timer = 0;
    if (this.#closed) return;
    // Until what was kept is back, an input that nobody has touched says nothing.
    const values = this.#restored ? {} : { ...this.#kept?.values };
    for (const [name, input] of this.#inputs()) {
      if (input.type !== "file" && (this.#restored || this.#touched.has(input))) values[name] = valueOf(input);
    }
    writeJSON(this.#key, { values, sending, written: this.#read(), at: Date.now() });
  }

  /* Write what is not written yet: the unit is over, and the page may be left at any time. */
  settle() {
    if (this.#timer) this.keep();
  }

  /* The answer has arrived, or is not wanted any more. */
  async forget() {
    clearTimeout(this.#timer);
    this.#closed = true;
    removeKey(this.#key);
    await forgetFiles(this.#key).catch(() => {});
  }

  #soon() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.keep(), PAUSE);
  }

  /* Every input, under a name that it has again after a reload. */
  *#inputs() {
    const counts = new Map();
    for (const input of this.#place.querySelectorAll("input, select, textarea")) {
      if (["password", "submit", "button"].includes(input.type)) continue;
      const name = input.name || input.id || input.type;
      const count = counts.get(name) ?? 0;
      counts.set(name, count + 1);
      yield [`${name}#${count}`, input];
    }
  }

  async #keepFiles(changed) {
    for (const [name, input] of this.#inputs()) {
      if (input === changed) await writeFiles(this.#key, name, [...input.files]).catch(() => {});
    }
  }
}

/* What an agent's draft holds, as it was last written: { text, data }; or null. */
export const writtenIn = (agentId) => [agentId, `talk:${agentId}`].map((key) => readJSON(PREFIX + key)?.written).find(Boolean) ?? null;

/* What `keep` was told about a sending under way, or null. */
export const sendingIn = (agentId) => readJSON(PREFIX + agentId)?.sending ?? null;

/* Forget drafts that nobody came back for. */
export function pruneDrafts() {
  const oldest = Date.now() - DAYS_KEPT * 24 * 3600 * 1000;
  for (const key of storedKeys()) {
    if ((readJSON(key)?.at ?? 0) >= oldest) continue;
    removeKey(key);
    void forgetFiles(key).catch(() => {});
  }
}

function valueOf(input) {
  if (input.type === "checkbox" || input.type === "radio") return input.checked;
  if (input.type === "select-multiple") return [...input.options].map((option) => option.selected);
  return input.value;
}

function putValue(input, value) {
  if (value === undefined || JSON.stringify(value) === JSON.stringify(valueOf(input))) return false;
  if (input.type === "checkbox" || input.type === "radio") input.checked = value;
  else if (input.type === "select-multiple") [...input.options].forEach((option, i) => (option.selected = value[i]));
  else input.value = value;
  return true;
}

function putFiles(input, files) {
  if (!files?.length) return false;
  const transfer = new DataTransfer();
  for (const file of files) transfer.items.add(file);
  input.files = transfer.files;
  return true;
}

function storedKeys() {
  try {
    return Object.keys(localStorage).filter((key) => key.startsWith(PREFIX));
  } catch {
    return []; // the browser keeps nothing; the page works all the same
  }
}

function readJSON(key) {
  try {
    return JSON.parse(localStorage.getItem(key));
  } catch {
    return null;
  }
}

function writeJSON(key, value) {
  try {
    localStorage.setItem(key, JSON.stringify(value));
  } catch {
    // Full, or forbidden: the answer is still in the page.
  }
}

function removeKey(key) {
  try {
    localStorage.removeItem(key);
  } catch {
    // There is nothing to remove where nothing can be kept.
  }
}

const nothingAfter = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds, new Map()));

function openDatabase() {
  const request = indexedDB.open(DATABASE, 1);
  request.addEventListener("upgradeneeded", () => request.result.createObjectStore(STORE));
  return settled(request);
}

function settled(request) {
  return new Promise((resolve, reject) => {
    request.addEventListener("success", () => resolve(request.result));
    request.addEventListener("error", () => reject(request.error));
  });
}

async function inStore(mode, act) {
  const database = await openDatabase();
  try {
    return await act(database.transaction(STORE, mode).objectStore(STORE));
  } finally {
    database.close();
  }
}

const rangeOf = (key) => IDBKeyRange.bound([key], [key, []]);

const writeFiles = (key, name, files) => inStore("readwrite", (store) => settled(store.put(files, [key, name])));

const forgetFiles = (key) => inStore("readwrite", (store) => settled(store.delete(rangeOf(key))));

const filesOf = (key) =>
  inStore("readonly", async (store) => {
    const [keys, values] = await Promise.all([settled(store.getAllKeys(rangeOf(key))), settled(store.getAll(rangeOf(key)))]);
    return new Map(keys.map(([, name], index) => [name, values[index]]));
  });
