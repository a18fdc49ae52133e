// What concerns the reader.

import { account, initial } from "./account.mjs";
import { toast } from "./announce.mjs";
import { get, request } from "./api.mjs";
import { ago, apart, clone, plural, press } from "./dom.mjs";
import { notice, sheet } from "./sheet.mjs";
import { link } from "./socket.mjs";

const DID = { comment: "commented on your post", reply: "answered your comment", like: "liked your comment" };
let channel;

function sentence({ actors, actor_count, kind }) {
	const others = actor_count > 1 ? ` and ${plural(actor_count - 1, "other")}` : "";
	return `${apart(actors[0]?.name ?? "Somebody")}${others} ${DID[kind]}`;
}

function count({ unread_count: unread }) {
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
	count({ unread_count: 0 });
	const notification = (news) => {
		count(news);
		toast(news.excerpt, { title: sentence(news), action: "Show", act: () => visit(news) });
	};
	// `read`: on another screen.
	channel = account.me && link.join(`user:${account.me.id}`, { notification, read: count }, count);
}

export async function showInbox(visit) {
	if (!(await account.need("Sign in to see who answered you."))) return;
	const panel = clone("inbox");
	sheet("Notifications", panel);
	const row = (news) => {
		const slots = { ...news, initial: initial(news.actors[0]), sentence: sentence(news), age: ago(news.updated_at), unread: !news.read && "New" };
		return press(clone("inbox-row", slots), { button: () => visit(news) });
	};
	try {
		const page = await get("/notifications");
		panel.replaceChildren(...page.items.map(row));
		if (!page.items.length) panel.append(notice("Nothing yet", "When somebody answers you or likes what you wrote, it is here."));
		if (page.unread_count) count(await request("POST", "/notifications/read", { up_to: page.items[0].id }));
	} catch (refusal) {
		panel.replaceChildren(notice("They did not come through", refusal.message, "Try again", () => showInbox(visit)));
	}
}
