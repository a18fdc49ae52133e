// Where the links of letters lead, and what somebody does who has forgotten their password.

import { account } from "../account.mjs";
import { request } from "../api.mjs";
import { clone, parts } from "../dom.mjs";
import { notice, sheet } from "../sheet.mjs";

const doors = { "verify-email": verify, "reset-password": reset, forgot, "sign-in-failed": failed };

/** Take what stood in the page's fragment: what it is for, and its token. */
export const open = (what, value) => doors[what]?.(value);

async function verify(token) {
	try {
		await request("POST", "/auth/email/verify", { token });
		sheet("Your address", notice("It is confirmed", "Thank you. Letters of Lumen reach you."), [], "form");
	} catch (refusal) {
		sheet("Your address", notice("It is not confirmed", refusal.message), [], "form");
	}
}

function reset(token) {
	ask("new-password", "Choose a new password", async ({ password }) => {
		await request("POST", "/auth/password/reset", { token, password });
		sheet("Your password", notice("It is changed", "You were signed out everywhere.", "Sign in", () => account.need()), [], "form");
	});
}

function forgot(login = "") {
	ask("forgot", "Forgotten password", async ({ email }) => {
		await request("POST", "/auth/password/forgot", { email });
		sheet("Forgotten password", notice("Look into your letters", "If somebody here has that address, a link is on its way. It works for 30 minutes."), [], "form");
	}).elements.email.value = login.includes("@") ? login : "";
}

function failed() {
	sheet("Sign in", notice("You are not signed in", "It did not work out this time, or you changed your mind.", "Try again", () => account.need()), [], "form");
}

function ask(template, title, act) {
	const form = clone(template);
	const [problem, send, first] = parts(form, ".problem", ".primary", "input");
	const dialog = sheet(title, form, [], "form");
	form.onsubmit = async (event) => {
		event.preventDefault();
		send.disabled = true;
		problem.textContent = "";
		try {
			await act(Object.fromEntries(new FormData(form)));
			dialog.close();
		} catch (refusal) {
			problem.textContent = refusal.message;
		}
		send.disabled = false;
	};
	first.focus();
	return form;
}
