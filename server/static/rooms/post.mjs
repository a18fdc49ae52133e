// What somebody of Lumen posted: their words, and what goes with them.

import { account, initial } from "../account.mjs";
import { rail } from "../actions.mjs";
import { toast } from "../announce.mjs";
import { request } from "../api.mjs";
import { ago, clone, make, named, plural, press, told } from "../dom.mjs";
import { enter } from "../rooms.mjs";

// A link, a tag, or somebody's name.
const POINTERS = /(https?:\/\/[^\s<>"]*[^\s<>".,:;!?'*_~)\]}]|[#@][\p{L}\p{M}\p{N}_]+)/u;

/** Draw a post; `poll`, `edited`, `retract` and `link` take what its channel tells. */
export function postView(item) {
	const ends = [];
	const element = clone("post");
	const view = { element, item, poll, asked, edited, retract, link, end: () => ends.splice(0).forEach((end) => end()) };
	draw();
	return view;

	function draw() {
		view.end();
		element.replaceChildren(...(item.retracted ? [clone("post-gone")] : body(item, ends, view)));
		element.ariaLabel = item.retracted ? "Taken down" : `Post of ${item.author?.name ?? item.source?.title}`;
	}

	function poll({ id, total, version, votes }) {
		if (item.retracted || id !== item.poll?.id || version < item.poll.version) return;
		votes?.forEach((count, at) => item.poll.options[at] && (item.poll.options[at].votes = count));
		Object.assign(item.poll, { total, version });
		element.querySelector(".poll")?.replaceWith(drawPoll(item));
	}

	function asked(now) {
		item.poll = now;
		element.querySelector(".poll")?.replaceWith(drawPoll(item));
	}

	function edited(fresh) {
		if (fresh.id !== item.id) return;
		// What is told to all does not say what this reader did.
		const mine = item.poll;
		Object.assign(item, fresh, mine && { poll: mine });
		draw();
	}

	function retract({ ids }) {
		if (ids.includes(item.quoted?.id)) item.quoted = { id: item.quoted.id, retracted: true };
		if (ids.includes(item.id)) item.retracted = true;
		draw();
	}

	function link(carded) {
		if (carded.id !== item.id) return;
		item.link = carded.link;
		draw();
	}
}

function body(item, ends, view) {
	const { author, source, reposted_by: passed } = item;
	const name = author?.name ?? source?.title ?? "Somebody";
	const slots = {
		initial: initial({ name }), name, language: item.language,
		handle: author?.username && `@${author.username}`,
		age: `${ago(item.published_at)}${item.edited_at ? ", edited" : ""}`,
		passed: passed && [named(make("button", { type: "button", textContent: passed.name }), passed), " passed it on"],
		title: item.title, words: words(item), pictures: pictures(item), poll: item.poll && drawPoll(item),
		link: card(item.link), quoted: quoted(item), rail: rail(item, ends),
	};
	const parts = clone("post-body", slots);
	named(parts.querySelector(".name"), author);
	press(parts, { ".menu": () => enter("menu", view), ".title": () => enter("story", item), ".age": () => enter("story", item) });
	return [...parts.children];
}

function words({ body_text: text, mentions = [], title }) {
	if (!text) return null;
	const people = new Map(mentions.map((each) => [each.username?.toLowerCase(), each]));
	const shown = title && text.length > 280 ? `${text.slice(0, 280)}…` : text;
	return shown.split(POINTERS).map((part) => {
		if (/^https?:/.test(part)) return make("a", { href: part, textContent: part, target: "_blank", rel: "nofollow noopener ugc" });
		const who = part[0] === "@" && people.get(part.slice(1).toLowerCase());
		return who ? named(make("button", { type: "button", textContent: part, className: "mention" }), who) : part;
	});
}

function pictures({ pictures: all = [] }) {
	const seen = all.map(({ url, alt }) => make("img", { src: url, alt: alt ?? "", loading: "lazy", decoding: "async" }));
	return seen.length ? seen : null;
}

function card(link) {
	if (!link?.title || link.kind === "none") return null;
	const element = clone("link-card", { title: link.title, description: link.description, site: link.site ?? new URL(link.url).host });
	if (link.image_url) element.prepend(make("img", { src: link.image_url, alt: "", loading: "lazy" }));
	return Object.assign(element, { href: link.url });
}

function quoted({ quote_of: of, quoted: other }) {
	if (!of) return null;
	if (!other || other.retracted) return clone("post-gone");
	const { kicker, title } = told(other);
	return press(clone("quoted", { kicker, title, language: other.language }), { button: () => enter("story", other) });
}

/** Bars where the votes may be seen; before that, buttons. */
function drawPoll(item) {
	const { poll } = item;
	const tells = poll.ended || poll.my_vote !== undefined;
	const rows = poll.options.map(({ text, votes = 0 }, at) => {
		const share = poll.total ? Math.round((votes / poll.total) * 100) : 0;
		const row = clone(tells ? "poll-bar" : "poll-option", { text, share: tells && `${share} %` });
		row.style.setProperty("--share", share / 100);
		row.classList.toggle("is-mine", poll.my_vote === at);
		return press(row, { button: () => vote(item, at, row) });
	});
	const left = new Date(poll.ends_at) - Date.now();
	const until = poll.ended || left <= 0 ? "ended" : `${plural(Math.ceil(left / 3600000), "hour")} left`;
	return clone("poll", { options: rows, state: `${plural(poll.total, "vote")} · ${until}` });
}

async function vote(item, option, row) {
	if (!(await account.need("Sign in and your vote is counted at once."))) return;
	const here = row.closest(".poll");
	try {
		item.poll = await request("PUT", `/posts/${item.id}/vote`, { option });
		here.replaceWith(drawPoll(item));
	} catch (refusal) {
		toast(refusal.message);
	}
}
