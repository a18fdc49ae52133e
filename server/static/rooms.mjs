// What is not on the first screen is fetched when somebody first goes there.

import { toast } from "./announce.mjs";

/** Enter one of the modules in `rooms/`; each exports `open`. */
export async function enter(room, ...given) {
	const away = (error) => {
		// A module that is there and broken says so in the console.
		if (!(error instanceof TypeError)) throw error;
		toast("Lumen cannot be reached just now.", { action: "Try again", act: () => enter(room, ...given) });
	};
	return (await import(`./rooms/${room}.mjs`).catch(away))?.open(...given);
}
