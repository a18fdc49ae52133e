// The page of those who run the house: the API, and nothing that the API does not do.

const REASONS = ["spam", "abuse", "hate", "violence", "sexual", "self_harm", "false", "rights", "illegal", "other"];
const part = document.querySelector("#part");
const signIn = document.querySelector("#sign-in");
const nav = document.querySelector("nav");

function make(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value !== false && value != null) node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child != null));
  return node;
}

function say(text, bad = false) {
  const said = document.querySelector("#said");
  said.textContent = text;
  said.classList.toggle("bad", bad);
}

function csrf() {
  return document.cookie.match(/(?:^|; )csrf=([^;]*)/)?.[1] ?? "";
}

async function ask(method, path, body, again = true) {
  const headers = { accept: "application/json", "x-csrf-token": csrf() };
  if (body !== undefined) headers["content-type"] = "application/json";
  const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
  if (answer.status === 401 && again && csrf() && path !== "/auth/login") {
    const renewed = await fetch("/auth/refresh", { method: "POST", headers });
    if (renewed.ok) return ask(method, path, body, false);
  }
  const told = answer.status === 204 ? null : await answer.json();
  if (!answer.ok) throw Object.assign(new Error(told.detail ?? told.title), { status: answer.status });
  return told;
}

async function doing(work, done) {
  try {
    const result = await work();
    if (done) say(done);
    return result;
  } catch (error) {
    say(error.message, true);
    if (error.status === 401) begin();
  }
}

const when = (moment) => make("time", { datetime: moment }, new Date(moment).toLocaleString());
const person = (who) => (who ? `${who.name} (@${who.username ?? "from a source"})` : "nobody of Lumen");

function form(title, fields, act) {
  return make("form", {
    onsubmit: (event) => {
      event.preventDefault();
      act(Object.fromEntries(new FormData(event.target)));
    },
  }, make("h3", {}, title), ...fields, make("button", {}, title));
}

const text = (label, name, more = {}) => make("label", {}, label, make("input", { name, ...more }));
const choice = (label, name, values) =>
  make("label", {}, label, make("select", { name }, ...values.map((value) => make("option", { value }, value))));

function table(heads, rows) {
  return make("table", {},
    make("thead", {}, make("tr", {}, ...heads.map((head) => make("th", { scope: "col" }, head)))),
    make("tbody", {}, ...rows.map((row) => make("tr", {}, ...row.map((cell) => make("td", {}, cell))))));
}

function more(page, next) {
  return page.has_more ? make("button", { onclick: () => next(page.next_cursor) }, "More") : null;
}

