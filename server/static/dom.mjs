// Templates become elements; times and numbers, words.

/** Copy a template of index.html and fill its slots; an empty one goes. What has a direction has a `language`. */
export function clone(name, slots = {}) {
	const root = document.getElementById(`t-${name}`).content.firstElementChild.cloneNode(true);
	for (const slot of [root, ...root.querySelectorAll("[data-slot]")]) {
		const value = slots[slot.dataset.slot];
		if (slot.dir && slots.language && slots.language !== "en") slot.lang = slots.language;
		if (value) slot.append(...[value].flat());
		else if (slot !== root) slot.remove();
	}
	return root;
}

export const parts = (root, ...places) => places.map((place) => root.querySelector(place));

/** Let parts of an element be pressed: press(root, {".like": fn}). */
export function press(root, actions) {
	for (const [where, act] of Object.entries(actions)) {
		const part = root.matches(where) ? root : root.querySelector(where);
		if (part) part.onclick = (event) => void act(event);
	}
	return root;
}

/** Let the name of a person of Lumen lead to them. */
export const named = (element, { username } = {}) => (username && (element.dataset.person = username), element);

export const make = (tag, properties) => Object.assign(document.createElement(tag), properties);

const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

export const compact = (number) => short.format(number);
export const plural = (count, one, many = `${one}s`) => `${compact(count)} ${count === 1 ? one : many}`;

export function ago(when) {
	const minutes = Math.floor((Date.now() - new Date(when)) / 60000);
	if (minutes < 60) return minutes < 1 ? "now" : `${minutes} min`;
	return minutes < 1440 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / 1440)} d`;
}

/** Whichever way the words run, the sentence goes on as it was. */
export const apart = (words) => `\u2068${words}\u2069`;

/** Posts and comments have no title: their first words serve. */
export function headline({ title, body_text: words = "" }) {
	return title || (words.length > 140 ? `${words.slice(0, 140).replace(/\s+\S*$/, "")}…` : words) || "Untitled";
}

const KINDS = { TWEET: "Post", COMMENT: "Comment", VIDEO: "Video" };

export const kicker = ({ type, source, author, published_at: when }) =>
	clone("kicker", { kind: KINDS[type], from: source?.title ?? author?.name, age: when && ago(when) });

export const told = (item) => ({ kicker: kicker(item), title: headline(item), language: item.language });

/** An item's own picture over one that its id and topic give, which stays if images are blocked. */
export function picture({ id, category, image_url }, url = image_url) {
	const art = clone("art");
	// The end of an id is chance, the same everywhere.
	const chance = parseInt(id.slice(-4), 16);
	art.dataset.topic = category || chance % 6;
	art.style = `--a:${(chance % 89) / 88};--b:${(chance % 61) / 60}`;
	const image = art.querySelector("img");
	image.onerror = image.remove;
	if (url) image.src = url;
	else image.remove();
	return art;
}

export const calm = matchMedia("(prefers-reduced-motion: reduce)");
