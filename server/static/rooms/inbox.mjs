// The reader's notifications, those of one thing together.

import { account, initial } from "../account.mjs";
import { get, request } from "../api.mjs";
import { ago, clone, press } from "../dom.mjs";
import { count, sentence } from "../notifications.mjs";
import { enter } from "../rooms.mjs";
import { notice, sheet } from "../sheet.mjs";

/** Show them; `visit` opens what one of them is about. */
export async function open(visit) {
	if (!(await account.need("Sign in to see who answered you."))) return;
	const panel = clone("inbox");
	const [list, more] = panel.children;
	let cursor;
	// What comes meanwhile stands at the top, in the place of what it adds to.
	const came = ({ detail: news }) => {
		list.querySelector(`[data-id="${news.id}"], .notice`)?.remove();
		list.prepend(row(news));
	};
	addEventListener("news", came);
	sheet("Notifications", panel, [() => removeEventListener("news", came)]);

	function row(news) {
		const slots = { ...news, initial: initial(news.actors[0]), sentence: sentence(news), age: ago(news.updated_at), unread: !news.read && "New" };
		const element = press(clone("inbox-row", slots), { button: () => visit(news) });
		element.dataset.id = news.id;
		return element;
	}

	async function next() {
		try {
			const page = await get("/notifications", { cursor });
			list.querySelector(".stand-in")?.remove();
			list.append(...page.items.map(row));
			if (!list.children.length) list.append(notice("Nothing yet", "When somebody answers you, follows you or likes what you wrote, it is here."));
			// What is on the screen is read; on every other screen too.
			if (!cursor && page.unread_count) count(await request("POST", "/notifications/read", { up_to: page.items[0].id }));
			cursor = page.next_cursor;
			more.hidden = !page.has_more;
		} catch (refusal) {
			list.replaceChildren(notice("They did not come through", refusal.message, "Try again", () => enter("inbox", visit)));
		}
	}
	press(panel, { ".more": next });
	next();
}
