// What concerns the reader: told when it happens, listed, read on every tab at once.

import { account, initial } from "./account.mjs";
import { toast } from "./announce.mjs";
import { get, request } from "./api.mjs";
import { ago, clone, plural, press } from "./dom.mjs";
import { notice, sheet } from "./sheet.mjs";

const DID = { comment: "commented on your post", reply: "answered your comment", like: "liked your comment" };

function sentence({ actors = [], actor_count = 1, kind }) {
  const others = actor_count > 1 ? ` and ${plural(actor_count - 1, "other")}` : "";
  return `${actors[0]?.display_name ?? actors[0]?.name ?? actors[0]?.username ?? "Somebody"}${others} ${DID[kind] ?? "reacted to what you wrote"}`;
}

export class Notifications {
  #unread = 0;
  #link; #visit; #channel;
  #bell = document.getElementById("bell");
  #tabs = new BroadcastChannel("lumen");

  /** `visit` opens what a notification is about. */
  constructor(link, visit) {
    this.#link = link;
    this.#visit = visit;
    this.#tabs.onmessage = ({ data }) => { if (data.user === account.me?.id) this.#count(data.unread); };
    account.addEventListener("change", () => this.#follow());
  }

  // The inbox of whoever is signed in.
  #follow() {
    this.#channel?.leave();
    this.#channel = null;
    this.#count(0);
    if (!account.me) return;
    this.#channel = this.#link.socket.channel(`user:${account.me.id}`, {});
    this.#channel.on("notification", (news) => {
      this.#count(news.unread_count ?? this.#unread + 1);
      toast(news.excerpt, { title: sentence(news), action: "Show", act: () => this.#visit(news) });
    });
    this.#channel.on("read", ({ unread_count: unread }) => this.#count(unread));
    // After a cut as well: what came meanwhile counts.
    this.#channel.join().receive("ok", () => get("/notifications", { limit: 1 }).then((page) => this.#count(page.unread_count), () => {}));
  }

  #count(unread) {
    this.#unread = unread;
    const badge = this.#bell.querySelector(".badge");
    badge.hidden = !unread;
    badge.textContent = Math.min(unread, 99);
    this.#bell.setAttribute("aria-label", unread ? `Notifications, ${unread} unread` : "Notifications");
    document.title = unread ? `(${unread}) Lumen` : "Lumen";
  }

  async show() {
    if (!(await account.need("Sign in to see who answered you."))) return;
    const panel = clone("inbox");
    const dialog = sheet("Notifications", panel);
    const row = (news) => {
      const when = news.updated_at ?? news.created_at;
      const element = clone("inbox-row", { initial: initial(news.actors?.[0]), sentence: sentence(news), excerpt: news.excerpt, age: ago(when), unread: !news.read_at && !news.read && "New" });
      return press(element, { button: () => { dialog.close(); this.#visit(news); } });
    };
    try {
      const page = await get("/notifications");
      panel.replaceChildren(...page.items.map(row));
      if (!page.items.length) panel.append(notice("Nothing yet", "When somebody answers you or likes what you wrote, it is here."));
      if (!page.unread_count) return;
      await request("POST", "/notifications/read", {});
      this.#count(0);
      this.#tabs.postMessage({ user: account.me.id, unread: 0 });
    } catch (refusal) {
      panel.replaceChildren(notice("They did not come through", refusal.message, "Try again", () => this.show()));
    }
  }
}
