// One item at full length: a story of a source, or what somebody of Lumen posted.

import { rail } from "../actions.mjs";
import { get } from "../api.mjs";
import { clone, make, picture, told } from "../dom.mjs";
import { enter } from "../rooms.mjs";
import { notice, sheet } from "../sheet.mjs";
import { link } from "../socket.mjs";
import { postView } from "./post.mjs";

/** Show an item, or a comment under it; of one that was only told of, `{id}` is enough. */
export async function open(item, comment) {
	try {
		const whole = item.published_at ? item : await get(`/items/${item.id}`);
		if (whole.retracted) throw new Error("It was taken down.");
		if (comment) enter("comments", whole, comment);
		else (whole.author?.username && whole.type !== "COMMENT" ? post : story)(whole);
	} catch (refusal) {
		sheet("Story", notice("This cannot be shown", refusal.message));
	}
}

function show(title, item, panel, ends, hears, joined) {
	const channel = link.join(`item:${item.id}`, hears, joined);
	ends.push(() => channel.leave(), () => history.replaceState(null, "", location.pathname));
	sheet(title, panel, ends);
	history.replaceState(null, "", `#item=${item.id}`);
}

function story(item) {
	const ends = [];
	const url = /^https?:/i.test(item.original_url) && new URL(item.original_url);
	const away = url && Object.assign(clone("away", { host: `Read at ${url.host}` }), { href: url });
	const text = item.body_text?.split(/\n+/).map((textContent) => make("p", { textContent }));
	const slots = { ...told(item), picture: picture(item), title: item.title, text, away, rail: rail(item, ends) };
	show("Story", item, clone("reader", slots), ends);
}

function post(item) {
	const view = postView(item);
	const panel = clone("post-page", { post: view.element });
	const hears = { poll: view.poll, edited: ({ items }) => items.forEach(view.edited), retract: view.retract, link: view.link };
	// Meanwhile the poll may have moved.
	show("Post", item, panel, [view.end], hears, ({ poll }) => poll && view.asked(poll));
}
