// The official client against our server. Prints one JSON line of what it saw.
// Usage: node --experimental-websocket phoenix_client.mjs ws://127.0.0.1:PORT/socket
import { Socket } from "phoenix";

const seen = {};
const url = process.argv[2];
const socket = new Socket(url, {
  params: () => ({ name: "ada", nested: { a: 1 }, list: [1, 2], nothing: null }),
  authToken: "s3cret?>~",
  heartbeatIntervalMs: 200,
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
const bytes = (buffer) => Array.from(new Uint8Array(buffer));

let opened = 0;
const closes = [];
socket.onOpen(() => (opened += 1));
socket.onClose((event) => closes.push(event.code));
socket.connect();

const room = socket.channel("room:1", { hello: "there" });
seen.join = await asked(room.join());
seen.ping = await asked(room.push("ping", { x: [1, "é"] }));
seen.refused = await asked(room.push("refuse", { more: 1 }));
seen.binaryReply = bytes((await asked(room.push("ping", new Uint8Array([1, 2, 3]).buffer)))[1]);

const other = socket.channel("room:2", {});
seen.otherJoin = await asked(other.join());
seen.wrongTopic = await asked(socket.channel("attic", {}).join());

let shout = once(room, "shout");
room.push("shout", { all: true });
seen.broadcast = await shout;
shout = once(room, "shout");
room.push("shout", new Uint8Array([4, 5]).buffer);
seen.binaryBroadcast = bytes(await shout);

// A crash is phx_error: the client joins again by itself.
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

// A second socket closes this one by its id (1001): it connects and joins again by itself.
const before = opened;
const reopened = new Promise((resolve) => socket.onOpen(resolve));
room.push("kick", {});
await reopened;
await rejoined();
seen.afterKick = await asked(room.push("ping", { back: 2 }));
seen.reopened = opened - before;
seen.closes = closes.slice();

// Heartbeats are answered.
seen.heartbeat = await new Promise((resolve) => socket.ping((rtt) => resolve(rtt >= 0)));

// A stop is phx_close: the client stays away. Leaving is answered.
const closed = new Promise((resolve) => other.onClose(resolve));
seen.stop = await asked(other.push("stop", { reason: "normal" }));
await closed;
seen.stopped = other.state;
seen.leave = await asked(room.leave());
seen.left = room.state;

await new Promise((resolve) => socket.disconnect(resolve));
console.log(JSON.stringify(seen));
process.exit(0);
