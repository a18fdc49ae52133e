// Requests. The access token lives in memory, the refresh token in a cookie that no script sees.

/** A request that was refused or never got through; its message can be shown as it is. */
export class Refusal extends Error {
  constructor(message, { status = 0, reason = "" } = {}) {
    super(message);
    Object.assign(this, { status, reason });
  }
}

let access = "";
let expires = 0;
let refreshing = null;

export const token = () => access;
export const stale = () => Boolean(access) && Date.now() > expires;

/** Keep what a sign-in or a refresh gave; nothing after signing out. */
export function keep({ access_token = "", expires_in = 0 } = {}) {
  access = access_token;
  expires = Date.now() + (expires_in - 10) * 1000;
}

const csrf = () => /(?:^|; )csrf=([^;]+)/.exec(document.cookie)?.[1];

/** Whether somebody was signed in here before. */
export const known = () => Boolean(csrf());

/** Trade the cookie for a new token, one window at a time: each trade uses the cookie up. */
export function refresh() {
  const trade = () => request("POST", "/auth/refresh", undefined, false);
  refreshing ??= (navigator.locks ? navigator.locks.request("lumen-refresh", trade) : trade())
    .then((answer) => { keep(answer); return answer; }, (refusal) => { if (refusal.status) keep(); return null; })
    .finally(() => { refreshing = null; });
  return refreshing;
}

/** Ask the server: the answer's JSON, or a Refusal. */
export async function request(method, path, body, again = true) {
  if (again && stale()) await refresh();
  const headers = {};
  if (body) headers["content-type"] = "application/json";
  if (access) headers.authorization = `Bearer ${access}`;
  if (method !== "GET" && csrf()) headers["x-csrf-token"] = csrf();
  const response = await fetch(path, { method, headers, body: body && JSON.stringify(body) }).catch(() => {
    throw new Refusal("Lumen cannot be reached just now.");
  });
  if (response.status === 401 && again && access && (await refresh())) return request(method, path, body, false);
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  throw new Refusal(answer.detail || answer.title || `The server answered ${response.status}.`, { status: response.status, ...answer });
}

export const get = (path, query = {}) =>
  request("GET", `${path}?${new URLSearchParams(Object.entries(query).filter(([, value]) => value))}`);
