// The conversation under an item.

import { account, initial } from "../account.mjs";
import { counted, toggle } from "../actions.mjs";
import { announce, toast } from "../announce.mjs";
import { get, request } from "../api.mjs";
import { counters } from "../counters.mjs";
import { ago, apart, clone, headline, named, parts, plural, press } from "../dom.mjs";
import { enter } from "../rooms.mjs";
import { notice, sheet } from "../sheet.mjs";
import { link } from "../socket.mjs";
import { menu, sure } from "./menu.mjs";

// Rows of what was not sent, and about what: they outlive the panel.
const unsent = new Map();
const MOST_UNSENT = 50;
const SAY_AGAIN = 3000;

/** Open it, at one comment if that is why. */
export function open(item, focus) {
	const panel = clone("comments");
	const [list, more, form, answering, here, writing] = parts(panel, ".thread", ".more", "form", ".answering", ".here", ".writing");
	const input = form.elements.body;
	const path = `/items/${item.id}/comments`;
	const rows = new Map();
	const ends = [];
	let parent, cursor;

	list.ariaLabel = `Comments on ${headline(item)}`;

	const under = (id) => rows.get(id)?.querySelector(".answers") ?? list;

	// Threads newest first; answers under what they answer, oldest first.
	function put(row) {
		const to = under(row.parent);
		const after = [...to.children].find(({ id }) => id && (to === list ? id < row.id : id > row.id));
		to.insertBefore(row, after ?? null);
	}

	function place(comment) {
		if (rows.has(comment.id)) return;
		const row = draw(comment);
		rows.set(comment.id, row);
		// An answer may have come before what it answers.
		for (const each of [row, ...rows.values()]) if (each === row || each.parent === comment.id) put(each);
		return row;
	}

	function draw(comment) {
		const name = comment.author?.name ?? "Somebody";
		const slots = { initial: initial(comment.author), name, age: ago(comment.published_at), words: comment.body_text, language: comment.language };
		const row = Object.assign(clone(comment.retracted ? "comment-gone" : "comment", slots), { id: `c-${comment.id}`, parent: comment.parent_id });
		if (comment.retracted) return row;
		named(row.querySelector(".name"), comment.author);
		press(row, { ".like": () => toggle(comment, "like"), ".reply": () => answer(comment.id, name), ".menu": () => manage(comment, row) });
		ends.push(counters.on(comment, ({ likes, like }) => counted(row.querySelector(".like"), `Like the comment of ${name}`, "like", likes, like)));
		return row;
	}

	function manage(comment, row) {
		const mine = comment.author?.id === account.me?.id;
		menu(`Comment of ${comment.author?.name ?? "somebody"}`, [
			mine && ["Delete", async () => {
				if (!(await sure("Delete this comment?", "Answers to it stay.", "Delete"))) return;
				try {
					await request("DELETE", `/comments/${comment.id}`);
					gone(row);
				} catch (refusal) {
					toast(refusal.message);
				}
			}],
			!mine && ["Report", () => enter("report", { kind: "item", id: comment.id })],
		]);
	}

	function answer(id, name) {
		parent = id;
		answering.hidden = !id;
		answering.firstElementChild.textContent = `Answering ${apart(name)}`;
		input.focus();
	}

	function arrived(comment) {
		place(comment)?.classList.add("is-new");
		if (comment.author?.id !== account.me?.id) announce(`${comment.author?.name} commented`);
	}

	function show(page) {
		list.querySelector(".stand-in")?.remove();
		page.items.forEach(place);
		cursor = page.cursor;
		more.hidden = !page.has_more;
		if (!rows.size) list.append(clone("no-comments"));
		for (const [row, about] of unsent) if (about === item.id) under(row.parent).prepend(row);
		const found = rows.get(focus);
		found?.scrollIntoView({ block: "center" });
		found?.classList.add("is-new");
		focus = null;
	}

	const fetchPage = (from) => get(path, { cursor: from }).then(show, fail);
	const fail = (refusal) => rows.size || list.replaceChildren(notice("The comments did not come through", refusal.message, "Try again", () => fetchPage()));

	// It stays until the server has it or the reader drops it.
	function send(body) {
		const row = Object.assign(clone("pending", { name: account.me.display_name, words: body }), { parent });
		const drop = () => { unsent.delete(row); row.remove(); };
		const attempt = async () => {
			if (!(await account.need())) return;
			row.dataset.state = "sending";
			try {
				arrived(await request("POST", path, { body, parent_id: row.parent }));
				drop();
			} catch (refusal) {
				row.dataset.state = "failed";
				row.querySelector(".problem").textContent = refusal.message;
			}
		};
		unsent.set(row, item.id);
		if (unsent.size > MOST_UNSENT) unsent.delete(unsent.keys().next().value);
		press(row, { ".again": attempt, ".drop": drop });
		under(parent).prepend(row);
		row.scrollIntoView({ block: "nearest" });
		attempt();
	}

	form.onsubmit = async (event) => {
		event.preventDefault();
		const body = input.value.trim();
		if (!body || !(await account.need("Sign in and your comment is sent at once."))) return;
		input.value = "";
		said = 0;
		send(body);
		answer();
	};
	input.onkeydown = (event) => {
		if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
		event.preventDefault();
		form.requestSubmit();
	};
	press(panel, { ".more": () => fetchPage(cursor), ".cancel": () => answer() });

	const gone = (row) => row?.querySelector(".said")?.replaceWith(clone("gone"));
	const retract = ({ ids }) => ids.forEach((id) => gone(rows.get(id)));
	const edited = (comment) => { const words = rows.get(comment.id)?.querySelector(".words"); if (words) words.textContent = comment.body_text; };
	const presence = ({ count }) => { here.textContent = count > 1 ? `${plural(count, "person", "people")} here` : ""; };
	const typing = ({ people, count }) => {
		const others = people.filter(({ id }) => id !== account.me?.id);
		const many = count - (people.length - others.length);
		writing.textContent = !many ? "" : many === 1 && others[0] ? `${apart(others[0].name)} is writing…` : `${many} are writing…`;
	};
	const channel = link.join(`item:${item.id}`, { comment: arrived, comment_edited: edited, retract, presence, typing }, show);
	// Said again every few seconds while it is so: the server forgets it by itself.
	let said = 0;
	input.oninput = () => {
		if (!account.me || !input.value || Date.now() - said < SAY_AGAIN) return;
		said = Date.now();
		channel.push("typing", { on: true });
	};
	if (link.state === "offline") fetchPage();
	ends.push(() => channel.leave());
	sheet("Comments", panel, ends);
}
