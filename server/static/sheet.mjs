// Panels over the slide.

import { attend } from "./announce.mjs";
import { clone, press } from "./dom.mjs";

const open = [];

/** Open a panel: a form over what is open, a page in its place; `ends` are called however it closes. */
export function sheet(title, content, ends = [], kind = "page") {
	for (const other of open) if (kind === "page" || other.kind === "form") other.close();
	const dialog = Object.assign(clone("sheet", { title }), { kind, ariaLabel: title });
	dialog.classList.add(`is-${kind}`);
	dialog.append(content);
	press(dialog, { ".close": () => dialog.close(), dialog: ({ target }) => target === dialog && dialog.close() });
	dialog.onclose = () => {
		open.splice(open.indexOf(dialog), 1);
		attend();
		dialog.remove();
		ends.forEach((end) => end());
	};
	open.push(dialog);
	document.body.append(dialog);
	dialog.showModal();
	attend();
	return dialog;
}

export const covered = () => open.some((dialog) => dialog.open);

export const notice = (title, sentence, action, act) => press(clone("notice", { title, sentence, action }), { button: act });
