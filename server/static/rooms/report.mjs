// Telling the moderators of something.

import { account } from "../account.mjs";
import { toast } from "../announce.mjs";
import { request } from "../api.mjs";
import { clone, parts } from "../dom.mjs";
import { sheet } from "../sheet.mjs";

/** Report `{kind, id}`: an item, or a person. */
export async function open(target) {
	if (!(await account.need("Sign in, so that a moderator can answer you."))) return;
	const form = clone("report");
	const [problem, send] = parts(form, ".problem", ".primary");
	const dialog = sheet("Report", form, [], "form");
	form.onsubmit = async (event) => {
		event.preventDefault();
		send.disabled = true;
		const { reason, note } = Object.fromEntries(new FormData(form));
		try {
			await request("POST", "/reports", { target, reason, note });
			dialog.close();
			toast("Thank you. A moderator looks at it.");
		} catch (refusal) {
			problem.textContent = refusal.message;
			send.disabled = false;
		}
	};
}
