// A list of what people posted: page after page, counters of what is visible.

import { clone, press } from "../dom.mjs";
import { notice } from "../sheet.mjs";
import { postView } from "./post.mjs";

const SETTLED = 150;
const MOST_WATCHED = 100;

/**
 * Draw a list; `load(cursor)` gives its pages, `nothing` is shown where there is none, and
 * `watch(ids, on)` hears which items come into view and leave it.
 */
export function postList(load, nothing, watch = () => {}) {
	const element = clone("post-list");
	const [list, more] = element.children;
	const views = new Map();
	const visible = new Set();
	let told = new Set();
	let cursor, asking, timer;

	const eyes = new IntersectionObserver((changes) => {
		for (const { target, isIntersecting } of changes) {
			if (target === more) isIntersecting && next();
			else visible[isIntersecting ? "add" : "delete"](target.dataset.id);
		}
		clearTimeout(timer);
		timer = setTimeout(follow, SETTLED);
	}, { rootMargin: "400px 0px" });

	function follow() {
		const wanted = new Set([...visible].slice(0, MOST_WATCHED));
		const [off, fresh] = [[...told].filter((id) => !wanted.has(id)), [...wanted].filter((id) => !told.has(id))];
		told = wanted;
		if (off.length) watch(off, false);
		if (fresh.length) watch(fresh, true);
	}

	function put(item, place) {
		if (views.has(item.id)) return;
		const view = postView(item);
		const row = clone("post-row");
		row.dataset.id = item.id;
		row.append(view.element);
		views.set(item.id, view);
		list[place](row);
		eyes.observe(row);
	}

	function show(page) {
		for (const item of page.items) put(item, "append");
		cursor = page.next_cursor;
		more.hidden = !page.has_more;
		if (!views.size) list.replaceChildren(nothing(page));
		// Anew, for one that stays in view says nothing.
		eyes.unobserve(more);
		if (page.has_more) eyes.observe(more);
	}

	async function next() {
		if (asking) return;
		asking = true;
		try {
			show(await load(cursor));
		} catch (refusal) {
			const again = () => { list.querySelector(".notice")?.remove(); next((asking = false)); };
			list.append(notice("The posts did not come through", refusal.message, "Try again", again));
			more.hidden = true;
			return;
		} finally {
			list.querySelector(".stand-in")?.remove();
		}
		asking = false;
	}

	press(element, { ".more": next });
	next();
	return {
		element,
		has: (id) => views.has(id),
		first(item) { list.querySelector(".notice")?.remove(); put(item, "prepend"); },
		rewatch: () => { told = new Set(); follow(); },
		tell: (event, payload) => views.forEach((view) => view[event](payload)),
		end() {
			eyes.disconnect();
			clearTimeout(timer);
			views.forEach((view) => view.end());
		},
	};
}
