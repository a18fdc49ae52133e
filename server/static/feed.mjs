// A feed: what was given, the few slides in the document, and one cursor for the socket and REST.

import { announce } from "./announce.mjs";
import { get } from "./api.mjs";
import { calm, clone, headline, press } from "./dom.mjs";
import { link } from "./socket.mjs";
import { counters } from "./counters.mjs";

// With the one in view and the tail, at most seven slides are in the document.
const BEHIND = 2;
const AHEAD = 3;
const KEPT_BEHIND = 120;
const REST_AFTER = 2500;
const SETTLED = 120;

/** Show a feed of a `kind` (see main.mjs); `news` hears when the fresh items change. */
export function makeFeed(kind, panel, news) {
	const track = panel.firstElementChild;
	const [views, inView, fresh] = [new Map(), new Set(), new Set()];
	let entries = [];
	let current = 0;
	let state = "loading";
	let watched = new Set();
	let acked = 0;
	let channel, cursor, told, asking, tail, timer;
	// What the pill told of begins the new session.
	let lead = [];

	// The reply to the join is the first page.
	function start() {
		if (channel) return want();
		const hears = {
			[kind.frame]: (push) => given({ [kind.list]: [{ ...push[kind.frame], seq: push.seq }], cursor: push.cursor }),
			fresh: ({ ids }) => {
				ids.forEach((id) => fresh.add(id));
				if (!entries.length) return renew();
				news();
				if (state === "end") become("loading");
				want();
			},
			retract,
			media,
			// The session was lost.
			reset: (lost) => (cursor = lost.cursor),
		};
		const joined = (page) => {
			asking = null;
			// A page came by REST meanwhile: its session is the reader's, not this one.
			if (told !== cursor) {
				channel.leave();
				channel = null;
				return start();
			}
			acked = 0;
			watched = new Set();
			given(page);
			follow();
			want();
		};
		// A function: every rejoin says how far this screen has come.
		channel = link.join(`feed:${kind.name}`, hears, joined, () => ((told = cursor) ? { cursor } : lead.length ? { fresh: lead } : {}));
		channel.joinPush.receive("error", failed);
		setTimeout(() => entries.length || page(), REST_AFTER);
	}

	function given(page) {
		const list = page[kind.list];
		list.forEach((each, at) => {
			const data = { seq: page.first_seq + at, ...each };
			const id = data.slide_id ?? data.id;
			if (entries.some((entry) => entry.id === id)) return;
			entries.push({ id, data });
			kind.items(data).forEach(counters.learn);
		});
		cursor = page.cursor;
		if (list.length || state === "failed") state = "loading";
		draw();
		if (page.has_more === false && left() < 1) become(entries.length ? "end" : "empty");
	}

	function renew() {
		channel?.leave();
		[...views.keys()].forEach(unmount);
		lead = kind.leads ? [...fresh].slice(-10).reverse() : [];
		fresh.clear();
		watched.clear();
		entries = [];
		channel = cursor = asking = undefined;
		panel.scrollTop = current = 0;
		become("loading");
		news();
		start();
	}

	const left = () => entries.length - 1 - current;
	const live = () => link.state === "open" && channel?.state === "joined";

	function want() {
		if (state !== "loading" || panel.hidden || !channel) return;
		// What is pushed ahead should do; at its end the reader asks.
		if (live() ? left() < 1 && entries.length : link.state === "offline" && left() < AHEAD) page();
	}

	// Without a socket: pages of the same session, at the same cursor.
	function page() {
		if (asking) return;
		const mine = (asking = live()
			? new Promise((ok, no) => channel.push("more", { limit: AHEAD }).receive("ok", ok).receive("error", no).receive("timeout", no))
			: get(`/feed/${kind.name}`, { cursor, limit: AHEAD }));
		const then = (act) => (answer) => mine === asking && act(answer, (asking = null));
		mine.then(then(given), then(failed));
	}

	function failed(refusal) {
		if (refusal?.reason === "cursor_invalid") cursor = undefined;
		become("failed");
	}

	function again() {
		become("loading");
		if (entries.length) page();
		else renew();
	}

	function retract({ ids }) {
		entries.forEach(({ data }, index) => {
			for (const item of kind.items(data)) {
				if (!ids.includes(item.id)) continue;
				item.retracted = true;
				if (views.has(index)) unmount(index);
			}
		});
		ids.forEach((id) => fresh.delete(id));
		draw();
		news();
	}

	function media(card) {
		const index = entries.findIndex(({ id }) => id === card.id);
		Object.assign(entries[index]?.data ?? {}, card);
		views.get(index)?.media(card);
	}

	const here = () => entries[current]?.data.featured ?? entries[current]?.data;

	function go(by) {
		const to = Math.max(0, Math.min(current + by, entries.length));
		panel.scrollTo({ top: to * panel.clientHeight, behavior: calm.matches ? "instant" : "smooth" });
	}

	function scrolled() {
		const now = Math.min(Math.round(panel.scrollTop / panel.clientHeight), entries.length);
		if (!(now >= 0) || now === current) return;
		current = now;
		draw();
		follow();
		want();
		if (here()) announce(headline(here()));
	}

	const observer = new IntersectionObserver((changes) => {
		for (const { target, intersectionRatio } of changes) {
			const seen = intersectionRatio >= 0.6;
			inView[seen ? "add" : "delete"](target.entry);
			target.view.visible?.(seen);
		}
		clearTimeout(timer);
		timer = setTimeout(follow, SETTLED);
	}, { root: panel, threshold: [0, 0.6] });

	// Tell how far the reader is, and whose counters are in view.
	function follow() {
		if (!live()) return;
		const seq = entries[Math.min(current, entries.length - 1)]?.data.seq;
		if (seq > acked && !panel.hidden) channel.push("ack", { seq: (acked = seq) });
		const wanted = new Set([...inView].flatMap(({ data }) => kind.items(data).map(({ id }) => id)));
		const [off, on] = [[...watched].filter((id) => !wanted.has(id)), [...wanted].filter((id) => !watched.has(id))];
		watched = wanted;
		if (off.length) channel.push("unwatch", { ids: off });
		if (on.length) channel.push("watch", { ids: on }).receive("ok", counters.frame);
	}

	function draw() {
		const [from, to] = [Math.max(0, current - BEHIND), current + AHEAD];
		for (const index of views.keys()) if (index < from || index > to) unmount(index);
		for (let index = from; index <= to && index < entries.length; index++) {
			if (!views.has(index)) mount(index);
			views.get(index).element.ariaCurrent = index === current;
		}
		drawTail();
	}

	function mount(index) {
		const entry = entries[index];
		const view = kind.view(entry.data);
		Object.assign(view.element, { entry, view, index }).dataset.seq = entry.data.seq;
		view.element.style.setProperty("--index", index);
		views.set(index, view);
		track.insertBefore(view.element, [...track.children].find((other) => other.index > index) ?? tail);
		observer.observe(view.element);
		for (const src of kind.pictures(entry.data)) if (src) Object.assign(new Image(), { src }).decode().catch(() => {});
	}

	function unmount(index) {
		const { element, ends } = views.get(index);
		observer.unobserve(element);
		inView.delete(element.entry);
		element.remove();
		ends.forEach((end) => end());
		views.delete(index);
	}

	function become(next) {
		state = next;
		drawTail();
	}

	// After the last slide: the next one's shape, or what is the matter.
	function drawTail() {
		const key = `${state} ${entries.length}`;
		if (tail?.dataset.state !== key) {
			// A new one each time: snapping carries the reader along with one that moves.
			tail?.remove();
			tail = press(clone("tail", { content: clone(state) }), { button: again });
			tail.dataset.state = key;
			tail.style.setProperty("--index", entries.length);
			track.append(tail);
			track.style.setProperty("--count", entries.length + 1);
		}
		tail.ariaCurrent = current === entries.length;
		tail.hidden = left() >= AHEAD;
	}

	const hold = () => { panel.scrollTop = current * panel.clientHeight; };

	// Memory stays flat.
	function forgetFar() {
		scrolled();
		const drop = current - KEPT_BEHIND;
		if (drop < KEPT_BEHIND / 4) return;
		[...views.keys()].forEach(unmount);
		entries.splice(0, drop);
		current -= drop;
		draw();
		hold();
	}

	panel.onscroll = () => requestAnimationFrame(scrolled);
	panel.onscrollend = forgetFar;
	new ResizeObserver(hold).observe(panel);
	link.changes.push(() => {
		if (state === "failed") state = "loading";
		want();
	});
	draw();
	return { start, renew, go, here, fresh, forget: () => channel && renew() };
}
