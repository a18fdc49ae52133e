// A card of For You: its poster at once, its film while it is seen, sound when it is asked for.

import { rail } from "./actions.mjs";
import { announce } from "./announce.mjs";
import { calm, clone, headline, kicker, picture, press } from "./dom.mjs";

let muted = true;
const players = new Set();

/** Sound on or off, for every card of this visit. */
export function toggleSound() {
  muted = !muted;
  players.forEach((sound) => sound());
  announce(muted ? "Sound off" : "Sound on");
}

/** Build a card: `visible` plays or pauses it, `media` brings its film. */
export function cardView(item, on) {
  if (item.retracted) return { element: clone("card", { screen: clone("gone") }), ends: [] };
  const ends = [];
  const title = clone("opener", { title: headline(item) });
  title.onclick = () => on.read(item);
  const element = clone("card", { screen: picture(item, item.poster_url), kicker: kicker(item), title, rail: rail(item, on.comments, ends) });
  const [screen, line, pause, mute] = [".screen", ".progress span", ".pause", ".sound"].map((part) => element.querySelector(part));
  element.setAttribute("aria-label", headline(item));
  element.classList.toggle("is-drawn", Boolean(item.poster_url));
  let video = null;
  let seen = false;
  // Who wants less motion starts films themselves.
  let wanted = !calm.matches;

  const play = () => {
    pause.hidden = mute.hidden = !video;
    pause.classList.toggle("is-paused", !wanted);
    pause.setAttribute("aria-label", wanted ? "Pause" : "Play");
    if (seen && wanted) video?.play().catch(() => {});
    else video?.pause();
  };
  const draw = () => {
    if (video?.duration) line.style.transform = `scaleX(${video.currentTime / video.duration})`;
    if (seen) requestAnimationFrame(draw);
  };
  const sound = () => {
    if (video) video.muted = muted;
    mute.setAttribute("aria-pressed", !muted);
  };
  const media = ({ media_url: src }) => {
    if (!src || video) return;
    video = Object.assign(document.createElement("video"), { src, muted, loop: true, playsInline: true, preload: "auto", tabIndex: -1 });
    video.onerror = () => { video?.remove(); video = null; play(); };
    screen.append(video);
    play();
  };
  press(element, { ".pause": () => { wanted = !wanted; play(); }, ".sound": toggleSound });
  media(item);
  play();
  sound();
  players.add(sound);
  // Chromium keeps the decoder of a video that is only removed.
  ends.push(() => { seen = false; players.delete(sound); video?.removeAttribute("src"); video?.load(); });
  return { element, ends, media, visible: (now) => { seen = now; play(); draw(); } };
}
