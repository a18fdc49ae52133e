// Who is reading. Signing in is asked for by the first action that needs it.

import { keep, request } from "./api.mjs";
import { clone, parts, press } from "./dom.mjs";
import { sheet } from "./sheet.mjs";

export const initial = (who) => (who?.display_name || who?.name || "?")[0].toUpperCase();

/** What is in `changes` is called when `me` changes. */
export const account = {
	me: null,
	changes: [],

	/** Whether somebody is signed in, once they are or would rather not. */
	need: (reason = "Like, save, comment, and hear of answers.") => (account.me ? Promise.resolve(true) : new Promise((done) => ask("login", reason, done))),

	show() {
		const { me } = account;
		if (!me) return account.need();
		const panel = clone("account", { initial: initial(me), name: me.display_name, username: `@${me.username}` });
		const dialog = sheet("Your account", press(panel, { button: () => { dialog.close(); account.end(); } }), [], "form");
	},

	end() {
		request("POST", "/auth/logout", undefined, false).catch(() => {});
		keep();
		become(null);
	},
};

export function become(user) {
	account.me = user ?? null;
	account.changes.forEach((hear) => hear());
}

addEventListener("signedout", () => become(null));

function ask(way, reason, done) {
	const form = clone(way, { reason });
	const [problem, button, first] = parts(form, ".problem", ".primary", "input");
	const ends = [() => done(account.me !== null)];
	const dialog = sheet(form.dataset.title, form, ends, "form");
	press(form, { ".text": () => ends.pop() && ask(way === "login" ? "register" : "login", reason, done) });
	form.onsubmit = async (event) => {
		event.preventDefault();
		problem.textContent = "";
		button.disabled = true;
		try {
			const answer = await request("POST", `/auth/${way}`, Object.fromEntries(new FormData(form)), false);
			keep(answer);
			become(answer.user);
			dialog.close();
		} catch (refusal) {
			problem.textContent = refusal.message;
		}
		button.disabled = false;
	};
	first.focus();
}
