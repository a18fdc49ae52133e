// What screen readers say, and the toasts that everybody sees.

import { clone, press } from "./dom.mjs";

const EVERY = 800;
const MOST = 3;
const [voice, box] = ["announcer", "toasts"].map((id) => document.getElementById(id));
let waiting, timer;

/** Go into an open dialog: outside of it nothing is heard or can be pressed. */
export const attend = () => ([...document.querySelectorAll("dialog[open]")].at(-1) ?? document.body).append(box, voice);

/** Say it politely; of many sentences in a short time only the last is said. */
export function announce(sentence) {
	waiting = sentence;
	timer ||= setTimeout(() => {
		timer = 0;
		voice.textContent = waiting;
	}, EVERY);
}

/** Show a sentence for a while; longer, if there is something to do about it. */
export function toast(sentence, { title, action, act } = {}) {
	const card = clone("toast", { title, sentence, action });
	const close = () => card.remove();
	press(card, { ".close": close, ".text": () => act(close()) });
	box.append(card);
	if (box.children.length > MOST) box.firstElementChild.remove();
	setTimeout(close, action ? 15000 : 6000);
	announce(title ? `${title}: ${sentence}` : sentence);
}
