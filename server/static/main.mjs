// The page: two feeds, one item at full length, whoever is reading, and the keys.

import { account, initial } from "./account.mjs";
import { rail, share, toggle } from "./actions.mjs";
import { announce } from "./announce.mjs";
import { get } from "./api.mjs";
import { showComments } from "./comments.mjs";
import { clone, headline, kicker, picture, plural } from "./dom.mjs";
import { makeFeed } from "./feed.mjs";
import { followInbox, showInbox } from "./notifications.mjs";
import { cardView, toggleSound } from "./player.mjs";
import { covered, notice, sheet } from "./sheet.mjs";
import { decodeAhead, itemsOf, slideView } from "./slide.mjs";
import { link } from "./socket.mjs";
import { counters } from "./store.mjs";

const by = (id) => document.getElementById(id);
const on = { read, comments: showComments };

const kinds = {
  news: { name: "news", list: "slides", frame: "slide", items: itemsOf, view: (slide) => slideView(slide, on), ahead: (slide) => decodeAhead(itemsOf(slide).map((item) => item.image_url)) },
  foryou: { name: "foryou", list: "items", frame: "item", items: (item) => [item], view: (item) => cardView(item, on), ahead: (item) => decodeAhead([item.poster_url]) },
};
const names = Object.keys(kinds);
const feeds = Object.fromEntries(names.map((name) => [name, makeFeed(kinds[name], link, by(`panel-${name}`), () => name === shown && showFresh())]));
let shown = "news";
const feed = () => feeds[shown];

// ---- tabs and the pill --------------------------------------------------------------------------

function show(name) {
  shown = name;
  for (const other of names) {
    const tab = by(`tab-${other}`);
    tab.setAttribute("aria-selected", other === name);
    tab.tabIndex = other === name ? 0 : -1;
    by(`panel-${other}`).hidden = other !== name;
  }
  feed().start();
  showFresh();
}

function showFresh() {
  const words = plural(feed().fresh.size, "new story", "new stories");
  by("fresh").hidden = !feed().fresh.size;
  by("fresh").lastElementChild.textContent = words;
  if (feed().fresh.size) announce(words);
}

for (const name of names) {
  by(`tab-${name}`).onclick = () => show(name);
  by(`tab-${name}`).onkeydown = ({ key }) => {
    if (key !== "ArrowLeft" && key !== "ArrowRight") return;
    show(names.find((other) => other !== name));
    by(`tab-${shown}`).focus();
  };
}
by("fresh").onclick = () => {
  feed().renew();
  by(`panel-${shown}`).focus();
};

// ---- one item -----------------------------------------------------------------------------------

/** Open an item at full length; the address becomes a link to it. */
function read(item) {
  const channel = link.join(`item:${item.id}`);
  const ends = [() => channel.leave(), () => history.replaceState(null, "", location.pathname)];
  const url = /^https?:/i.test(item.original_url) && item.original_url;
  const text = (item.body_text ?? "").split(/\n+/).map((words) => Object.assign(document.createElement("p"), { textContent: words }));
  const panel = clone("reader", { picture: picture(item), kicker: kicker(item), title: item.title, text, link: url && new URL(url).host, rail: rail(item, showComments, ends) });
  if (url) panel.querySelector("a").href = url;
  else panel.querySelector("a").remove();
  sheet("Story", panel, () => ends.forEach((end) => end()));
  history.replaceState(null, "", `#item=${item.id}`);
}

/** Open an item of which only the id is known; at one of its comments if that is why. */
async function visit(id, comment) {
  try {
    const item = await get(`/items/${id}`);
    if (item.retracted) throw new Error("It was taken down.");
    if (comment) showComments(item, comment);
    else read(item);
  } catch (refusal) {
    const dialog = sheet("Story", notice("This cannot be shown", refusal.message, "Close", () => dialog.close()));
  }
}

onhashchange = () => {
  const id = /^#item=([\da-f-]{36})$/i.exec(location.hash);
  if (id) visit(id[1]);
};

// ---- the reader ---------------------------------------------------------------------------------

const visitNews = (news) => visit(news.item_id, news.comment_id ?? news.target_id);
by("bell").onclick = () => showInbox(visitNews);
by("me").onclick = account.show;
account.changes.push(() => {
  const { me } = account;
  by("me").classList.toggle("is-in", me !== null);
  by("me").setAttribute("aria-label", me ? `Account of ${me.username}` : "Sign in");
  by("me").lastElementChild.textContent = me && initial(me);
  if (!me) counters.forgetReader();
  // A socket says who it is when it opens.
  if (link.state !== "connecting") link.connect();
  followInbox(visitNews);
});

// ---- keys ---------------------------------------------------------------------------------------

const [next, back] = [() => feed().go(1), () => feed().go(-1)];
const withItem = (act) => () => feed().here()?.published_at && act(feed().here());
const KEYS = {
  ArrowDown: next, PageDown: next, " ": next, j: next, ArrowUp: back, PageUp: back, k: back,
  l: withItem((item) => toggle(item, "like")), s: withItem((item) => toggle(item, "bookmark")),
  c: withItem((item) => showComments(item)), h: withItem(share), o: withItem(read), m: toggleSound,
  1: () => show("news"), 2: () => show("foryou"), n: () => showInbox(visitNews), "?": () => sheet("Keys", clone("keys"), undefined, "form"),
};

onkeydown = (event) => {
  const act = KEYS[event.key];
  const busy = event.target.closest(event.key === " " ? "input, textarea, button, a" : "input, textarea");
  if (!act || busy || covered() || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  act();
};

// ---- go -----------------------------------------------------------------------------------------

link.changes.push((state) => {
  by("link-state").dataset.state = state;
  by("link-state").textContent = state === "offline" ? "You are offline. The rest follows by itself." : "";
});
show("news");
// An earlier session goes on first, so that the socket opens once, as the right person.
await account.resume();
link.connect();
onhashchange();
