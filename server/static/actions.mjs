// What a reader does to an item: shown at once, told to the server, taken back if it refuses.

import { account } from "./account.mjs";
import { announce, toast } from "./announce.mjs";
import { request } from "./api.mjs";
import { counters, roll } from "./counters.mjs";
import { clone, headline, plural, press } from "./dom.mjs";

/** Like or bookmark, or take it back. PUT and DELETE may be repeated without harm. */
export async function toggle({ id }, what) {
	if (!(await account.need("Sign in and it is done at once."))) return;
	const on = !counters.read(id)[what];
	counters.act(id, what, on);
	try {
		counters.settle(id, what, on, await request(on ? "PUT" : "DELETE", `/items/${id}/${what}`));
		announce(`${what} ${on ? "added" : "removed"}`);
	} catch (refusal) {
		counters.settle(id, what, on);
		if (refusal.status === 401) account.end();
		toast(refusal.message, { action: "Try again", act: () => toggle({ id }, what) });
	}
}

/** Hand the item's address to what the device shares with, or to the clipboard. */
export async function share(item) {
	const url = new URL(`/#item=${item.id}`, location).href;
	if (navigator.share) return navigator.share({ title: headline(item), url }).catch(() => {});
	try {
		await navigator.clipboard.writeText(url);
		toast("The link is in your clipboard.");
	} catch {
		toast(url, { title: "The link", seconds: 20 });
	}
}

export function counted(button, name, unit, count, pressed) {
	button.ariaLabel = `${name}, ${plural(count, unit)}`;
	if (pressed !== undefined) button.ariaPressed = pressed;
	roll(button.querySelector(".count"), count);
}

/** The buttons under the thumb; `ends` collects how to stop them. */
export function rail(item, comments, ends) {
	const element = press(clone("rail"), {
		".like": () => toggle(item, "like"), ".talk": () => comments(item), ".save": () => toggle(item, "bookmark"), ".share": () => share(item),
	});
	const [like, talk, save] = element.children;
	counters.learn(item);
	ends.push(counters.on(item.id, (now) => {
		counted(like, "Like", "like", now.likes, now.like);
		counted(talk, "Comments", "comment", now.comments);
		counted(save, "Save", "save", now.bookmarks, now.bookmark);
	}));
	return element;
}
