// What a reader does to an item: shown at once, taken back if the server refuses.

import { account } from "./account.mjs";
import { announce, toast } from "./announce.mjs";
import { request } from "./api.mjs";
import { counters, roll } from "./counters.mjs";
import { clone, headline, plural, press } from "./dom.mjs";
import { enter } from "./rooms.mjs";

export async function toggle({ id }, what) {
	if (!(await account.need("Sign in and it is done at once."))) return;
	const on = !counters.read(id)[what];
	counters.act(id, what, on);
	try {
		counters.settle(id, what, on, await request(on ? "PUT" : "DELETE", `/items/${id}/${what}`));
		announce(`${what} ${on ? "added" : "removed"}`);
	} catch (refusal) {
		counters.settle(id, what, on);
		toast(refusal.message, { action: "Try again", act: () => toggle({ id }, what) });
	}
}

export function share(item) {
	const url = new URL(`/#item=${item.id}`, location).href;
	if (navigator.share) return navigator.share({ title: headline(item), url }).catch(() => {});
	// There is none on plain http.
	(navigator.clipboard?.writeText(url) ?? Promise.reject()).then(() => toast("The link is in your clipboard."), () => toast(url));
}

export function counted(button, name, unit, count, pressed) {
	button.ariaLabel = `${name}, ${plural(count, unit)}`;
	if (pressed !== undefined) button.ariaPressed = pressed;
	roll(button.querySelector(".count"), count);
}

export function rail(item, ends) {
	const element = press(clone("rail"), {
		".like": () => toggle(item, "like"), ".talk": () => enter("comments", item), ".save": () => toggle(item, "bookmark"), ".pass": () => toggle(item, "repost"), ".share": () => share(item),
	});
	const [like, talk, pass, save] = element.children;
	ends.push(counters.on(item, (now) => {
		counted(like, "Like", "like", now.likes, now.like);
		counted(talk, "Comments", "comment", now.comments);
		counted(pass, "Repost", "repost", now.reposts, now.repost);
		counted(save, "Save", "save", now.bookmarks, now.bookmark);
	}));
	return element;
}
