// The official client over long polls against our nodes, by turns. Prints one JSON line of what it saw.
// Usage: node phoenix_longpoll.mjs http://127.0.0.1:PORT/socket
import { LongPoll, Socket } from "phoenix";

const seen = {};
const socket = new Socket(process.argv[2].replace("http", "ws"), {
  transport: LongPoll,
  params: () => ({ name: "ada", nothing: null }),
  authToken: "s3cret?>~",
  reconnectAfterMs: () => 20,
  rejoinAfterMs: () => 20,
});

const asked = (push) =>
  new Promise((resolve, reject) => {
    push
      .receive("ok", (response) => resolve(["ok", response]))
      .receive("error", (response) => resolve(["error", response]))
      .receive("timeout", () => reject(new Error("timeout")));
  });
const once = (channel, event) =>
  new Promise((resolve) => {
    const ref = channel.on(event, (payload) => {
      channel.off(event, ref);
      resolve(payload);
    });
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
const bytes = (buffer) => Array.from(new Uint8Array(buffer));

const closes = [];
socket.onClose((event) => closes.push(event.code));
socket.connect();

const room = socket.channel("room:1", { hello: "there" });
room.onMessage = restoreBytes;
seen.join = await asked(room.join());
seen.ping = await asked(room.push("ping", { x: [1, "é"] }));
seen.refused = await asked(room.push("refuse", { more: 1 }));
seen.binaryReply = bytes((await asked(room.push("ping", new Uint8Array([1, 2, 255]).buffer)))[1]);
seen.wrongTopic = await asked(socket.channel("attic", {}).join());

let shout = once(room, "shout");
room.push("shout", { all: true });
seen.broadcast = await shout;
shout = once(room, "shout");
room.push("shout", new Uint8Array([4, 5]).buffer);
seen.binaryBroadcast = bytes(await shout);

const many = await Promise.all([...Array(250).keys()].map((n) => asked(room.push("ping", { n }))));
seen.many = many.every(([status, { n }], place) => status === "ok" && n === place);

const rejoined = () =>
  new Promise((resolve) => {
    const look = () => (room.state === "joined" ? resolve() : setTimeout(look, 5));
    setTimeout(look, 5);
  });
const errored = new Promise((resolve) => room.onError(resolve));
room.push("crash", {});
await errored;
await rejoined();
seen.afterCrash = await asked(room.push("ping", { back: 1 }));

const closed = new Promise((resolve) => socket.onClose(resolve));
room.push("kick", {});
await closed;
await rejoined();
seen.afterKick = await asked(room.push("ping", { back: 2 }));
seen.closes = closes;

seen.leave = await asked(room.leave());
seen.left = room.state;
console.log(JSON.stringify(seen));
process.exit(0);
