// Who is reading. Signing in is asked for at the first action that needs it, which then happens.

import { keep, known, refresh, request } from "./api.mjs";
import { clone, press } from "./dom.mjs";
import { sheet } from "./sheet.mjs";

const WAYS = {
  login: { title: "Sign in", other: "register" },
  register: { title: "Make an account", other: "login" },
};

class Account extends EventTarget {
  me = null;

  /** Go on with the session of an earlier visit, if there is one. */
  async resume() {
    if (known()) this.#is((await refresh())?.user);
  }

  /** Resolves to whether somebody is signed in, once they are or would rather not. */
  need(reason) {
    return this.me ? Promise.resolve(true) : new Promise((done) => this.#ask("login", reason, done));
  }

  /** The panel of whoever is signed in. */
  show() {
    if (!this.me) return this.need("Like, save and comment, and hear when somebody answers.");
    const panel = clone("account", { initial: initial(this.me), name: this.me.display_name, username: `@${this.me.username}` });
    const dialog = sheet("Your account", press(panel, { button: () => { dialog.close(); this.end(); } }), undefined, "form");
  }

  /** Sign out, or take note that the server did. */
  end() {
    request("POST", "/auth/logout", undefined, false).catch(() => {});
    keep();
    this.#is(null);
  }

  #is(user) {
    this.me = user ?? null;
    this.dispatchEvent(new Event("change"));
  }

  #ask(way, reason, done) {
    const form = clone(way, { reason });
    let turned = false;
    const dialog = sheet(WAYS[way].title, form, () => turned || done(Boolean(this.me)), "form");
    press(form, { ".text": () => { turned = true; this.#ask(WAYS[way].other, reason, done); } });
    form.onsubmit = async (event) => {
      event.preventDefault();
      const [problem, button] = [form.querySelector(".problem"), form.querySelector(".primary")];
      problem.textContent = "";
      button.disabled = true;
      try {
        const answer = await request("POST", `/auth/${way}`, Object.fromEntries(new FormData(form)), false);
        keep(answer);
        this.#is(answer.user);
        dialog.close();
      } catch (refusal) {
        problem.textContent = refusal.message;
      }
      button.disabled = false;
    };
    form.querySelector("input").focus();
  }
}

export const initial = (who) => (who?.display_name || who?.name || who?.username || "?")[0].toUpperCase();

export const account = new Account();
