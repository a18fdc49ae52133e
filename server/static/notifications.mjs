// What concerns the reader.

import { account } from "./account.mjs";
import { toast } from "./announce.mjs";
import { apart, plural } from "./dom.mjs";
import { link } from "./socket.mjs";

const DID = {
	comment: "commented on your post", reply: "answered your comment", like: "liked what you wrote", mention: "mentioned you", follow: "follows you",
	repost: "passed your post on", quote: "quoted your post", poll_ended: "The poll has ended", verdict: "A moderator decided",
	security: "Your account", source_trouble: "A source has trouble", media_trouble: "A film could not be made",
};
let channel, cursor;

export function sentence({ actors: [first], actor_count: all, kind }) {
	const others = all > 1 ? ` and ${plural(all - 1, "other")}` : "";
	return first ? `${apart(first.name)}${others} ${DID[kind]}` : DID[kind];
}

export function count({ unread_count: unread }) {
	const bell = document.getElementById("bell");
	const badge = bell.querySelector(".badge");
	badge.hidden = !unread;
	badge.textContent = Math.min(unread, 99);
	bell.ariaLabel = unread ? `Notifications, ${unread} unread` : "Notifications";
	document.title = unread ? `(${unread}) Lumen` : "Lumen";
}

/** Follow the reader's inbox; `visit` opens what a notification is about. */
export function followInbox(visit) {
	channel?.leave();
	cursor = undefined;
	count({ unread_count: 0 });
	const told = (news) => {
		cursor = news.cursor ?? cursor;
		count(news);
	};
	const notification = (news) => {
		told(news);
		dispatchEvent(new CustomEvent("news", { detail: news }));
		toast(news.excerpt, { title: sentence(news), action: "Show", act: () => visit(news) });
	};
	// What was missed is in the reply: of it the newest is shown.
	const back = (inbox) => (cursor && inbox.items[0] ? notification({ ...inbox.items[0], ...inbox }) : told(inbox));
	// `read`: on another screen. A function: every rejoin says how far this one has come.
	const hears = { notification, read: told, gone: told, missed: back };
	channel = account.me && link.join(`user:${account.me.id}`, hears, back, () => (cursor ? { cursor } : {}));
}

// The socket lives on with the new token.
addEventListener("renewed", ({ detail }) => channel?.push("token", { access_token: detail }));
