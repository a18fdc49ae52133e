// Each item's counters; digits that roll.

import { compact, make } from "./dom.mjs";

const MOST = 3000;
// What a reader does, and what the server calls it that they did.
const FLAGS = { like: "liked_by_me", bookmark: "bookmarked_by_me", repost: "reposted_by_me" };
const items = new Map();
const ears = new Map();

function find(id) {
	if (!items.has(id)) {
		// Oldest first, but nothing that is on the screen.
		if (items.size > MOST) for (const old of items.keys()) if (items.size > MOST / 2 && !ears.has(old)) items.delete(old);
		items.set(id, { version: -1, likes: 0, comments: 0, reposts: 0, bookmarks: 0, ahead: {} });
	}
	return items.get(id);
}

const tell = (id) => ears.get(id)?.forEach((hear) => hear(counters.read(id)));

/** The greater version wins; what the reader just did shows before the server has counted it. */
export const counters = {
	learn({ id, retracted, counts, ...told }) {
		if (retracted) return;
		const item = find(id);
		if (counts?.version >= item.version) Object.assign(item, counts);
		for (const [what, flag] of Object.entries(FLAGS)) if (!item.ahead[what]) item[what] = told[flag] ?? item[what];
		tell(id);
	},

	frame: (frame) => frame.items.forEach(({ id, ...counts }) => items.has(id) && counters.learn({ id, counts })),

	act(id, what, on) {
		const item = find(id);
		item[what] = on;
		item.ahead[what] = on ? 1 : -1;
		tell(id);
	},

	/** The server said yes with an answer, or no without one. */
	settle(id, what, on, answer) {
		const item = find(id);
		item.ahead[what] = 0;
		if (!answer) item[what] = !on;
		counters.learn({ ...answer, id });
	},

	forgetReader() {
		for (const [id, item] of items) {
			for (const what in FLAGS) item[what] = false;
			tell(id);
		}
	},

	read(id) {
		const item = find(id);
		const now = { ...item };
		for (const what in FLAGS) {
			now[what] = Boolean(item[what]);
			now[`${what}s`] = Math.max(0, item[`${what}s`] + (item.ahead[what] ?? 0));
		}
		return now;
	},

	/** Call what is returned to stop. */
	on(item, hear) {
		const { id } = item;
		counters.learn(item);
		const these = ears.get(id) ?? new Set();
		ears.set(id, these.add(hear));
		hear(counters.read(id));
		return () => these.delete(hear) && !these.size && ears.delete(id);
	},
};

/** Of the changes within one frame the last is drawn. */
export function roll(element, number) {
	element.wanted = number;
	element.frame ||= requestAnimationFrame(() => {
		const { wanted, shown = wanted, textContent: before } = element;
		const after = wanted ? compact(wanted) : "";
		Object.assign(element, { frame: 0, shown: wanted });
		if (before === after) return;
		const way = wanted === shown ? "" : wanted > shown ? "up" : "down";
		const digit = (textContent, at) => make("span", { textContent, className: before.at(at - after.length) === textContent ? "" : way });
		element.replaceChildren(...[...after].map(digit));
	});
}
