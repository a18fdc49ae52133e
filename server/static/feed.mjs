// A feed: what the server gave, the few slides of it that are in the document, the place in it.
// One cursor goes on over the socket and over REST.

import { announce } from "./announce.mjs";
import { get } from "./api.mjs";
import { calm, clone, headline } from "./dom.mjs";
import { notice } from "./sheet.mjs";
import { ask } from "./socket.mjs";
import { counters } from "./store.mjs";

// With the one in view and the one after the last, seven slides at most are in the document.
const BEHIND = 2;
const AHEAD = 3;
const KEPT_BEHIND = 120;
const REST_AFTER = 2500;
const SETTLED = 120;

const TAILS = {
  failed: ["The stories did not come through", "Lumen could not be reached. What you have seen is still here.", "Try again"],
  end: ["That is all for now", "You have seen everything there is. New stories show at the top as they come in.", "Look again"],
  empty: ["Nothing here yet", "Stories appear as soon as a first source was read. Add one with: lumen source add", "Look again"],
};

/** `kind` tells feeds apart: {topic, path, list, frame, items, view, ahead}. Tells of `moved` and `fresh`. */
export class Feed extends EventTarget {
  entries = [];
  current = 0;
  fresh = new Set();
  #kind; #link; #panel; #track; #channel; #cursor; #tail; #timer; #observer;
  #state = "loading";
  #views = new Map();
  #known = new Set();
  #inView = new Set();
  #watched = new Set();
  #acked = 0;
  #asking = null;