async function reports(cursor = "") {
  const page = await ask("GET", `/admin/reports?limit=20${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
  show("Reports", ...page.items.map(report), page.items.length ? null : make("p", {}, "Nothing is waiting."), more(page, (next) => doing(() => reports(next))));
}

function report(held) {
  const path = `/admin/reports/${held.id}`;
  const verdicts = ["dismiss", ...(held.target.kind === "item" ? ["takedown", "restore"] : []), "shadowban", "suspend"];
  return make("article", {},
    make("h3", {}, `${held.target.kind} ${held.target.id}`),
    make("p", {}, `By ${person(held.author)}, ${held.author_state ?? "unknown"}; reported ${held.report_count} times, first `, when(held.created_at), "."),
    held.excerpt ? make("blockquote", {}, held.excerpt) : null,
    make("ul", {}, ...held.reports.map((each) => make("li", {}, `${each.reason}: ${each.note || "no note"} (${person(each.reporter)})`))),
    held.claimed_by ? make("p", {}, `Held by ${person(held.claimed_by)} until `, when(held.claimed_until)) : null,
    make("button", { onclick: () => doing(() => ask("POST", `${path}/claim`), "It is yours for a quarter of an hour.").then(() => doing(reports)) }, "Claim"),
    make("button", { onclick: () => doing(() => ask("DELETE", `${path}/claim`), "Let go.").then(() => doing(reports)) }, "Let go"),
    form("Decide", [choice("Verdict", "verdict", verdicts), choice("Reason", "reason", REASONS), text("Note to the author", "note", { maxlength: 1000 })],
      (given) => doing(() => ask("POST", `${path}/verdict`, given), "Decided.").then(() => doing(reports))));
}

async function items() {
  const found = make("div");
  show("Items", form("Look up", [text("Id of the item", "id", { required: true, size: 40 })], (given) => doing(async () => {
    const item = await ask("GET", `/admin/items/${encodeURIComponent(given.id)}`);
    found.replaceChildren(make("article", {},
      make("h3", {}, `${item.type} ${item.id}: ${item.state}`),
      make("p", {}, `By ${person(item.author)}, ${item.author_state ?? "unknown"}, `, when(item.published_at), item.removed_for ? ` · removed for ${item.removed_for}` : ""),
      make("blockquote", {}, [item.title, item.body_text].filter(Boolean).join("\n")),
      form("Set", [choice("State", "state", ["removed", "live"]), choice("Reason", "reason", REASONS), text("Note", "note", { maxlength: 1000 })],
        (status) => doing(() => ask("PUT", `/admin/items/${item.id}`, status), "Done."))));
  })), found);
}

async function people() {
  const found = make("div");
  show("People", form("Search", [text("Name or address", "q", { required: true })], (given) => doing(async () => {
    const page = await ask("GET", `/admin/users?q=${encodeURIComponent(given.q)}`);
    found.replaceChildren(...page.items.map((user) => make("article", {},
      make("h3", {}, `${user.display_name} (@${user.username})`),
      make("p", {}, `${user.role}, ${user.state}`),
      form("Set", [choice("State", "state", ["active", "shadowbanned", "suspended"]), choice("Reason", "reason", REASONS), text("Until", "until", { type: "datetime-local" }), text("Note", "note", { maxlength: 1000 })],
        (status) => doing(() => ask("PUT", `/admin/users/${user.id}`, { ...status, until: status.until ? new Date(status.until).toISOString() : null }), "Done.")))));
    if (!page.items.length) say("Nobody is found.");
  })), found);
}

async function events() {
  const page = await ask("GET", "/admin/events");
  show("Parked events",
    make("p", {}, `${page.waiting} wait, the oldest for ${page.oldest_seconds.toFixed(1)} s; ${page.parked} are parked.`),
    make("button", { onclick: () => doing(() => ask("POST", "/admin/events/revive"), "They are tried again.").then(() => doing(events)) }, "Try all again"),
    table(["Topic", "Group", "Error", "Parked"], page.items.map((each) => [each.topic, each.group, each.error, when(each.parked_at)])));
}

async function audit(cursor = "") {
  const page = await ask("GET", `/admin/audit${cursor && `?cursor=${encodeURIComponent(cursor)}`}`);
  show("Audit log",
    table(["No.", "When", "Who", "Did", "To", "Note"], page.items.map((each) => [
      String(each.seq), when(each.at), each.actor_id ?? "the operator", each.action, `${each.target_kind} ${each.target_id}`, each.note])),
    more(page, (next) => doing(() => audit(next))));
}

const PARTS = { reports, items, people, events, audit };

function show(title, ...children) {
  part.replaceChildren(make("h2", { tabindex: "-1" }, title), ...children.filter(Boolean));
}

async function open() {
  const name = location.hash.slice(1) in PARTS ? location.hash.slice(1) : "reports";
  for (const link of nav.querySelectorAll("a")) link.toggleAttribute("aria-current", link.hash === `#${name}`);
  say("");
  await doing(() => PARTS[name]());
  part.querySelector("h2")?.focus();
}

async function begin() {
  let me;
  try {
    // Without a session there is nobody to ask for.
    me = csrf() ? await ask("GET", "/auth/me") : null;
  } catch {
    me = null;
  }
  const admin = me?.role === "admin";
  nav.hidden = part.hidden = !admin;
  signIn.hidden = admin;
  document.querySelector("#who").textContent = me ? `Signed in as ${me.username} (${me.role})` : "";
  if (me && !admin) say("Only an admin may do this.", true);
  if (admin) await open();
}

signIn.addEventListener("submit", (event) => {
  event.preventDefault();
  const given = Object.fromEntries(new FormData(signIn));
  doing(() => ask("POST", "/auth/login", given), "").then((done) => done && begin());
});
addEventListener("hashchange", open);
begin();
