// What screen readers say, and the toasts that everybody sees.

import { clone, press } from "./dom.mjs";

const EVERY = 1500;
const MOST = 3;
let waiting = "";
let last = 0;
let timer = 0;

/** Say it politely; of many sentences in a short time only the last is said. */
export function announce(sentence) {
  waiting = sentence;
  timer ||= setTimeout(() => {
    timer = 0;
    last = Date.now();
    document.getElementById("announcer").textContent = waiting;
  }, Math.max(0, last + EVERY - Date.now()));
}

/** Show a sentence for a while, with at most one thing to do about it. */
export function toast(sentence, { title, action, act, seconds = 6 } = {}) {
  const box = document.getElementById("toasts");
  const card = clone("toast", { title, sentence, action });
  const close = () => card.remove();
  press(card, { ".close": close, ".text": () => { close(); act(); } });
  // Above whatever dialog is open.
  if (box.showPopover) { box.hidePopover(); box.showPopover(); }
  box.append(card);
  if (box.children.length > MOST) box.firstElementChild.remove();
  setTimeout(close, seconds * 1000);
  announce(title ? `${title}: ${sentence}` : sentence);
}
