// The page: its feeds, the ways to its rooms, and the keys.

import { account, become, initial } from "./account.mjs";
import { share, toggle } from "./actions.mjs";
import { announce } from "./announce.mjs";
import { resume } from "./api.mjs";
import { counters } from "./counters.mjs";
import { calm, clone, plural, press } from "./dom.mjs";
import { makeFeed } from "./feed.mjs";
import { followInbox } from "./notifications.mjs";
import { cardView, toggleSound } from "./player.mjs";
import { enter } from "./rooms.mjs";
import { covered, sheet } from "./sheet.mjs";
import { itemsOf, slideView } from "./slide.mjs";
import { link } from "./socket.mjs";

const by = (id) => document.getElementById(id);

const kinds = {
	news: { list: "slides", frame: "slide", leads: true, items: itemsOf, pictures: (slide) => itemsOf(slide).map((item) => item.image_url), view: slideView },
	foryou: { list: "items", frame: "item", items: (item) => [item], pictures: (item) => [item.poster_url], view: cardView },
};
const following = by("panel-following");
// A list, not a stage: short posts are read many at once.
const feeds = {
	following: {
		fresh: new Set(), here() {}, forget() {},
		start: (anew) => enter("following", following.firstElementChild, feeds.following.fresh, showFresh, anew), renew: () => feeds.following.start(true),
		go: (by) => following.scrollBy({ top: by * following.clientHeight * 0.8, behavior: calm.matches ? "instant" : "smooth" }),
	},
};
const NAMES = [...Object.keys(kinds), "following"];
let shown = "news";
let begun = false;
const feed = () => feeds[shown];

for (const [name, kind] of Object.entries(kinds)) {
	feeds[name] = makeFeed({ name, ...kind }, by(`panel-${name}`), () => name === shown && showFresh());
}

NAMES.forEach((name, at) => {
	const beside = { ArrowLeft: NAMES.at(at - 1), ArrowRight: NAMES[(at + 1) % NAMES.length] };
	by(`tab-${name}`).onclick = () => show(name);
	by(`tab-${name}`).onkeydown = ({ key }) => beside[key] && show(beside[key]).focus();
});

function show(name) {
	shown = name;
	for (const other of NAMES) {
		Object.assign(by(`tab-${other}`), { ariaSelected: other === name, tabIndex: other === name ? 0 : -1 });
		by(`panel-${other}`).hidden = other !== name;
	}
	feed().start();
	showFresh();
	return by(`tab-${name}`);
}

function showFresh() {
	const count = feed().fresh.size;
	const words = plural(count, "new story", "new stories");
	by("fresh").hidden = !count;
	by("fresh").lastElementChild.textContent = words;
	if (count) announce(words);
}

by("fresh").onclick = () => {
	feed().renew();
	by(`panel-${shown}`).focus();
};

onhashchange = () => {
	const [, what, value] = /^#([\w-]+)=([\w-]+)$/.exec(location.hash) ?? [];
	if (what === "item") enter("story", { id: value });
	else if (what === "user") enter("profile", value);
	// What came by letter is used once: it does not stay in the address.
	else if (what) enter("letter", what, value, history.replaceState(null, "", location.pathname));
};

function visitNews({ kind, item_id: id, comment_id: comment, target_id: target, actors }) {
	if (id) enter("story", { id }, comment ?? (target === id ? undefined : target));
	else if (kind === "follow") enter("profile", actors[0].username);
	else inbox();
}

const inbox = () => enter("inbox", visitNews);
press(document.body, { "#bell": inbox, "#me": () => (account.me ? enter("account") : account.need()) });
// Wherever a person is named, the name leads to them.
addEventListener("click", ({ target }) => {
	const who = target.closest("[data-person]")?.dataset.person;
	if (who) enter("profile", who);
});

account.changes.push(() => {
	const { me } = account;
	by("me").classList.toggle("is-in", me !== null);
	by("me").ariaLabel = me ? `Account of ${me.username}` : "Sign in";
	by("me").lastElementChild.textContent = me && initial(me);
	if (!me) counters.forgetReader();
	// A socket says who it is when it opens; a visitor cannot go on where somebody signed out.
	if (begun) link.connect(() => me || Object.values(feeds).forEach((each) => each.forget()));
	if (shown === "following") feed().start();
	followInbox(visitNews);
});

const [next, back] = [() => feed().go(1), () => feed().go(-1)];
const withItem = (act) => () => feed().here()?.published_at && act(feed().here());
const KEYS = {
	ArrowDown: next, " ": next, j: next, ArrowUp: back, k: back,
	l: withItem((item) => toggle(item, "like")), s: withItem((item) => toggle(item, "bookmark")),
	c: withItem((item) => enter("comments", item)), h: withItem(share), o: withItem((item) => enter("story", item)), m: toggleSound, n: inbox,
	1: () => show("news"), 2: () => show("foryou"), 3: () => show("following"), p: () => enter("compose"), "?": () => sheet("Keys", clone("keys"), [], "form"),
};

onkeydown = (event) => {
	const busy = event.target.closest(event.key === " " ? "input, textarea, button, a" : "input, textarea");
	if (!KEYS[event.key] || busy || covered() || event.ctrlKey || event.metaKey || event.altKey) return;
	event.preventDefault();
	KEYS[event.key]();
};

link.changes.push((state) => {
	by("link-state").dataset.state = state;
	by("link-state").textContent = state === "offline" ? "You are offline. The rest follows by itself." : "";
});

show("news");
// First an earlier session: the socket opens once, as the right person.
become(await resume());
begun = true;
link.connect();
onhashchange();
