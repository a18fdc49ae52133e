// A slide of News: one item on the upper two thirds, three related ones below it.

import { rail } from "./actions.mjs";
import { clone, headline, kicker, picture, plural, press } from "./dom.mjs";
import { counters } from "./counters.mjs";

export const itemsOf = ({ featured, related }) => [featured, ...related];

/** Build a slide; `ends` stop what it listens to. */
export function slideView({ featured, related }, on) {
	const ends = [];
	const element = clone("slide", {
		featured: featured.retracted ? clone("gone") : story(featured, on),
		related: related.map((item) => (item.retracted ? clone("gone-card") : card(item, on, ends))),
		rail: !featured.retracted && rail(featured, on.comments, ends),
	});
	return { element, ends };
}

function story(item, on) {
	const title = press(clone("opener", { title: headline(item) }), { button: () => on.read(item) });
	return [picture(item), clone("story", { kicker: kicker(item), title, summary: item.title && item.body_text?.slice(0, 280) })];
}

function card(item, on, ends) {
	const element = clone("related", { picture: picture(item), kicker: kicker(item), title: headline(item), counts: " " });
	const counts = element.querySelector(".counts");
	press(element, { button: () => on.read(item) });
	counters.learn(item);
	ends.push(counters.on(item.id, ({ likes, comments }) => {
		counts.textContent = [likes && plural(likes, "like"), comments && plural(comments, "comment")].filter(Boolean).join(" · ");
	}));
	return element;
}
