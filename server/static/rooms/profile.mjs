// A person: who they say they are, what they posted, and how the reader stands to them.

import { account, initial } from "../account.mjs";
import { toast } from "../announce.mjs";
import { get, request } from "../api.mjs";
import { clone, compact, make, named, parts, plural, press } from "../dom.mjs";
import { enter } from "../rooms.mjs";
import { notice, sheet } from "../sheet.mjs";
import { postList } from "./list.mjs";
import { menu, sure } from "./menu.mjs";

/** Show the person of a username. */
export async function open(username) {
	const panel = clone("profile");
	const ends = [() => history.replaceState(null, "", location.pathname)];
	sheet(`@${username}`, panel, ends);
	history.replaceState(null, "", `#user=${username}`);
	try {
		const person = await get(`/users/${username}`);
		panel.querySelector(".stand-in").remove();
		const head = drawHead(person);
		const list = postList((cursor) => get(`/users/${username}/items`, { cursor, limit: 20 }), () => notice("No posts yet", `${person.display_name} has not posted.`));
		ends.push(list.end);
		panel.append(head, list.element);
	} catch (refusal) {
		panel.replaceChildren(notice("This cannot be shown", refusal.message));
	}
}

function drawHead(person) {
	const { username, viewer = {} } = person;
	const mine = account.me?.username === username;
	const slots = {
		initial: person.avatar_url ? make("img", { src: person.avatar_url, alt: "" }) : initial(person),
		name: person.display_name, username: `@${username}`, bio: person.bio,
		links: person.links.map((href) => make("a", { href, textContent: new URL(href).host, target: "_blank", rel: "me nofollow noopener ugc" })),
		back: viewer.followed_by && "Follows you",
	};
	const head = clone("profile-head", slots);
	const [followers, following, posts, follow, more] = parts(head, ".followers", ".following", ".posts", ".follow", ".person-menu");

	function draw() {
		followers.textContent = plural(person.follower_count, "follower");
		following.textContent = `${compact(person.following_count)} following`;
		posts.textContent = plural(person.post_count, "post");
		const word = viewer.blocking ? "Blocked" : viewer.following ? "Following" : "Follow";
		follow.textContent = mine ? "Edit profile" : word;
		follow.classList.toggle("is-on", Boolean(viewer.following || viewer.blocking));
		if (!mine) follow.ariaPressed = Boolean(viewer.following);
		more.hidden = mine;
	}

	async function stand(what, on_) {
		if (!(await account.need(`Sign in to ${what} ${person.display_name}.`))) return;
		follow.disabled = true;
		try {
			const now = await request(on_ ? "PUT" : "DELETE", `/users/${username}/${what}`);
			Object.assign(viewer, now);
			person.follower_count = now.counts.followers;
			person.following_count = now.counts.following;
			if (what !== "follow") toast(`${person.display_name} is ${on_ ? "" : "no longer "}${what === "block" ? "blocked" : "muted"}.`);
		} catch (refusal) {
			toast(refusal.message);
		}
		follow.disabled = false;
		draw();
	}

	const press1 = () => (mine ? enter("account", "profile") : viewer.blocking ? stand("block", false) : stand("follow", !viewer.following));
	const block = async () => (viewer.blocking || (await sure(`Block ${person.display_name}?`, "Neither of you sees or follows the other any more.", "Block"))) && stand("block", !viewer.blocking);
	press(head, {
		".follow": press1,
		".followers": () => people(person, "followers"),
		".following": () => people(person, "following"),
		".person-menu": () => menu(person.display_name, [
			[viewer.muting ? "Unmute" : "Mute", () => stand("mute", !viewer.muting)],
			[viewer.blocking ? "Unblock" : "Block", block],
			["Report", () => enter("report", { kind: "user", id: person.id })],
		]),
	});
	draw();
	return head;
}

async function people(person, side) {
	const list = clone("people");
	const [rows, more] = list.children;
	let cursor;
	const dialog = sheet(side === "followers" ? `Followers of @${person.username}` : `@${person.username} follows`, list, [], "form");
	const next = async () => {
		try {
			const page = await get(`/users/${person.username}/${side}`, { cursor });
			rows.querySelector(".stand-in")?.remove();
			cursor = page.next_cursor;
			more.hidden = !page.has_more;
			for (const each of page.items) {
				const row = clone("person", { initial: initial(each), name: each.name, username: `@${each.username}`, following: each.following && "Following" });
				named(row.querySelector("button"), each).addEventListener("click", () => dialog.close());
				rows.append(row);
			}
			if (!rows.children.length) rows.append(notice("Nobody yet", ""));
		} catch (refusal) {
			rows.replaceChildren(notice("This list cannot be shown", refusal.message));
		}
	};
	press(list, { ".more": next });
	next();
}
