/* The waiting room: says truthfully how many are there, for how long it may take, and what then happens. Nobody is asked. */

import { show } from "./screens.js";

const THEN = {
  send_home: "you can go home.",
  pay: "you can go home.",
  bot: "a computer program takes the empty place.",
  fewer: "you begin with those who are here, if they are enough.",
};

export class Room {
  isOpen = false;
  #room = { here: 1, wanted: 2, seconds: 0, pay: "", then: "send_home" };
  #end = 0;
  #timer = 0;

  show(room = null) {
    if (room) {
      this.#room = room;
      this.#end = performance.now() + room.seconds * 1000;
    }
    this.isOpen = true;
    this.#draw();
  }

  close() {
    this.isOpen = false;
    clearTimeout(this.#timer);
  }

  #draw() {
    clearTimeout(this.#timer);
    const { here, wanted, pay, then } = this.#room;
    const minutes = Math.ceil(Math.max(0, this.#end - performance.now()) / 60_000);
    const wage = pay ? ` You are then paid ${pay} for waiting.` : "";
    show("room", {
      words: wanted > 2 ? "several" : "other",
      fill: {
        here: `${here} of ${wanted} people ${here === 1 ? "is" : "are"} here.`,
        long: minutes > 1 ? `You wait for ${minutes} minutes at most.` : minutes === 1 ? "You wait for one minute at most." : "",
        then: `If ${wanted > 2 ? "somebody is still missing" : "nobody comes"} by then, ${THEN[then]}` + (then === "pay" || then === "send_home" ? wage : ""),
      },
    });
    if (this.isOpen && minutes > 0) this.#timer = setTimeout(() => this.#draw(), 60_000);
  }
}
