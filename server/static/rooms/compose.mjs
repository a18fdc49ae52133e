// Writing a post: its words, a poll or pictures, and what it quotes. A draft outlives the panel.

import { account } from "../account.mjs";
import { toast } from "../announce.mjs";
import { request } from "../api.mjs";
import { clone, parts, press, told } from "../dom.mjs";
import { sheet } from "../sheet.mjs";
import { enter } from "../rooms.mjs";

const MOST = 500;
const MOST_PICTURES = 4;
const letters = new Intl.Segmenter();
const length = (text) => [...letters.segment(text.trim())].length;
let draft = "";

/** Write anew, about `quoted`, or with other words what was posted as `edited`; `done` takes it. */
export async function open({ quoted, edited, done = posted } = {}) {
	if (!(await account.need("Sign in to post."))) return;
	const form = clone("compose", { quoted: quoted && clone("quoted", told(quoted)), send: edited ? "Save" : "Post" });
	const [words, left, problem, send, poll, options, file, shown] = parts(form, "textarea", ".left", ".problem", ".primary", ".add-poll", ".poll-draft", "input[type=file]", ".pictures-draft");
	const pictures = [];
	// One attempt, however often it is sent: the server does it once.
	const key = crypto.randomUUID?.() ?? String(Math.random());
	words.value = edited?.body_text ?? draft;
	if (edited) form.querySelector(".extras").remove();

	const count = () => {
		const rest = MOST - length(words.value);
		left.textContent = rest;
		left.ariaLabel = `${rest} characters left`;
		left.classList.toggle("problem", rest < 0);
		send.disabled = rest < 0 || !(words.value.trim() || pictures.length);
		if (!edited) draft = words.value;
	};
	words.oninput = count;

	const option = () => options.querySelector(".rows").append(clone("poll-draft-row"));
	press(form, {
		".add-poll": () => {
			const on = (options.hidden = !options.hidden);
			poll.ariaPressed = !on;
			if (!options.querySelector("input")) [0, 1].forEach(option);
			if (!on) options.querySelector("input").focus();
		},
		".add-option": ({ target }) => { option(); target.hidden = options.querySelectorAll("input").length >= 4; },
		".add-picture": () => file.click(),
	});
	file.onchange = async () => {
		const chosen = [...file.files].slice(0, MOST_PICTURES - pictures.length);
		file.value = "";
		for (const each of chosen) await upload(each);
		count();
	};

	async function upload(picture) {
		const row = clone("picture-draft");
		const [image, alt, state] = parts(row, "img", "input", ".state");
		const url = URL.createObjectURL(picture);
		image.src = url;
		shown.append(row);
		const drop = () => {
			const at = pictures.findIndex((each) => each.row === row);
			if (at >= 0) pictures.splice(at, 1);
			URL.revokeObjectURL(url);
			row.remove();
			count();
		};
		press(row, { ".drop": drop });
		try {
			const signed = await request("POST", "/uploads/sign", { size: picture.size, mime: picture.type });
			const answer = await fetch(signed.upload_url, { method: "PUT", body: picture, credentials: "omit", headers: { "content-type": picture.type, ...signed.headers } });
			if (!answer.ok) throw new Error("The picture did not get through.");
			state.textContent = "Making it ready…";
			await looked(signed.id);
			pictures.push({ row, key: signed.key, alt });
			state.textContent = "Ready";
		} catch (refusal) {
			drop();
			problem.textContent = refusal.message;
		}
	}

	// It is looked at, made upright and small, before anybody sees it.
	async function looked(id) {
		let now = await request("POST", `/uploads/${id}/arrived`);
		for (let wait = 250; !["checked", "attached"].includes(now.state); wait = Math.min(wait * 1.5, 2000)) {
			if (now.error || !form.isConnected) throw new Error(now.error ?? "It was left out.");
			await new Promise((done) => setTimeout(done, wait));
			now = await request("GET", `/uploads/${id}`);
		}
	}

	function written() {
		const body = words.value;
		if (edited) return { body };
		const chosen = [...options.querySelectorAll("input")].map(({ value }) => value.trim()).filter(Boolean);
		return {
			body, quote_of: quoted?.id,
			poll: options.hidden ? undefined : { options: chosen, seconds: Number(options.querySelector("select").value) },
			media: pictures.map(({ key: name, alt }) => ({ key: name, alt: alt.value.trim() || undefined })),
		};
	}

	form.onsubmit = async (event) => {
		event.preventDefault();
		problem.textContent = "";
		send.disabled = true;
		try {
			const made = edited ? await request("PATCH", `/posts/${edited.id}`, written()) : await request("POST", "/posts", written(), true, { "idempotency-key": key });
			if (!edited) draft = "";
			dialog.close();
			done(made);
		} catch (refusal) {
			problem.textContent = refusal.message;
			send.disabled = false;
		}
	};
	words.onkeydown = (event) => {
		if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
	};
	const dialog = sheet(edited ? "Edit the post" : quoted ? "Quote" : "New post", form, [], "form");
	count();
	words.focus();
}

const posted = (item) => toast("It is posted.", { action: "Show", act: () => enter("story", item) });
