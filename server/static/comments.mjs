// The conversation under an item: threaded, live, shown at once, kept when it fails.

import { account, initial } from "./account.mjs";
import { counted, toggle } from "./actions.mjs";
import { announce } from "./announce.mjs";
import { get, request } from "./api.mjs";
import { ago, clone, headline, plural, press } from "./dom.mjs";
import { notice, sheet } from "./sheet.mjs";
import { link } from "./socket.mjs";
import { counters } from "./store.mjs";

const MOST_UNSENT = 50;
// What was written and not sent outlives the panel: {key: {item, body, parent_id}}.
const unsent = new Map();

const nameOf = ({ author }) => author?.name || author?.username || "Somebody";

/** Open the conversation of an item, at one comment if that is why. */
export function showComments(item, focus) {
  const panel = clone("comments");
  const [list, more, form] = [".thread", ".more", "form"].map((part) => panel.querySelector(part));
  const [input, answering] = [form.elements.body, form.querySelector(".answering")];
  const rows = new Map();
  const ends = [];
  const path = `/items/${item.id}/comments`;
  let parent = null;
  let cursor = null;

  list.setAttribute("aria-label", `Comments on ${headline(item)}`);

  // Threads newest first; answers under what they answer, oldest first.
  const put = (element, to) => {
    const up = to === list;
    const after = [...to.children].find(({ id }) => id && (up ? id < element.id : id > element.id));
    to.insertBefore(element, after ?? null);
  };

  const place = (comment) => {
    if (rows.has(comment.id)) return;
    const row = draw(comment);
    rows.set(comment.id, row);
    put(row, rows.get(comment.parent_id)?.querySelector(".answers") ?? list);
    // An answer may come before what it answers.
    for (const other of rows.values()) if (other.parent === comment.id) put(other, row.querySelector(".answers"));
    list.querySelector(".nothing")?.remove();
    return row;
  };

  const draw = (comment) => {
    const name = nameOf(comment);
    const row = comment.retracted
      ? clone("comment-gone")
      : clone("comment", { initial: initial(comment.author), name, age: ago(comment.published_at), words: comment.body_text });
    Object.assign(row, { id: `c-${comment.id}`, parent: comment.parent_id });
    if (comment.retracted) return row;
    press(row, { ".like": () => toggle(comment, "like"), ".reply": () => answer(comment) });
    counters.learn(comment);
    ends.push(counters.on(comment.id, ({ likes, like }) => counted(row.querySelector(".like"), `Like the comment of ${name}, ${plural(likes, "like")}`, likes, like)));
    return row;
  };

  const answer = (comment) => {
    parent = comment?.id;
    answering.hidden = !comment;
    if (comment) answering.querySelector("span").textContent = `Answering ${nameOf(comment)}`;
    input.focus();
  };

  const arrived = (comment) => {
    if (rows.has(comment.id)) return;
    place(comment).classList.add("is-new");
    if (comment.author?.id !== account.me?.id) announce(`${nameOf(comment)} commented`);
  };

  const show = (page) => {
    list.querySelector(".bone-rows")?.remove();
    page.items.forEach(place);
    cursor = page.cursor;
    more.hidden = !page.has_more;
    if (!rows.size) list.append(clone("no-comments"));
    for (const [key, words] of unsent) if (words.item === item.id && !list.querySelector(`[data-key="${key}"]`)) pend(key, words)();
    const shown = rows.get(focus);
    shown?.scrollIntoView({ block: "center" });
    shown?.classList.add("is-new");
    focus = null;
  };

  const fail = (refusal) => rows.size || list.replaceChildren(notice("The comments did not come through", refusal.message, "Try again", () => get(path).then(show, fail)));

  // What the reader wrote, before the server has it; a failed one stays until it is sent or dropped.
  const pend = (key, { body, parent_id }) => {
    const row = clone("pending", { name: account.me?.display_name ?? "You", words: body });
    const failed = (sentence) => {
      row.dataset.state = "failed";
      row.querySelector(".problem").textContent = sentence;
    };
    const send = async () => {
      row.dataset.state = "sending";
      try {
        const comment = await request("POST", path, { body, parent_id });
        unsent.delete(key);
        row.remove();
        arrived(comment);
      } catch (refusal) {
        failed(refusal.message);
      }
    };
    row.dataset.key = key;
    press(row, { ".again": send, ".drop": () => { unsent.delete(key); row.remove(); } });
    const above = rows.get(parent_id)?.querySelector(".answers");
    if (above) above.append(row);
    else list.prepend(row);
    list.querySelector(".nothing")?.remove();
    row.scrollIntoView({ block: "nearest" });
    return (now) => (now ? send() : failed("Not sent."));
  };

  form.onsubmit = async (event) => {
    event.preventDefault();
    const body = input.value.trim();
    if (!body || !(await account.need("Sign in and your comment is sent at once."))) return;
    const key = String(Math.random()).slice(2);
    const words = { item: item.id, body, parent_id: parent ?? undefined };
    input.value = "";
    answer(null);
    unsent.set(key, words);
    if (unsent.size > MOST_UNSENT) unsent.delete(unsent.keys().next().value);
    pend(key, words)(true);
  };
  input.onkeydown = (event) => { if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); form.requestSubmit(); } };
  press(panel, { ".more": () => get(path, { cursor }).then(show, fail), ".cancel": () => answer(null) });

  const retract = ({ ids }) => ids.forEach((id) => rows.get(id)?.querySelector(".said")?.replaceWith(clone("gone")));
  // The reply holds the newest page, after a cut too.
  const channel = link.join(`item:${item.id}`, { comment: arrived, retract }, show);
  if (link.state === "offline") get(path).then(show, fail);
  sheet("Comments", panel, () => { channel.leave(); ends.forEach((end) => end()); });
}
