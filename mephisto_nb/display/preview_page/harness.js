(({ base, site, nonce, task_config: config, init_task_data: initData, is_onboarding: isOnboarding = false,
    is_filled: isFilled = false, left_out: leftOut = [] }) => {
  /* Stands in for the router of a page that is shown in a notebook: answers what the page asks, sends nothing on.
  The document has no origin, hence no storage and no network of its own; both are replaced, too. */
  const AGENT = isOnboarding ? "onboarding_preview" : "preview";
  const STATUS = isOnboarding ? "onboarding" : "in task";
  const WORDS = "This is a preview: nothing is sent or stored.";

  /* What speaks to others whatever a policy says. Nothing can bring it back: frames within have no scripts. */
  for (const name of ["RTCPeerConnection", "webkitRTCPeerConnection", "mozRTCPeerConnection", "WebTransport"]) delete window[name];

  // -- the files of the site

  const blobs = new Map();

  function blobOf(path) {
    if (!blobs.has(path)) blobs.set(path, URL.createObjectURL(new Blob([contentOf(path)], { type: site[path][0] })));
    return blobs.get(path);
  }

  function contentOf(path) {
    const [, text, isText] = site[path];
    return isText ? text : Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  }

  /* The path of a file of the site, or null. */
  function pathOf(address) {
    try {
      const url = new URL(address, base);
      const path = decodeURIComponent(url.pathname.slice(1));
      return url.href.startsWith(base) && Object.hasOwn(site, path) ? path : null;
    } catch {
      return null;
    }
  }

  const standIn = (address) => (pathOf(address) === null ? address : blobOf(pathOf(address)));

  const scripts = Object.keys(site).filter((path) => site[path][0] === "text/javascript");
  const map = document.createElement("script");
  map.type = "importmap";
  map.nonce = nonce;
  map.textContent = JSON.stringify({ imports: Object.fromEntries(scripts.map((path) => [base + path, blobOf(path)])) });
  document.head.append(map);
  map.remove();

  for (const type of [HTMLScriptElement, HTMLImageElement, HTMLMediaElement, HTMLSourceElement]) {
    const own = Object.getOwnPropertyDescriptor(type.prototype, "src");
    Object.defineProperty(type.prototype, "src", { ...own, set(value) { own.set.call(this, standIn(String(value))); } });
  }
  const look = (node) => {
    for (const one of [node, ...(node.querySelectorAll?.("img[src], audio[src], video[src], source[src]") ?? [])]) {
      const address = one.matches?.("img, audio, video, source") ? one.getAttribute("src") : null;
      if (address && pathOf(address) !== null) one.src = address;
    }
  };
  new MutationObserver((changes) => {
    for (const change of changes) change.addedNodes.forEach(look);
  }).observe(document, { childList: true, subtree: true });

  /* A page that puts an address together from its own origin finds none: "null/task_config.json". */
  const whole = (address) => String(address).replace(/^null\//, base);
  window.URL = class extends URL {
    constructor(address, parent) {
      super(whole(address), ...(parent === undefined ? [] : [parent]));
    }
  };

  // -- what the router says

  const agent = { request_id: AGENT, worker_id: AGENT, agent_id: AGENT, init_task_data: initData, status: STATUS };
  const ROUTES = {
    "task_config.json": (_, url) => ({
      ...config,
      mephisto_task_version: url.searchParams.get("mephisto_task_version"),
    }),
    status: () => ({ operator: "here" }),
    is_alive: () => ({ status: "Alive!" }),
    get_timestamp: () => ({ timestamp: Date.now() }),
    request_agent: () => ({
      packet_type: "agent_details",
      subject_id: AGENT,
      data: { ...agent, failure_reason: null, failure_code: null },
    }),
    submit_onboarding: ({ provider_data: { onboarding_data: data } }) => {
      showSubmission({ final_data: data });
      const none = { ...agent, agent_id: null, init_task_data: null, status: null };
      return { packet_type: "agent_details", subject_id: AGENT, data: { ...none, failure_reason: WORDS, failure_code: "" } };
    },
    submit_task: (body) => showSubmission(body) ?? { status: "Submitted!" },
    return_unit: () => ({ status: "Returned" }),
    log_error: (body) => showError(body) ?? { status: "Error logged" },
  };

  async function answer(address, body) {
    const url = new URL(whole(address), base);
    const name = url.pathname.slice(1);
    if (!url.href.startsWith(base)) throw new TypeError(`${WORDS} Failed to fetch ${url.href}.`);
    if (Object.hasOwn(ROUTES, name)) return json(ROUTES[name](await readBody(body), url));
    const path = pathOf(url.href);
    if (path !== null) return new Response(contentOf(path), { headers: { "Content-Type": site[path][0] } });
    return json({ error: { code: "not_found", message: `${WORDS} There is no ${name}.` } }, 404);
  }

  const json = (content, status = 200) =>
    new Response(JSON.stringify(content), { status, headers: { "Content-Type": "application/json" } });

  /* What a page sends: JSON, or a form with the answer as JSON beside its files. */
  async function readBody(body) {
    if (typeof body === "string") return JSON.parse(body || "{}");
    if (!(body instanceof FormData)) return {};
    const final = body.get("final_string_data") ?? body.get("final_data");
    const files = [...body].filter(([, value]) => value instanceof File);
    const named = Object.fromEntries(files.map(([name, file]) => [name, file.name]));
    return { final_data: { ...JSON.parse(final ?? "{}"), ...named } };
  }

  window.fetch = async (input, options = {}) => {
    const address = input instanceof Request ? input.url : String(input);
    return answer(address, options.body ?? (input instanceof Request ? await input.text() : undefined));
  };

  window.XMLHttpRequest = class extends EventTarget {
    readyState = 0;
    status = 0;
    statusText = "";
    response = "";
    responseText = "";
    responseType = "";
    responseURL = "";
    timeout = 0;
    withCredentials = false;
    upload = new EventTarget();
    #type = "";

    open(method, address) {
      this.responseURL = new URL(whole(address), base).href;
      this.#tell(1);
    }

    setRequestHeader() {}
    overrideMimeType() {}
    abort() {}
    getAllResponseHeaders = () => `content-type: ${this.#type}\r\n`;
    getResponseHeader = (name) => (name.toLowerCase() === "content-type" ? this.#type : null);

    async send(body) {
      try {
        const response = await answer(this.responseURL, body);
        this.#type = response.headers.get("Content-Type");
        this.status = response.status;
        this.responseText = await response.text();
        this.response = this.responseType === "json" ? JSON.parse(this.responseText) : this.responseText;
        [2, 3, 4].forEach((state) => this.#tell(state));
        this.#fire("load");
      } catch {
        this.#tell(4);
        this.#fire("error");
      }
      this.#fire("loadend");
    }

    #tell(state) {
      this.readyState = state;
      this.#fire("readystatechange");
    }

    #fire(name) {
      const event = new Event(name);
      this[`on${name}`]?.(event);
      this.dispatchEvent(event);
    }
  };

  window.WebSocket = class extends EventTarget {
    static CONNECTING = 0;
    static OPEN = 1;
    static CLOSING = 2;
    static CLOSED = 3;
    readyState = 0;

    constructor(url) {
      super();
      this.url = String(url);
      queueMicrotask(() => this.#turn(1, new Event("open")));
    }

    send(text) {
      if (JSON.parse(text).packet_type !== "heartbeat") return;
      const packet = { packet_type: "heartbeat", subject_id: AGENT, data: { status: STATUS } };
      queueMicrotask(() => this.#fire(new MessageEvent("message", { data: JSON.stringify(packet) })));
    }

    close() {
      this.#turn(3, new CloseEvent("close", { code: 1000, wasClean: true }));
    }

    #turn(state, event) {
      this.readyState = state;
      this.#fire(event);
    }

    #fire(event) {
      this[`on${event.type}`]?.(event);
      this.dispatchEvent(event);
    }
  };

  // -- what a document without an origin lacks

  class Memory {
    #values = new Map();

    constructor() {
      const has = (name) => this.#values.has(name);
      return new Proxy(this, {
        get: (target, name) => (name in target ? target[name].bind?.(target) ?? target[name] : this.#values.get(name)),
        has: (target, name) => name in target || has(name),
        ownKeys: () => [...this.#values.keys()],
        getOwnPropertyDescriptor: (_, name) =>
          has(name) ? { value: this.#values.get(name), enumerable: true, configurable: true } : undefined,
      });
    }

    get length() {
      return this.#values.size;
    }

    key(index) {
      return [...this.#values.keys()][index] ?? null;
    }

    getItem(name) {
      return this.#values.get(String(name)) ?? null;
    }

    setItem(name, value) {
      this.#values.set(String(name), String(value));
    }

    removeItem(name) {
      this.#values.delete(String(name));
    }

    clear() {
      this.#values.clear();
    }
  }

  for (const name of ["localStorage", "sessionStorage"]) {
    Object.defineProperty(window, name, { value: new Memory(), configurable: true });
  }

  // -- the keyboard stays where it is: who runs a notebook's cells one after the other must not get stuck in a page

  let isEntered = false;
  for (const name of ["pointerdown", "keydown", "focusin"]) {
    window.addEventListener(name, () => (isEntered = true), { capture: true, once: true });
  }
  const pages = [HTMLElement.prototype, SVGElement.prototype, window].map((owner) => [owner, "focus"]);
  for (const [owner, name] of [...pages, [Element.prototype, "scrollIntoView"]]) {
    const own = owner[name];
    Object.defineProperty(owner, name, {
      configurable: true,
      writable: true,
      value(...args) {
        if (isEntered) own.apply(this, args);
      },
    });
  }

  // -- what is said about it, above the page and out of reach of its styles

  const STYLE = `:host { all: initial; position: fixed; z-index: 2147483647; inset: auto 0 0 0; display: block; }
    section { max-height: 60vh; overflow: auto; box-sizing: border-box; padding: 0.75rem 1rem; color: #fff;
      background: #1f2430; border-top: 3px solid #8ab6ff; font: 15px/1.5 system-ui, sans-serif; }
    h2 { margin: 0 0 0.25rem; font-size: 1rem; } p { margin: 0 0 0.5rem; }
    pre { margin: 0 0 0.5rem; white-space: pre-wrap; overflow-wrap: anywhere; font: 13px/1.5 ui-monospace, monospace; }
    button { font: inherit; min-height: 2.5rem; padding: 0 1rem; color: #fff; background: none;
      border: 1px solid #adb3bf; border-radius: 8px; cursor: pointer; }
    button:focus-visible { outline: 3px solid #8ab6ff; outline-offset: 2px; }`;
  let panel = null;

  function say(heading, text, details) {
    if (isFilled) return; // somebody looks at an answer: what the page does by itself is not of interest
    if (panel === null) {
      const host = document.createElement("div");
      host.id = "mephisto-preview-panel";
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(STYLE);
      const shadow = host.attachShadow({ mode: "open" });
      shadow.adoptedStyleSheets = [sheet];
      panel = document.createElement("section");
      panel.setAttribute("role", "status");
      panel.setAttribute("aria-label", "Preview");
      shadow.append(panel);
      document.documentElement.append(host);
    }
    const parts = [["h2", heading], ["p", text], ["pre", details]].map(([tag, words]) => {
      return Object.assign(document.createElement(tag), { textContent: words });
    });
    const buttons = [["Start again", () => location.reload()], ["Close", () => panel.replaceChildren()]];
    for (const [words, act] of buttons) {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: words });
      button.addEventListener("click", act);
      parts.push(button, " ");
    }
    panel.replaceChildren(...parts);
  }

  /* A link would take the page away, and show that nothing may take its place. */
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href], area[href]");
    if (!link || event.defaultPrevented) return;
    event.preventDefault();
    const address = link.getAttribute("href");
    if (address.startsWith("#")) document.getElementById(address.slice(1))?.scrollIntoView();
    else say("Links to other pages lead nowhere here.", "In a run this one would lead to:", address);
  });

  /* What the page would have loaded from other sites, of which somebody who looks has to know. */
  const untaken = new Set();
  document.addEventListener("securitypolicyviolation", ({ blockedURI: address }) => {
    if (!/^https?:/.test(address) || address.startsWith(base) || untaken.has(address)) return;
    untaken.add(address);
    say("Nothing is loaded from other sites here.", "In a run the page would load the following, if its policy lets it. "
      + "To have it here, too: mephisto.task.preview_sources=['https://...'].", [...untaken].join("\n"));
  });

  function showSubmission({ final_data: data = {} }) {
    say(WORDS, "A worker would have sent the following. preview(...).row({...}) gives it as a row of results().",
      JSON.stringify(data, null, 2));
  }

  function showError({ error_data: error }) {
    if (error?.error_type === "file" && leftOut.length + untaken.size > 0) return; // it is said already what is not loaded
    say("The page reports an error.", "In a run you would read it among run.events().",
      error?.text ?? JSON.stringify(error));
  }
})
