// Requests. The access token lives in memory, the refresh token in a cookie that no script sees.

let access = "";
let expires = 0;
let refreshing;

export const token = () => access;
export const stale = () => access && Date.now() > expires;

/** Keep what a sign-in or a refresh gave; nothing after signing out. */
export function keep({ access_token = "", expires_in = 0 } = {}) {
	access = access_token;
	expires = Date.now() + (expires_in - 10) * 1000;
}

const csrf = () => /(?:^|; )csrf=([^;]+)/.exec(document.cookie)?.[1];

/** Trade the cookie for a new token; each trade uses it up, so one window at a time. */
export function refresh() {
	const trade = () => request("POST", "/auth/refresh", undefined, false).then((answer) => (keep(answer), answer));
	refreshing ??= (navigator.locks ? navigator.locks.request("lumen-refresh", trade) : trade())
		.catch(({ status }) => { if (status) keep(); })
		.finally(() => { refreshing = null; });
	return refreshing;
}

/** Go on with the session of an earlier visit, if there is one: its user. */
export const resume = async () => (csrf() ? (await refresh())?.user : null);

/** Ask the server: the answer's JSON, or an error whose message can be shown as it is. */
export async function request(method, path, body, again = true) {
	if (again && stale()) await refresh();
	const headers = {};
	if (body) headers["content-type"] = "application/json";
	if (access) headers.authorization = `Bearer ${access}`;
	if (csrf()) headers["x-csrf-token"] = csrf();
	const response = await fetch(path, { method, headers, body: body && JSON.stringify(body) }).catch(() => {
		throw new Error("Lumen cannot be reached just now.");
	});
	const { ok, status } = response;
	if (status === 401 && again && access && (await refresh())) return request(method, path, body, false);
	const answer = await response.json().catch(() => ({}));
	if (ok) return answer;
	throw Object.assign(new Error(answer.detail || answer.title || `The server answered ${status}.`), { status, reason: answer.reason });
}

export const get = (path, query = {}) => request("GET", `${path}?${new URLSearchParams(Object.entries(query).filter(([, value]) => value))}`);
