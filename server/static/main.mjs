// The page: two feeds, one item at full length, and the keys.

import { account, become, initial } from "./account.mjs";
import { rail, share, toggle } from "./actions.mjs";
import { announce } from "./announce.mjs";
import { get, resume } from "./api.mjs";
import { showComments } from "./comments.mjs";
import { counters } from "./counters.mjs";
import { clone, make, picture, plural, press, told } from "./dom.mjs";
import { makeFeed } from "./feed.mjs";
import { followInbox, showInbox } from "./notifications.mjs";
import { cardView, toggleSound } from "./player.mjs";
import { covered, notice, sheet } from "./sheet.mjs";
import { itemsOf, slideView } from "./slide.mjs";
import { link } from "./socket.mjs";

const by = (id) => document.getElementById(id);
const on = { read, comments: (item) => showComments(item) };

const kinds = {
	news: { list: "slides", frame: "slide", leads: true, items: itemsOf, pictures: (slide) => itemsOf(slide).map((item) => item.image_url), view: (slide) => slideView(slide, on) },
	foryou: { list: "items", frame: "item", items: (item) => [item], pictures: (item) => [item.poster_url], view: (item) => cardView(item, on) },
};
const feeds = {};
let shown = "news";
let begun = false;
const feed = () => feeds[shown];

for (const [name, kind] of Object.entries(kinds)) {
	feeds[name] = makeFeed({ name, ...kind }, by(`panel-${name}`), () => name === shown && showFresh());
	by(`tab-${name}`).onclick = () => show(name);
	by(`tab-${name}`).onkeydown = ({ key }) => /^Arrow(Left|Right)$/.test(key) && show(name === "news" ? "foryou" : "news").focus();
}

function show(name) {
	shown = name;
	for (const other in kinds) {
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

function read(item) {
	const channel = link.join(`item:${item.id}`);
	const ends = [() => channel.leave(), () => history.replaceState(null, "", location.pathname)];
	const url = /^https?:/i.test(item.original_url) && new URL(item.original_url);
	const away = url && Object.assign(clone("away", { host: `Read at ${url.host}` }), { href: url });
	const text = item.body_text?.split(/\n+/).map((textContent) => make("p", { textContent }));
	const panel = clone("reader", { ...told(item), picture: picture(item), title: item.title, text, away, rail: rail(item, on.comments, ends) });
	sheet("Story", panel, ends);
	history.replaceState(null, "", `#item=${item.id}`);
}

async function visit(id, comment) {
	try {
		const item = await get(`/items/${id}`);
		if (item.retracted) throw new Error("It was taken down.");
		if (comment) showComments(item, comment);
		else read(item);
	} catch (refusal) {
		sheet("Story", notice("This cannot be shown", refusal.message));
	}
}

onhashchange = () => {
	const id = /^#item=([\da-f-]{36})$/i.exec(location.hash);
	if (id) visit(id[1]);
};

const inbox = () => showInbox(visitNews);
const visitNews = (news) => visit(news.item_id, news.comment_id ?? news.target_id);
press(document.body, { "#bell": inbox, "#me": account.show });

account.changes.push(() => {
	const { me } = account;
	by("me").classList.toggle("is-in", me !== null);
	by("me").ariaLabel = me ? `Account of ${me.username}` : "Sign in";
	by("me").lastElementChild.textContent = me && initial(me);
	if (!me) counters.forgetReader();
	// A socket says who it is when it opens; a visitor cannot go on where somebody signed out.
	if (begun) link.connect(() => me || Object.values(feeds).forEach((each) => each.forget()));
	followInbox(visitNews);
});

const [next, back] = [() => feed().go(1), () => feed().go(-1)];
const withItem = (act) => () => feed().here()?.published_at && act(feed().here());
const KEYS = {
	ArrowDown: next, " ": next, j: next, ArrowUp: back, k: back,
	l: withItem((item) => toggle(item, "like")), s: withItem((item) => toggle(item, "bookmark")),
	c: withItem(on.comments), h: withItem(share), o: withItem(read), m: toggleSound, n: inbox,
	1: () => show("news"), 2: () => show("foryou"), "?": () => sheet("Keys", clone("keys"), [], "form"),
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
