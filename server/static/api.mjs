// Requests. The access token is in memory, the refresh token in a cookie that no script sees.

let access = "";
let expires = 0;
let refreshing, timer;

export const token = () => access;
export const stale = () => access && Date.now() > expires;

export function keep({ access_token = "", expires_in = 0 } = {}) {
	access = access_token;
	expires = Date.now() + (expires_in - 10) * 1000;
	clearTimeout(timer);
	// Ahead of time: an open socket is told, and never meets the end of its token.
	if (access) timer = setTimeout(refresh, Math.max(expires_in - 45, 5) * 1000);
}

const csrf = () => /(?:^|; )csrf=([^;]+)/.exec(document.cookie)?.[1];

/** Trade the cookie for a new token; each trade uses it up, so one window at a time. */
export function refresh() {
	const trade = () => request("POST", "/auth/refresh", undefined, false).then((answer) => (keep(answer), dispatchEvent(new CustomEvent("renewed", { detail: access })), answer));
	refreshing ??= (navigator.locks ? navigator.locks.request("lumen-refresh", trade) : trade())
		.catch(({ status }) => status === 401 && dispatchEvent(new Event("signedout", keep())))
		.finally(() => { refreshing = null; });
	return refreshing;
}

/** Go on with the session of an earlier visit: its user, if there is one. */
export const resume = async () => (csrf() ? (await refresh())?.user : null);

/** Ask the server: the answer's JSON, or an error whose message can be shown as it is. */
export async function request(method, path, body, again = true, more = {}) {
	if (again && stale()) await refresh();
	const headers = { "x-csrf-token": csrf() ?? "", "content-type": "application/json", ...more };
	if (access) headers.authorization = `Bearer ${access}`;
	const away = () => { throw new Error("Lumen cannot be reached just now."); };
	const response = await fetch(path, { method, headers, body: body && JSON.stringify(body), signal: AbortSignal.timeout(15000) }).catch(away);
	const { ok, status } = response;
	if (status === 401 && again && access && (await refresh())) return request(method, path, body, false, more);
	const text = await response.text().catch(away);
	const answer = /json/.test(response.headers.get("content-type")) ? JSON.parse(text) : {};
	if (ok) return answer;
	throw Object.assign(new Error(answer.detail || answer.title || `The server answered ${status}.`), { status, reason: answer.reason });
}

export const get = (path, query = {}) => request("GET", `${path}?${new URLSearchParams(Object.entries(query).filter(([, value]) => value))}`);
