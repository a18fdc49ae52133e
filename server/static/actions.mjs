// What a reader does to an item: shown at once, told to the server, taken back if it refuses.

import { account } from "./account.mjs";
import { announce, toast } from "./announce.mjs";
import { request } from "./api.mjs";
import { roll } from "./counters.mjs";
import { clone, headline, plural, press } from "./dom.mjs";
import { counters } from "./store.mjs";

const SAID = { like: ["Like taken back", "Liked"], bookmark: ["No longer saved", "Saved"] };

/** Like or bookmark, or take it back. PUT and DELETE may be repeated without harm. */
export async function toggle({ id }, what) {
  if (!(await account.need(`Sign in and it is ${what === "like" ? "liked" : "saved"} at once.`))) return;
  const on = !counters.read(id)[what];
  counters.act(id, what, on);
  try {
    counters.settle(id, what, on, await request(on ? "PUT" : "DELETE", `/items/${id}/${what}`));
    announce(SAID[what][Number(on)]);
  } catch (refusal) {
    counters.settle(id, what, on);
    if (refusal.status === 401) account.end();
    toast(refusal.message, { action: "Try again", act: () => toggle({ id }, what) });
  }
}

/** Hand the item's address to what the device shares with, or to the clipboard. */
export async function share(item) {
  const url = new URL(`/#item=${item.id}`, location).href;
  try {
    if (navigator.share) return await navigator.share({ title: headline(item), url });
    await navigator.clipboard.writeText(url);
    toast("The link is in your clipboard.");
  } catch (error) {
    if (error.name !== "AbortError") toast(url, { title: "The link", seconds: 20 });
  }
}

/** Show an item's counts on a button, in words for those who cannot see it. */
export function counted(button, label, count, pressed) {
  button.setAttribute("aria-label", label);
  if (pressed !== undefined) button.setAttribute("aria-pressed", pressed);
  roll(button.querySelector(".count"), count);
}

/** The buttons under the thumb; `ends` collects how to stop them. */
export function rail(item, comments, ends) {
  const element = press(clone("rail"), {
    ".like": () => toggle(item, "like"), ".talk": () => comments(item), ".save": () => toggle(item, "bookmark"), ".share": () => share(item),
  });
  const [like, talk, save] = element.children;
  counters.learn(item);
  ends.push(counters.on(item.id, (now) => {
    counted(like, `Like, ${plural(now.likes, "like")}`, now.likes, now.like);
    counted(talk, `Comments, ${plural(now.comments, "comment")}`, now.comments);
    counted(save, `Save, ${plural(now.bookmarks, "save")}`, now.bookmarks, now.bookmark);
  }));
  return element;
}
