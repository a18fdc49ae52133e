// What else can be done with a post, and with whoever wrote it.

import { account } from "../account.mjs";
import { share } from "../actions.mjs";
import { toast } from "../announce.mjs";
import { request } from "../api.mjs";
import { clone, make } from "../dom.mjs";
import { enter } from "../rooms.mjs";
import { sheet } from "../sheet.mjs";

/** Show what this reader may do with a post. */
export function open(view) {
	const { item } = view;
	const mine = account.me && item.author?.id === account.me.id;
	const dialog = menu(item.author ? `Post of ${item.author.name}` : "Post", [
		["Quote", () => enter("compose", { quoted: item })],
		["Share", () => share(item)],
		mine && ["Edit", () => enter("compose", { edited: item, done: (fresh) => view.edited(fresh) })],
		mine && ["Delete", remove],
		!mine && ["Report", () => enter("report", { kind: "item", id: item.id })],
	]);

	async function remove() {
		if (!(await sure("Delete this post?", "It goes from every screen, with its comments.", "Delete"))) return;
		try {
			await request("DELETE", `/posts/${item.id}`);
			view.retract({ ids: [item.id] });
			toast("It is deleted.");
		} catch (refusal) {
			toast(refusal.message);
		}
	}
	return dialog;
}

/** A panel of buttons: `[name, act]` each. */
export function menu(title, rows) {
	const list = clone("menu");
	for (const [textContent, act] of rows.filter(Boolean)) {
		list.append(make("button", { type: "button", className: "menu-row", textContent, onclick: () => { dialog.close(); act(); } }));
	}
	const dialog = sheet(title, list, [], "form");
	return dialog;
}

/** Ask whether somebody means it. */
export const sure = (title, sentence, yes) =>
	new Promise((done) => {
		let answer = false;
		const form = clone("sure", { sentence, yes });
		const dialog = sheet(title, form, [() => done(answer)], "form");
		form.onsubmit = (event) => { event.preventDefault(); answer = true; dialog.close(); };
	});
