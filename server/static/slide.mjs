// A slide of News: one item, three related ones below it.

import { rail } from "./actions.mjs";
import { clone, picture, plural, press, told } from "./dom.mjs";
import { counters } from "./counters.mjs";
import { enter } from "./rooms.mjs";

export const itemsOf = ({ featured, related }) => [featured, ...related];

/** Build a slide; `ends` stop what it listens to. */
export function slideView({ featured, related }) {
	const ends = [];
	const element = clone("slide", {
		featured: featured.retracted ? clone("gone") : story(featured),
		related: related.map((item) => (item.retracted ? clone("gone-card") : card(item, ends))),
		rail: !featured.retracted && rail(featured, ends),
	});
	return { element, ends };
}

function story(item) {
	const title = press(clone("opener", told(item)), { button: () => enter("story", item) });
	return [picture(item), clone("story", { ...told(item), title, summary: item.title && item.body_text?.slice(0, 280) })];
}

function card(item, ends) {
	const element = clone("related", { ...told(item), picture: picture(item), counts: " " });
	const counts = element.querySelector(".counts");
	press(element, { button: () => enter("story", item) });
	ends.push(counters.on(item, ({ likes, comments }) => {
		counts.textContent = [likes && plural(likes, "like"), comments && plural(comments, "comment")].filter(Boolean).join(" · ");
	}));
	return element;
}
