// The one socket of the page, and how it fares.

import { Socket } from "/static/vendor/phoenix.mjs";
import { refresh, stale, token } from "./api.mjs";
import { counters } from "./counters.mjs";

// A blink of the connection is nobody's business.
const SHOW_AFTER = 700;
const OFFLINE_AFTER = 6000;

// A function is asked again at every attempt: an old token never sticks.
const socket = new Socket("/socket", { authToken: token, longPollFallbackMs: 5000 });
let timers = [];

/** What is in `changes` is called with each `state`: open, reconnecting or offline. */
export const link = {
	state: "connecting",
	changes: [],

	/** Open it anew, as whoever is signed in now. */
	connect(closed = () => {}) {
		lost();
		socket.disconnect(() => (closed(), socket.connect()));
	},

	/** `hears` by event, `joined` with the reply of every join. */
	join(topic, hears = {}, joined = () => {}, params = {}) {
		const channel = socket.channel(topic, params);
		for (const [event, hear] of Object.entries({ counters: counters.frame, ...hears })) channel.on(event, hear);
		channel.join().receive("ok", joined);
		return channel;
	},
};

function become(state) {
	link.state = state;
	link.changes.forEach((hear) => hear(state));
}

function found() {
	// Long poll is for where websockets never open, not for a blink.
	socket.longPollFallbackMs = 0;
	timers.forEach(clearTimeout);
	timers = [];
	become("open");
}

function lost() {
	if (stale()) refresh();
	if (!timers.length)
		timers = [
			setTimeout(() => link.state === "open" && become("reconnecting"), SHOW_AFTER),
			setTimeout(() => become("offline"), OFFLINE_AFTER),
		];
}

socket.onOpen(found);
socket.onClose(lost);
socket.onError(lost);
addEventListener("offline", () => become("offline"));
addEventListener("online", () => (socket.isConnected() ? found() : link.connect()));
