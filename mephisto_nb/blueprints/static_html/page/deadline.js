/* Says calmly how long is left, and only when it is little. */

import { announce } from "./screens.js";

const SHOWN_FROM = 300;
const SECOND = 1000;

export class Deadline {
  #place = document.getElementById("time-left");
  #timer = 0;
  #end = 0;
  #announced = Infinity;

  start(seconds) {
    if (!Number.isFinite(seconds) || seconds <= 0) return;
    this.#end = performance.now() + seconds * SECOND;
    this.#tick();
  }

  stop() {
    clearTimeout(this.#timer);
    this.#place.hidden = true;
  }

  #tick() {
    const left = Math.max(0, (this.#end - performance.now()) / SECOND);
    const minutes = Math.ceil(left / 60);
    this.#place.hidden = left > SHOWN_FROM;
    if (left <= SHOWN_FROM) this.#say(minutes, left);
    const next = left > SHOWN_FROM ? left - SHOWN_FROM : Math.max(1, left - (minutes - 1) * 60);
    if (left > 0) this.#timer = setTimeout(() => this.#tick(), Math.min(next * SECOND, 3600 * SECOND));
  }

  #say(minutes, left) {
    const text = minutes <= 1 ? "Less than a minute left" : `About ${minutes} minutes left`;
    this.#place.textContent = left > 0 ? text : "The time is over";
    if ([5, 1].includes(minutes) && minutes < this.#announced) {
      this.#announced = minutes;
      announce(text);
    }
  }
}
