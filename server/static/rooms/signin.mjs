// Signing in, or making an account: whichever the reader has.

import { account, become } from "../account.mjs";
import { get, keep, request } from "../api.mjs";
import { clone, make, parts, press } from "../dom.mjs";
import { enter } from "../rooms.mjs";
import { sheet } from "../sheet.mjs";

/** Resolves to whether somebody is signed in. */
export const open = (reason) => new Promise((done) => ask("login", reason, done));

function ask(way, reason, done) {
	const form = clone(way, { reason });
	const [problem, button, first] = parts(form, ".problem", ".primary", "input");
	const ends = [() => done(account.me !== null)];
	const dialog = sheet(form.dataset.title, form, ends, "form");
	const other = () => ends.pop() && ask(way === "login" ? "register" : "login", reason, done);
	press(form, { ".other": other, ".forgot": () => enter("letter", "forgot", first.value) });
	get("/auth/ways").then(({ google }) => google && button.after(make("a", { className: "secondary", href: "/auth/google", textContent: "Continue with Google" })), () => {});
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
