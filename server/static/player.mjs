// A card of For You: its poster at once, its film while it is seen.

import { rail } from "./actions.mjs";
import { announce } from "./announce.mjs";
import { calm, clone, make, parts, picture, press, told } from "./dom.mjs";
import { enter } from "./rooms.mjs";

let muted = true;
const players = new Set();

export function toggleSound() {
	muted = !muted;
	players.forEach((sound) => sound());
	announce(muted ? "Sound off" : "Sound on");
}

export function cardView(item) {
	if (item.retracted) return { element: clone("card", { screen: clone("gone") }), ends: [] };
	const ends = [];
	const element = clone("card", { ...told(item), screen: picture(item, item.poster_url), rail: rail(item, ends) });
	const [screen, line, pause, mute] = parts(element, ".screen", ".progress span", ".pause", ".sound");
	if (item.poster_url) element.classList.add("is-drawn");
	let video, seen;
	// Who wants less motion starts films themselves.
	let wanted = !calm.matches;

	const play = () => {
		pause.hidden = mute.hidden = !video;
		pause.classList.toggle("is-paused", !wanted);
		pause.ariaLabel = wanted ? "Pause" : "Play";
		if (seen && wanted) video?.play().catch(() => {});
		else video?.pause();
	};
	const sound = () => {
		if (video) video.muted = muted;
		mute.ariaPressed = !muted;
	};
	const media = ({ media_url: src }) => {
		if (!src || video) return;
		video = make("video", { src, muted, loop: true, playsInline: true, preload: "auto", tabIndex: -1 });
		video.ontimeupdate = () => { line.style.transform = `scaleX(${video.currentTime / video.duration || 0})`; };
		video.onerror = () => {
			video.remove();
			video = null;
			play();
		};
		screen.append(video);
		play();
	};
	press(element, { ".read": () => enter("story", item), ".pause": () => { wanted = !wanted; play(); }, ".sound": toggleSound });
	media(item);
	play();
	sound();
	players.add(sound);
	ends.push(() => {
		seen = false;
		players.delete(sound);
		// A removed video may keep its decoder.
		video?.removeAttribute("src");
		video?.load();
	});
	return { element, ends, media, visible: (now) => play((seen = now)) };
}
