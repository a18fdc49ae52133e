// Panels over the slide.

import { clone, press } from "./dom.mjs";

const open = [];

/**
 * Open a panel made of a template. The dialog keeps the focus inside and gives it back. A form
 * goes over what is open, anything else takes its place; `closed` is called however it closes.
 */
export function sheet(title, content, closed = () => {}, kind = "page") {
  for (const other of open) if (kind === "page" || other.kind === "form") other.close();
  const dialog = clone("sheet", { title });
  dialog.kind = kind;
  dialog.classList.add(`is-${kind}`);
  dialog.setAttribute("aria-label", title);
  dialog.append(content);
  press(dialog, { ".close": () => dialog.close(), dialog: (event) => event.target === dialog && dialog.close() });
  dialog.onclose = () => {
    open.splice(open.indexOf(dialog), 1);
    dialog.remove();
    closed();
  };
  open.push(dialog);
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

export const covered = () => open.some((dialog) => dialog.open);

/** A designed nothing: a heading, a sentence, one thing to do. */
export const notice = (title, sentence, action, act) => press(clone("notice", { title, sentence, action }), { button: act });
