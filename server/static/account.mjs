// Who is reading. Signing in is asked for by the first action that needs it.

import { keep, request } from "./api.mjs";
import { enter } from "./rooms.mjs";

export const initial = (who) => (who?.display_name || who?.name || "?")[0].toUpperCase();

/** What is in `changes` is called when `me` changes. */
export const account = {
	me: null,
	changes: [],

	/** Whether somebody is signed in, once they are or would rather not. */
	need: (reason = "Like, save, comment, and hear of answers.") => (account.me ? Promise.resolve(true) : enter("signin", reason)),

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
