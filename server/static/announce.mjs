// What screen readers say, and the toasts that everybody sees.

import { clone, press } from "./dom.mjs";

const EVERY = 1500;
const MOST = 3;
const [voice, box] = ["announcer", "toasts"].map((id) => document.getElementById(id));
let waiting, timer;
let last = 0;

/** Say it politely; of many sentences in a short time only the last is said. */
export function announce(sentence) {
	waiting = sentence;
	timer ||= setTimeout(() => {
		timer = 0;
		last = Date.now();
		voice.textContent = waiting;
	}, last + EVERY - Date.now());
}

/** Show a sentence for a while, with at most one thing to do about it. */
export function toast(sentence, { title, action, act, seconds = 6 } = {}) {
	const card = clone("toast", { title, sentence, action });
	const close = () => card.remove();
	press(card, { ".close": close, ".text": () => act(close()) });
	// Nothing outside of an open dialog can be pressed.
	([...document.querySelectorAll("dialog")].at(-1) ?? document.body).append(box);
	box.append(card);
	if (box.children.length > MOST) box.firstElementChild.remove();
	setTimeout(close, seconds * 1000);
	announce(title ? `${title}: ${sentence}` : sentence);
}
