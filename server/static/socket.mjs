// The one socket of the page, and how it fares.

import { Socket } from "/static/vendor/phoenix.mjs";
import { refresh, stale, token } from "./api.mjs";

// A blink of the connection is nobody's business.
const SHOW_AFTER = 700;
const OFFLINE_AFTER = 5000;

export class Link extends EventTarget {
  // connecting | open | reconnecting | offline
  state = "connecting";
  #timers = [];

  constructor() {
    super();
    // A function is asked again at every attempt: an old token never sticks.
    this.socket = new Socket("/socket", { authToken: token });
    this.socket.onOpen(() => this.#found());
    this.socket.onClose(() => this.#lost());
    this.socket.onError(() => this.#lost());
    addEventListener("offline", () => this.#become("offline"));
    addEventListener("online", () => (this.socket.isConnected() ? this.#found() : this.connect()));
  }

  /** Open it, or open it again as whoever is signed in now; joined topics come back by themselves. */
  connect() {
    this.#lost();
    this.socket.disconnect(() => this.socket.connect());
  }

  #found() {
    this.#timers.forEach(clearTimeout);
    this.#timers = [];
    this.#become("open");
  }

  #lost() {
    if (stale()) refresh();
    if (this.#timers.length) return;
    this.#timers = [
      setTimeout(() => this.state === "open" && this.#become("reconnecting"), SHOW_AFTER),
      setTimeout(() => this.#become("offline"), OFFLINE_AFTER),
    ];
  }

  #become(state) {
    this.state = state;
    this.dispatchEvent(new Event("change"));
  }
}

/** Push an event; its reply, or the refusal as an error that can be shown. */
export const ask = (channel, event, payload) =>
  new Promise((resolve, reject) => {
    const refuse = (answer) => reject(new Error(answer?.detail || "Lumen did not answer in time."));
    channel.push(event, payload).receive("ok", resolve).receive("error", refuse).receive("timeout", refuse);
  });
