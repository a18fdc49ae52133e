// What those whom the reader follows posted, newest first; what comes waits behind the pill.

import { account } from "../account.mjs";
import { get } from "../api.mjs";
import { counters } from "../counters.mjs";
import { clone, press } from "../dom.mjs";
import { enter } from "../rooms.mjs";
import { notice } from "../sheet.mjs";
import { link } from "../socket.mjs";
import { postList } from "./list.mjs";

let shown, list, channel;

/** Draw it for whoever reads now; `fresh` are the ids that came since, `news` hears of them. */
export function open(panel, fresh, news, anew) {
	const { me } = account;
	if (shown === (me?.id ?? null) && !anew) return;
	shown = me?.id ?? null;
	list?.end();
	channel?.leave();
	list = channel = undefined;
	fresh.clear();
	news();
	if (!me) return panel.replaceChildren(notice("Follow people", "Sign in, and what they post is here.", "Sign in", () => account.need("Sign in to follow people.")));

	// The reply to the join is the first page; without a socket it comes by REST.
	const first = new Promise((done) => {
		const arrived = ({ ids, item }) => {
			for (const id of ids ?? [item.id]) if (!list?.has(id)) fresh.add(id);
			news();
		};
		const hears = {
			fresh: arrived, item: arrived, edited: ({ items }) => items.forEach((item) => list.tell("edited", item)),
			retract: (gone) => { gone.ids.forEach((id) => fresh.delete(id)); news(); list.tell("retract", gone); },
		};
		channel = link.join("feed:following", hears, (page) => { done(page); list?.rewatch(); }, { limit: 20 });
		channel.joinPush.receive("error", () => done());
		setTimeout(done, 2500);
	});
	// What one posts oneself is there at once.
	const write = () => enter("compose", { done: (item) => { fresh.delete(item.id); news(); list.first(item); } });
	const empty = ({ hint }) =>
		hint === "follow_somebody"
			? notice("You follow nobody yet", "Tap a name anywhere, then Follow. What they post is here.", "Write the first post", write)
			: notice("Quiet here", "Those whom you follow have not posted yet.", "Write something", write);
	const load = async (cursor) => (!cursor && (await first)) || get("/feed/following", { cursor, limit: 20 });
	const watch = (ids, yes) => channel.state === "joined" && channel.push(yes ? "watch" : "unwatch", { ids }).receive("ok", yes ? counters.frame : () => {});
	list = postList(load, empty, watch);
	panel.replaceChildren(press(clone("compose-button"), { button: write }), list.element);
	panel.parentElement.scrollTop = 0;
}