  constructor(kind, link, panel) {
    super();
    this.#kind = kind;
    this.#link = link;
    this.#panel = panel;
    this.#track = panel.firstElementChild;
    this.#observer = new IntersectionObserver((changes) => this.#seen(changes), { root: panel, threshold: [0, 0.6] });
    panel.addEventListener("scroll", () => requestAnimationFrame(() => this.#scrolled()), { passive: true });
    panel.addEventListener("scrollend", () => this.#forgetFar());
    new ResizeObserver(() => this.#hold()).observe(panel);
    link.addEventListener("change", () => this.#want());
    this.#draw();
  }

  /** Join, if this was not done; the reply is the first page. */
  start() {
    if (this.#channel) return this.#want();
    // Params as a function: every rejoin says how far this screen has come.
    const channel = this.#link.socket.channel(this.#kind.topic, () => (this.#cursor ? { cursor: this.#cursor } : {}));
    this.#channel = channel;
    channel.on(this.#kind.frame, (frame) => this.#take([{ ...frame[this.#kind.frame], seq: frame.seq }], frame.cursor));
    channel.on("counters", ({ items }) => items.forEach(counters.apply));
    channel.on("fresh", ({ ids }) => this.#fresh(ids));
    channel.on("retract", ({ ids }) => this.#retract(ids));
    channel.on("media", (news) => this.#media(news));
    // The session was lost: what is on the screen stays, and goes on after the new cursor.
    channel.on("reset", ({ cursor }) => { this.#cursor = cursor; });
    channel.join().receive("ok", (reply) => this.#joined(reply)).receive("error", ({ reason }) => {
      if (reason === "cursor_invalid") this.#cursor = null;
      this.#become("failed");
    });
    setTimeout(() => this.entries.length || this.#page(), REST_AFTER);
  }

  #joined(reply) {
    this.#acked = 0;
    this.#watched.clear();
    this.#given(reply);
    this.#follow();
    this.#want();
  }

  // A page, whichever way it came.
  #given(page) {
    const list = page[this.#kind.list] ?? [];
    this.#take(list.map((data, at) => ({ seq: page.first_seq + at, ...data })), page.next_cursor ?? page.cursor);
    if (page.has_more === false && this.#left < 1) this.#become(this.entries.length ? "end" : "empty");
  }

  #take(list, cursor) {
    for (const data of list) {
      const id = data.slide_id ?? data.id;
      if (this.#known.has(id)) continue;
      this.#known.add(id);
      this.entries.push({ id, data });
      this.#kind.items(data).forEach((item) => counters.learn(item));
    }
    if (cursor) this.#cursor = cursor;
    if (list.length) this.#state = "loading";
    this.#draw();
  }

  /** Move by so many slides. */
  go(by) {
    const to = Math.max(0, Math.min(this.current + by, this.entries.length));
    this.#panel.scrollTo({ top: to * this.#panel.clientHeight, behavior: calm.matches ? "instant" : "smooth" });
  }

  /** Start over at the newest: the reader asked for it. */
  renew() {
    this.#channel?.leave();
    [...this.#views.keys()].forEach((index) => this.#unmount(index));
    Object.assign(this, { entries: [], current: 0 });
    [this.fresh, this.#known, this.#watched].forEach((set) => set.clear());
    this.#channel = this.#cursor = this.#asking = null;
    this.#panel.scrollTop = 0;
    this.#become("loading");
    this.#tell("fresh");
    this.start();
    if (this.#link.state === "offline") this.#page();
  }

  // ---- asking for what comes next ---------------------------------------------------------------

  get #left() { return this.entries.length - 1 - this.current; }
  get #joinedNow() { return this.#link.socket.isConnected() && this.#channel?.state === "joined"; }

  #want() {
    if (this.#state !== "loading" || this.#panel.hidden || !this.#channel) return;
    if (this.#joinedNow) { if (this.#left < 1 && this.entries.length) this.#more(); }
    else if (this.#link.state === "offline" && this.#left < AHEAD) this.#page();
  }

  // The window pushed ahead should have been enough; at its end the reader asks.
  #more() { this.#fetch(() => ask(this.#channel, "more", { limit: AHEAD })); }

  // Without a socket: pages of the same session, at the same cursor.
  #page() { this.#fetch(() => get(this.#kind.path, { cursor: this.#cursor, limit: AHEAD })); }

  async #fetch(way) {
    if (this.#asking) return;
    const asking = (this.#asking = {});
    try {
      const page = await way();
      if (asking === this.#asking) this.#given(page);
    } catch (refusal) {
      if (refusal.reason === "cursor_invalid") this.#cursor = null;
      if (asking === this.#asking) this.#become("failed");
    }
    if (asking === this.#asking) this.#asking = null;
  }

  #again() {
    this.#become("loading");
    if (!this.entries.length) this.renew();
    else if (this.#joinedNow) this.#more();
    else this.#page();
  }

  // ---- what is seen -----------------------------------------------------------------------------

  #scrolled() {
    const now = Math.min(Math.round(this.#panel.scrollTop / this.#panel.clientHeight), this.entries.length);
    if (!(now >= 0) || now === this.current) return;
    this.current = now;
    this.#draw();
    this.#follow();
    this.#want();
    const item = this.here;
    if (item) announce(headline(item));
    this.#tell("moved");
  }

  /** The item in view: of a slide, its featured one. */
  get here() {
    const data = this.entries[this.current]?.data;
    return data?.featured ?? data;
  }

  #seen(changes) {
    for (const { target, intersectionRatio } of changes) {
      const seen = intersectionRatio >= 0.6;
      this.#inView[seen ? "add" : "delete"](target.entry);
      target.view.visible?.(seen);
    }
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#follow(), SETTLED);
  }

  // Tell the server how far the reader is, and whose counters are in view: it sends no others.
  #follow() {
    if (!this.#joinedNow) return;
    const seq = this.entries[Math.min(this.current, this.entries.length - 1)]?.data.seq;
    if (seq > this.#acked && !this.#panel.hidden) this.#channel.push("ack", { seq: (this.#acked = seq) });
    const wanted = new Set([...this.#inView].flatMap(({ data }) => this.#kind.items(data).map(({ id }) => id)));
    const [off, on] = [[this.#watched, wanted], [wanted, this.#watched]].map(([these, those]) => [...these].filter((id) => !those.has(id)));
    this.#watched = wanted;
    if (off.length) this.#channel.push("unwatch", { ids: off });
    if (on.length) this.#channel.push("watch", { ids: on }).receive("ok", ({ items = [] }) => items.forEach(counters.apply));
  }

  // ---- what the server changes ------------------------------------------------------------------

  #fresh(ids) {
    ids.forEach((id) => this.fresh.add(id));
    if (this.entries.length) this.#tell("fresh");
    else this.renew();
  }

  #retract(ids) {
    const gone = (item) => (ids.includes(item.id) ? { id: item.id, retracted: true } : item);
    this.entries.forEach((entry, index) => {
      const { data } = entry;
      if (!this.#kind.items(data).some(({ id }) => ids.includes(id))) return;
      entry.data = data.featured ? { ...data, featured: gone(data.featured), related: data.related.map(gone) } : { ...data, ...gone(data) };
      if (this.#views.has(index)) this.#unmount(index);
    });
    ids.forEach((id) => this.fresh.delete(id));
    this.#draw();
    this.#tell("fresh");
  }

  #media(news) {
    const index = this.entries.findIndex(({ data }) => data.id === news.id);
    if (index < 0) return;
    Object.assign(this.entries[index].data, news);
    this.#views.get(index)?.media(news);
  }

  // ---- the document -----------------------------------------------------------------------------

  #draw() {
    const [from, to] = [this.current - BEHIND, this.current + AHEAD];
    for (const index of this.#views.keys()) if (index < from || index > to) this.#unmount(index);
    for (let index = Math.max(0, from); index <= to && index < this.entries.length; index++)
      if (!this.#views.has(index)) this.#mount(index);
    this.#drawTail();
  }

  #mount(index) {
    const entry = this.entries[index];
    const view = this.#kind.view(entry.data);
    Object.assign(view.element, { entry, view }).dataset.seq = entry.data.seq;
    view.element.style.setProperty("--index", index);
    this.#views.set(index, view);
    // In the order of reading, for the keyboard and for screen readers.
    const next = [...this.#track.children].find((other) => other.style.getPropertyValue("--index") > index);
    this.#track.insertBefore(view.element, next ?? this.#tail ?? null);
    this.#observer.observe(view.element);
    this.#kind.ahead(entry.data);
  }

  #unmount(index) {
    const { element, ends } = this.#views.get(index);
    this.#observer.unobserve(element);
    this.#inView.delete(element.entry);
    element.remove();
    ends.forEach((end) => end());
    this.#views.delete(index);
  }

  #become(state) {
    this.#state = state;
    this.#drawTail();
  }

  // After the last slide: the shape of the next, or what is the matter and what to do about it.
  #drawTail() {
    const count = this.entries.length;
    if (this.#tail?.dataset.state !== this.#state) {
      this.#tail?.remove();
      this.#tail = clone("tail", { content: TAILS[this.#state] ? notice(...TAILS[this.#state], () => this.#again()) : clone("bones") });
      this.#tail.dataset.state = this.#state;
      this.#track.append(this.#tail);
    }
    this.#tail.style.setProperty("--index", count);
    this.#tail.hidden = this.#left >= AHEAD;
    this.#track.style.setProperty("--count", count + 1);
  }

  // A turn of the device keeps the slide.
  #hold() { this.#panel.scrollTop = this.current * this.#panel.clientHeight; }

  // Memory stays flat: what is far behind is let go, and the rest moves up unseen.
  #forgetFar() {
    const drop = this.current - KEPT_BEHIND;
    if (drop < KEPT_BEHIND / 4) return;
    [...this.#views.keys()].forEach((index) => this.#unmount(index));
    this.entries.splice(0, drop).forEach(({ id }) => this.#known.delete(id));
    this.current -= drop;
    this.#draw();
    this.#hold();
  }

  #tell(what) { this.dispatchEvent(new Event(what)); }
}
