// The reader's own account: who they are to others, what they want to hear, where they are signed in.

import { account, become, initial } from "../account.mjs";
import { toast } from "../announce.mjs";
import { get, keep, request } from "../api.mjs";
import { ago, clone, make, parts, press } from "../dom.mjs";
import { enter } from "../rooms.mjs";
import { notice, sheet } from "../sheet.mjs";
import { postList } from "./list.mjs";
import { sure } from "./menu.mjs";

const pages = { profile, privacy, news, signins, password, saved, copy, leave };

/** Show the account, or one page of it. */
export function open(page) {
	const { me } = account;
	if (!me) return account.need();
	if (page) return pages[page]();
	const panel = clone("account", { initial: initial(me), name: me.display_name, username: `@${me.username}`, unconfirmed: !me.email_verified && "Your address is not confirmed: send the letter again" });
	const dialog = sheet("Your account", panel, [], "form");
	const go = (act) => () => { dialog.close(); act(); };
	press(panel, {
		".out": go(account.end),
		".mine": go(() => enter("profile", me.username)),
		".write": go(() => enter("compose")),
		".resend": () => attempt(() => request("POST", "/auth/email/resend"), "A letter is on its way to you."),
	});
	for (const row of panel.querySelectorAll("[data-page]")) row.onclick = go(pages[row.dataset.page]);
	panel.querySelector(".admin").hidden = me.role !== "admin";
}

async function attempt(act, done) {
	try {
		const answer = await act();
		if (done) toast(done);
		return answer ?? true;
	} catch (refusal) {
		toast(refusal.message);
	}
}

/** A form that is filled with what `load` gives and sent to `save`. */
async function ask(template, title, load, save, done = "It is saved.") {
	const form = clone(template);
	const [problem, send] = parts(form, ".problem", ".primary");
	const now = load && (await attempt(load));
	if (load && !now) return;
	for (const field of form.elements) {
		if (!field.name || now?.[field.name] === undefined) continue;
		if (field.type === "checkbox") field.checked = now[field.name];
		else field.value = Array.isArray(now[field.name]) ? now[field.name].join("\n") : now[field.name];
	}
	const dialog = sheet(title, form, [], "form");
	form.onsubmit = async (event) => {
		event.preventDefault();
		send.disabled = true;
		problem.textContent = "";
		const given = {};
		for (const field of form.elements) if (field.name) given[field.name] = field.type === "checkbox" ? field.checked : field.value;
		try {
			await save(given, dialog);
			dialog.close();
			if (done) toast(done);
		} catch (refusal) {
			problem.textContent = refusal.message;
		}
		send.disabled = false;
	};
	return form;
}

function profile() {
	const { me } = account;
	return ask("profile-form", "Your profile", () => get(`/users/${me.username}`), async ({ display_name, bio, links }) => {
		const fresh = await request("PATCH", "/users/me", { display_name, bio, links: links.split(/\s+/).filter(Boolean) });
		me.display_name = fresh.display_name;
	});
}

function privacy() {
	return ask("privacy-form", "Privacy", () => get("/users/me/settings"), (given) => request("PATCH", "/users/me/settings", given));
}

function password() {
	return ask("password-form", "Password", null, (given) => request("PUT", "/auth/password", given), "Your password is changed.");
}

const KINDS = {
	reply: "Answers to you", comment: "Comments on your posts", mention: "Mentions of you", quote: "Quotes of your posts", follow: "New followers", like: "Likes",
	repost: "Reposts", poll_ended: "Polls that ended", verdict: "Decisions of moderators", security: "Your account's safety",
};

async function news() {
	const now = await attempt(() => get("/notifications/preferences"));
	if (!now) return;
	const form = clone("news-form");
	const [rows, digest] = parts(form, "tbody", "select");
	digest.value = now.digest;
	digest.onchange = () => attempt(() => request("PATCH", "/notifications/preferences", { digest: digest.value }), "It is saved.");
	for (const [kind, words] of Object.entries(KINDS)) {
		if (!now.kinds[kind]) continue;
		const row = make("tr", {});
		row.append(make("th", { textContent: words, scope: "row" }));
		for (const [way, name] of [["in_app", "on the page"], ["push", "by push"], ["mail", "by letter"]]) {
			const box = make("input", { type: "checkbox", checked: now.kinds[kind][way], ariaLabel: `${words}, ${name}` });
			box.onchange = async () => (await attempt(() => request("PATCH", "/notifications/preferences", { kinds: { [kind]: { [way]: box.checked } } }))) || (box.checked = !box.checked);
			const cell = make("td", {});
			cell.append(box);
			row.append(cell);
		}
		rows.append(row);
	}
	sheet("What you hear of", form, [], "form");
}

async function signins() {
	const list = clone("signins");
	const [rows, all] = list.children;
	sheet("Where you are signed in", list, [], "form");
	const load = async () => {
		const found = await attempt(() => get("/auth/sessions"));
		if (!found) return;
		rows.replaceChildren(...found.items.map((each) => {
			const where = each.user_agent.match(/(Firefox|Edg|Chrome|Safari)/)?.[1] ?? "A program";
			const on = each.user_agent.match(/(Android|iPhone|iPad|Windows|Mac OS|Linux)/)?.[1];
			const row = clone("signin", { where: on ? `${where} on ${on}` : where, when: each.current ? "This one" : `Last used ${ago(each.last_used_at)} ago`, end: !each.current && "End" });
			return press(row, { button: async () => (await attempt(() => request("DELETE", `/auth/sessions/${each.id}`), "It is ended.")) && load() });
		}));
		all.hidden = found.items.length < 2;
	};
	press(list, { ".all": async () => (await attempt(() => request("DELETE", "/auth/sessions?keep_current=true"), "All others are ended.")) && load() });
	load();
}

function saved() {
	const list = postList((cursor) => get("/bookmarks", { cursor, limit: 20 }), () => notice("Nothing saved yet", "What you save is kept here, and only you see it."));
	sheet("Saved", Object.assign(clone("scroll-page", { content: list.element })), [list.end]);
}

async function copy() {
	const asked = await attempt(() => request("POST", "/users/me/export"));
	if (!asked) return;
	const panel = clone("copy", { state: "It is being made…" });
	let open_ = true;
	sheet("A copy of your data", panel, [() => { open_ = false; }], "form");
	const [state, link] = parts(panel, ".state", ".fetch");
	for (let wait = 1000; open_; wait = Math.min(wait * 1.5, 15000)) {
		const now = await get("/users/me/export").catch(() => asked);
		if (now.state === "ready") {
			state.textContent = "It is ready.";
			link.hidden = false;
			link.onclick = () => attempt(() => fetchCopy(now.id));
			return;
		}
		if (now.state === "failed") return void (state.textContent = "It could not be made. Try again later.");
		await new Promise((done) => setTimeout(done, wait));
	}
}

async function fetchCopy(id) {
	const text = JSON.stringify(await get(`/users/me/export/${id}`), null, 1);
	const url = URL.createObjectURL(new Blob([text], { type: "application/json" }));
	make("a", { href: url, download: "lumen.json" }).click();
	URL.revokeObjectURL(url);
}

async function leave() {
	if (!(await sure("Delete your account?", "What you wrote goes with it. For 30 days you can come back by signing in.", "Go on"))) return;
	await ask("leave-form", "Delete your account", null, async (given) => {
		await request("DELETE", "/auth/me", given);
		keep();
		become(null);
	}, "Your account is being deleted.");
}
