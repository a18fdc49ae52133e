// From templates to elements; how times and numbers are said.

/** Copy a template of index.html and fill its slots with text or nodes; an empty slot goes. */
export function clone(name, slots = {}) {
  const root = document.getElementById(`t-${name}`).content.firstElementChild.cloneNode(true);
  for (const slot of [root, ...root.querySelectorAll("*")].filter((each) => each.dataset.slot)) {
    const value = slots[slot.dataset.slot];
    if (value || value === 0) slot.append(...[value].flat());
    else slot.remove();
  }
  return root;
}

/** Let parts of an element be pressed: press(root, {".like": fn}). */
export function press(root, actions) {
  for (const [where, act] of Object.entries(actions)) {
    const part = root.matches(where) ? root : root.querySelector(where);
    if (part) part.onclick = (event) => void act(event);
  }
  return root;
}

const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const day = new Intl.DateTimeFormat("en", { day: "numeric", month: "short" });

export const compact = (number) => short.format(number);
export const plural = (count, one, many = `${one}s`) => `${compact(count)} ${count === 1 ? one : many}`;

/** How long ago, in as few letters as possible. */
export function ago(when) {
  const minutes = Math.floor((Date.now() - new Date(when)) / 60000);
  if (minutes < 1) return "now";
  if (minutes < 60) return `${minutes} min`;
  if (minutes < 1440) return `${Math.floor(minutes / 60)} h`;
  return minutes < 10080 ? `${Math.floor(minutes / 1440)} d` : day.format(new Date(when));
}

/** Posts and comments have no title: their first words serve. */
export function headline({ title, body_text: words = "" }) {
  return title || (words.length > 140 ? `${words.slice(0, 140).replace(/\s+\S*$/, "")}…` : words) || "Untitled";
}

const KINDS = { TWEET: "Post", COMMENT: "Comment", VIDEO: "Video" };

/** Kind, source and age of an item, as the slots of the `kicker` template. */
export const kicker = (item) =>
  clone("kicker", { kind: KINDS[item.type], from: item.source?.title || item.author?.name || "Lumen", age: item.published_at && ago(item.published_at) });

const TOPICS = [/scien|space/i, /cit|transp/i, /tech/i, /cultur|film|book|art/i, /sport/i, /env|clim|natur/i];

/** An item's own picture over one that its id and topic give; images blocked, that one stays. */
export function picture(item, url = item.image_url) {
  let seed = 7;
  for (const letter of item.id) seed = (seed * 31 + letter.charCodeAt(0)) >>> 0;
  const topic = TOPICS.findIndex((words) => words.test(item.category));
  const art = clone("art");
  art.dataset.topic = topic < 0 ? seed % TOPICS.length : topic;
  art.style.setProperty("--a", (seed % 89) / 88);
  art.style.setProperty("--b", (seed % 61) / 60);
  const image = art.querySelector("img");
  image.onerror = () => image.remove();
  if (/^(https?:\/)?\//i.test(url)) image.src = url;
  else image.remove();
  return art;
}

export const calm = matchMedia("(prefers-reduced-motion: reduce)");
