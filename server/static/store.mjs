// What the page knows of each item's counters, and what this reader did to it.

const MOST = 3000;
const MINE = { like: "likes", bookmark: "bookmarks" };

/** The greater version wins; what the reader just did shows before the server has counted it. */
class Counters {
  #items = new Map();
  #ears = new Map();

  /** Take in an item, or an entry of a `counters` frame. */
  learn({ id, retracted, counts, liked_by_me, bookmarked_by_me }) {
    if (retracted) return;
    const item = this.#item(id);
    if (counts && counts.version >= item.version) Object.assign(item, counts);
    if (!item.ahead.like) item.like = liked_by_me ?? item.like;
    if (!item.ahead.bookmark) item.bookmark = bookmarked_by_me ?? item.bookmark;
    this.#tell(id);
  }

  apply = (counts) => { if (this.#items.has(counts.id)) this.learn({ id: counts.id, counts }); };

  /** Show at once what the reader does; `settle` follows. */
  act(id, what, on) {
    const item = this.#item(id);
    item[what] = on;
    item.ahead[what] = on ? 1 : -1;
    this.#tell(id);
  }

  /** The server said yes with an answer, which counts what was done, or no without one. */
  settle(id, what, on, answer) {
    const item = this.#item(id);
    item.ahead[what] = 0;
    if (!answer) item[what] = !on;
    this.learn({ ...answer, id });
  }

  /** Who reads has changed: what they like is told anew. */
  forgetReader() {
    for (const [id, item] of this.#items) {
      Object.assign(item, { like: false, bookmark: false });
      this.#tell(id);
    }
  }

  read(id) {
    const item = this.#item(id);
    const shown = (what) => Math.max(0, item[MINE[what]] + (item.ahead[what] ?? 0));
    return { ...item, likes: shown("like"), bookmarks: shown("bookmark") };
  }

  /** Hear of every change of an item; call what is returned to stop. */
  on(id, hear) {
    const ears = this.#ears.get(id) ?? new Set();
    this.#ears.set(id, ears.add(hear));
    hear(this.read(id));
    return () => { if (ears.delete(hear) && !ears.size) this.#ears.delete(id); };
  }

  #item(id) {
    if (!this.#items.has(id)) {
      // Oldest first, but nothing that is on the screen.
      if (this.#items.size > MOST)
        for (const old of this.#items.keys()) if (this.#items.size > MOST / 2 && !this.#ears.has(old)) this.#items.delete(old);
      this.#items.set(id, { version: -1, likes: 0, comments: 0, bookmarks: 0, like: false, bookmark: false, ahead: {} });
    }
    return this.#items.get(id);
  }

  #tell(id) {
    for (const hear of this.#ears.get(id) ?? []) hear(this.read(id));
  }
}

export const counters = new Counters();
