/**
 * The link of one view to its kernel.
 *
 * From here go `look` (which topics somebody sees; renewed while they do, so that a closed tab is forgotten), `act`,
 * `preview` and `submission`. Back come `state` (a whole state), `delta` (what has changed since the last one, by
 * dotted path), `here` (the kernel lives) and `reply`. A topic is a run's id, or "runs".
 */

const RENEW = 20_000;
const PATIENCE = 8_000;
const CUT_OFF = ".jupyter-widgets-disconnected";

function assign(state, path, value) {
  const names = path.split(".");
  const last = names.pop();
  let place = state;
  for (const name of names) place = place[name] ??= {};
  place[last] = value;
}

export class Link {
  constructor(model, el) {
    this.model = model;
    this.id = Math.random().toString(36).slice(2);
    this.topics = new Map();
    this.requests = new Map();
    this.lastRequest = 0;
    this.lastHeard = Date.now() / 1000;
    this.away = false;
    this.onAway = () => {};
    this.intersects = false;
    this.frame = 0;
    this.receive = (message) => this.handle(message);
    this.lookAgain = () => this.look();
    model.on("msg:custom", this.receive);
    this.doubtIt = () => {
      this.setAway(true);
      this.look();
    };
    model.on("comm_live_update", this.doubtIt);
    document.addEventListener("visibilitychange", this.lookAgain);
    this.observer = new IntersectionObserver((entries) => {
      this.intersects = entries.at(-1).isIntersecting;
      this.look();
    });
    el.classList.add("mnb-place");
    this.observer.observe(el);
    this.renewal = setInterval(() => this.looks && this.look(), RENEW);
    this.cut = new MutationObserver(() => {
      if (el.closest(CUT_OFF) !== null) this.setAway(true);
    });
    this.watchForCut(el);
  }

  close() {
    this.topics.clear();
    this.look();
    this.model.off("msg:custom", this.receive);
    this.model.off("comm_live_update", this.doubtIt);
    document.removeEventListener("visibilitychange", this.lookAgain);
    this.observer.disconnect();
    clearInterval(this.renewal);
    this.cut.disconnect();
    clearTimeout(this.doubt);
    cancelAnimationFrame(this.frame);
  }

  get looks() {
    return this.intersects && document.visibilityState === "visible" && this.topics.size > 0;
  }

  /** Have `draw(state, changed)` called with each new state of a topic; `changed` names its parts. `fail(why)`: there is none. */
  follow(topic, draw, fail) {
    this.topics.set(topic, { draw, fail, state: null, rev: null, changed: new Set() });
    this.look();
  }

  unfollow(topic) {
    this.topics.delete(topic);
    this.look();
  }

  /** Tell the kernel which topics are seen here, and expect to hear from it. */
  look(again = []) {
    const topics = this.looks ? [...this.topics.keys()] : [];
    if (topics.length === 0 && !this.toldOfLook) return;
    this.toldOfLook = topics.length > 0;
    this.send({ type: "look", view: this.id, topics, again });
    clearTimeout(this.doubt);
    if (topics.length > 0) this.doubt = setTimeout(() => this.setAway(true), PATIENCE);
  }

  send(message) {
    try {
      this.model.send(message);
    } catch {
      this.setAway(true);
    }
  }

  /** Ask the kernel for something; it is rejected with an `Error` that says why not. */
  ask(message) {
    const request = ++this.lastRequest;
    return new Promise((resolve, reject) => {
      this.requests.set(request, { resolve, reject });
      this.send({ ...message, view: this.id, request });
    });
  }

  handle(message) {
    if (message.view !== undefined && message.view !== this.id) return;
    this.lastHeard = Date.now() / 1000;
    clearTimeout(this.doubt);
    this.setAway(false);
    if (message.type === "reply") this.settle(message);
    const topic = this.topics.get(message.topic);
    if (topic === undefined) return;
    if (message.type === "state") this.replace(topic, message);
    else if (message.type === "delta") this.change(message.topic, topic, message);
    else if (message.type === "failed") topic.fail(message.error);
  }

  settle({ request, error, result }) {
    const waiting = this.requests.get(request);
    this.requests.delete(request);
    if (error) waiting?.reject(new Error(error));
    else waiting?.resolve(result);
  }

  replace(topic, { rev, state }) {
    topic.rev = rev;
    topic.state = structuredClone(state);
    for (const name of Object.keys(state)) topic.changed.add(name);
    this.drawSoon();
  }

  change(name, topic, { rev, set }) {
    if (topic.state === null) return;
    if (rev !== topic.rev + 1) {
      this.look([name]);
      return;
    }
    topic.rev = rev;
    for (const [path, value] of Object.entries(set)) {
      assign(topic.state, path, value);
      topic.changed.add(path.split(".", 1)[0]);
    }
    this.drawSoon();
  }

  drawSoon() {
    if (this.frame !== 0) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      for (const topic of this.topics.values()) {
        if (topic.changed.size === 0) continue;
        const { changed } = topic;
        topic.changed = new Set();
        topic.draw(topic.state, changed);
      }
    });
  }

  setAway(away) {
    if (this.away === away) return;
    this.away = away;
    this.onAway(away);
  }

  /** Hear of it when JupyterLab marks the widget as cut off, as it does as soon as the kernel is restarted. */
  watchForCut(el) {
    const widget = el.closest(".jupyter-widgets") ?? el;
    this.cut.observe(widget, { attributes: true, attributeFilter: ["class"] });
  }
}
