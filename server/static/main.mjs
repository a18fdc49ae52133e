// The page: two feeds, one socket, whoever is reading, and the keys.

import { account, initial } from "./account.mjs";
import { rail, share, toggle } from "./actions.mjs";
import { announce } from "./announce.mjs";
import { get } from "./api.mjs";
import { showComments } from "./comments.mjs";
import { clone, headline, kicker, picture, plural, press } from "./dom.mjs";
import { Feed } from "./feed.mjs";
import { Notifications } from "./notifications.mjs";
import { cardView, toggleSound } from "./player.mjs";
import { covered, notice, sheet } from "./sheet.mjs";
import { decodeAhead, itemsOf, slideView } from "./slide.mjs";
import { Link } from "./socket.mjs";
import { counters } from "./store.mjs";

const by = (id) => document.getElementById(id);
const link = new Link();
const on = { read, comments: (item) => showComments(item, link) };

const feeds = {
  news: new Feed({
    topic: "feed:news", path: "/feed/news", list: "slides", frame: "slide", items: itemsOf,
    view: (slide) => slideView(slide, on), ahead: (slide) => decodeAhead(itemsOf(slide).map((item) => item.image_url)),
  }, link, by("panel-news")),
  foryou: new Feed({
    topic: "feed:foryou", path: "/feed/foryou", list: "items", frame: "item", items: (item) => [item],
    view: (item) => cardView(item, on), ahead: (item) => decodeAhead([item.poster_url]),
  }, link, by("panel-foryou")),
};
let shown = "news";
const feed = () => feeds[shown];

// ---- tabs and the pill --------------------------------------------------------------------------

function show(name) {
  shown = name;
  for (const other of Object.keys(feeds)) {
    const tab = by(`tab-${other}`);
    tab.setAttribute("aria-selected", other === name);
    tab.tabIndex = other === name ? 0 : -1;
    by(`panel-${other}`).hidden = other !== name;
  }
  feed().start();
  showFresh();
}

function showFresh() {
  const count = feed().fresh.size;
  by("fresh").hidden = !count;
  const words = by("fresh").querySelector("span");
  words.textContent = plural(count, "new story", "new stories");
  if (count) announce(words.textContent);
}

for (const name of Object.keys(feeds)) {
  by(`tab-${name}`).onclick = () => show(name);
  by(`tab-${name}`).onkeydown = ({ key }) => {
    if (key !== "ArrowLeft" && key !== "ArrowRight") return;
    show(name === "news" ? "foryou" : "news");
    by(`tab-${shown}`).focus();
  };
  feeds[name].addEventListener("fresh", showFresh);
}
by("fresh").onclick = () => {
  feed().renew();
  by(`panel-${shown}`).focus();
};

// ---- one item -----------------------------------------------------------------------------------

/** Open an item at full length; the address becomes a link to it. */
function read(item) {
  const channel = link.socket.channel(`item:${item.id}`, {});
  const ends = [() => channel.leave(), () => history.replaceState(null, "", location.pathname)];
  const url = /^https?:/i.test(item.original_url) && item.original_url;
  const text = (item.body_text ?? "").split(/\n\s*\n/).map((words) => Object.assign(document.createElement("p"), { textContent: words }));
  const panel = clone("reader", { picture: picture(item), kicker: kicker(item), title: item.title, text, link: url && new URL(url).host, rail: rail(item, on.comments, ends) });
  if (url) panel.querySelector("a").href = url;
  channel.on("counters", ({ items }) => items.forEach(counters.apply));
  channel.join();
  sheet("Story", panel, () => ends.forEach((end) => end()));
  history.replaceState(null, "", `#item=${item.id}`);
}

/** Open an item of which only the id is known; at one of its comments if that is why. */
async function visit(id, comment) {
  try {
    const item = await get(`/items/${id}`);
    if (item.retracted) throw new Error("It was taken down.");
    if (comment) showComments(item, link, comment);
    else read(item);
  } catch (refusal) {
    const dialog = sheet("Story", notice("This cannot be shown", refusal.message, "Close", () => dialog.close()));
  }
}

function follow() {
  const id = /^#item=([\da-f-]{36})$/i.exec(location.hash);
  if (id) visit(id[1]);
}
addEventListener("hashchange", follow);

// ---- the reader ---------------------------------------------------------------------------------

const inbox = new Notifications(link, (news) => visit(news.item_id, news.comment_id ?? news.target_id));
press(document.body, { "#bell": () => inbox.show(), "#me": () => account.show() });
account.addEventListener("change", () => {
  const { me } = account;
  by("me").classList.toggle("is-in", Boolean(me));
  by("me").setAttribute("aria-label", me ? `Account of ${me.username}` : "Sign in");
  by("me").querySelector(".initial").textContent = me ? initial(me) : "";
  if (!me) counters.forgetReader();
  // A socket says who it is when it opens.
  if (link.socket.isConnected()) link.connect();
});

// ---- keys ---------------------------------------------------------------------------------------

const [next, back] = [() => feed().go(1), () => feed().go(-1)];
const withItem = (act) => () => feed().here && !feed().here.retracted && act(feed().here);
const KEYS = {
  ArrowDown: next, PageDown: next, " ": next, j: next, ArrowUp: back, PageUp: back, k: back,
  l: withItem((item) => toggle(item, "like")), s: withItem((item) => toggle(item, "bookmark")),
  c: withItem(on.comments), h: withItem(share), o: withItem(read), m: toggleSound,
  1: () => show("news"), 2: () => show("foryou"), n: () => inbox.show(), "?": () => sheet("Keys", clone("keys"), undefined, "form"),
};

addEventListener("keydown", (event) => {
  const act = KEYS[event.key];
  const busy = event.target.closest(event.key === " " ? "input, textarea, button, a" : "input, textarea");
  if (!act || busy || covered() || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  act();
});

// ---- go -----------------------------------------------------------------------------------------

link.addEventListener("change", () => { by("link-state").dataset.state = link.state; by("link-state").textContent = link.state === "offline" ? "You are offline. The rest follows by itself." : ""; });
show("news");
// An earlier session goes on first, so that the socket opens once, as the right person.
await account.resume();
link.connect();
follow();
