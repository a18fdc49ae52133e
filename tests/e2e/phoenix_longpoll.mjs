// The official client over long polls against our nodes, by turns. Prints one JSON line of what it saw.
// Usage: node phoenix_longpoll.mjs http://127.0.0.1:PORT/socket PACKAGE
import { asked, bytes, happened, once, quick, state } from "./phoenix_words.mjs";

globalThis.self = globalThis; // where 1.7 looks for what a browser has
const old = process.argv[3] === "phoenix-1-7-21";
if (old) {
  globalThis.XMLHttpRequest = class {
    open(method, url) {
      Object.assign(this, { method, url, headers: {}, aborted: new AbortController() });
    }
    setRequestHeader(name, value) {
      this.headers[name] = value;
    }
    async send(body) {
      const { method, headers, aborted } = this;
      try {
        const response = await fetch(this.url, { method, headers, body, signal: aborted.signal });
        this.responseText = await response.text();
      } catch {
        return; // aborted
      }
      this.readyState = 4;
      this.onreadystatechange();
    }
    abort() {
      this.aborted.abort();
    }
  };
}
const { LongPoll, Socket } = await import(process.argv[3]);
const seen = {};
const socket = new Socket(process.argv[2].replace("http", "ws"), {
  transport: LongPoll,
  params: () => ({ name: "ada", nothing: null }),
  authToken: "s3cret?>~",
  ...quick,
});

// What README.md tells apps to do: bytes come back as bytes whichever transport carried them.
const asBytes = (value) =>
  value && typeof value.$binary === "string"
    ? Uint8Array.from(atob(value.$binary), (c) => c.charCodeAt(0)).buffer
    : value;
const restoreBytes = (_event, payload) =>
  payload && payload.response
    ? { ...payload, response: asBytes(payload.response) }
    : asBytes(payload);

const closes = [];
socket.onClose((event) => closes.push(event.code));
socket.connect();

const room = socket.channel("room:1", { hello: "there" });
room.onMessage = restoreBytes;
seen.join = await asked(room.join());
seen.ping = await asked(room.push("ping", { x: [1, "é"] }));
seen.refused = await asked(room.push("refuse", { more: 1 }));
seen.binaryReply = bytes((await asked(room.push("ping", new Uint8Array([1, 2, 255]).buffer)))[1]);
const attic = socket.channel("attic", {});
seen.wrongTopic = await asked(attic.join());
attic.leave(); // else it asks again and again

let shout = once(room, "shout");
room.push("shout", { all: true });
seen.broadcast = await shout;
shout = once(room, "shout");
room.push("shout", new Uint8Array([4, 5]).buffer);
seen.binaryBroadcast = bytes(await shout);

const burst = old ? 100 : 250; // 1.7 sends all of one turn in one batch
const many = await Promise.all([...Array(burst).keys()].map((n) => asked(room.push("ping", { n }))));
seen.many = many.every(([status, { n }], place) => status === "ok" && n === place);

const errored = happened((done) => room.onError(done));
room.push("crash", {});
await errored;
await state(room, "joined");
seen.afterCrash = await asked(room.push("ping", { back: 1 }));

if (!old) {
  // 1.7 takes the 410 of a session that is gone for the beginning of another, and does not rejoin.
  const closed = happened((done) => socket.onClose(done));
  room.push("kick", {});
  await closed;
  await state(room, "joined");
  seen.afterKick = await asked(room.push("ping", { back: 2 }));
}
seen.closes = closes;

seen.leave = await asked(room.leave());
seen.left = room.state;
console.log(JSON.stringify(seen));
process.exit(0);
