// The official client's Presence on two nodes. Prints one JSON line of what it saw.
// Usage: node --experimental-websocket phoenix_presence.mjs http://127.0.0.1:PORT/socket PACKAGE
import { happened, quick, state, until } from "./phoenix_words.mjs";

globalThis.self = globalThis; // where 1.7 looks for what a browser has
const { Presence, Socket } = await import(process.argv[3]);
const seen = {};
const url = process.argv[2].replace("http", "ws");
const visit = (node, name, device) => {
  const socket = new Socket(`${url}/${node}`, quick);
  socket.connect();
  const lobby = socket.channel("lobby:1", { name, device });
  const presence = new Presence(lobby);
  const log = [];
  presence.onJoin((key, current, came) => log.push(["join", key, !!current, came.metas.length]));
  presence.onLeave((key, current, went) => log.push(["leave", key, current.metas.length, went.metas.length]));
  const here = () =>
    Object.fromEntries(presence.list((key, { metas }) => [key, metas.map((m) => m.device).sort()]));
  return { socket, lobby, presence, log, here };
};
const joined = (visitor) => new Promise((resolve) => visitor.lobby.join().receive("ok", resolve));
const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

const ada = visit("one", "ada", "phone");
await joined(ada);
await until(() => same(ada.here(), { ada: ["phone"] }));

const bob = visit("two", "bob", "web");
await joined(bob);
await until(() => same(ada.here(), { ada: ["phone"], bob: ["web"] }));
await until(() => same(bob.here(), { ada: ["phone"], bob: ["web"] }));

const again = visit("two", "ada", "web");
await joined(again);
await until(() => same(ada.here().ada, ["phone", "web"]));
seen.twoDevices = ada.here();

const before = ada.presence.state.bob.metas[0].phx_ref;
bob.lobby.push("update", { key: "bob", meta: { device: "tv" } });
await until(() => same(ada.here().bob, ["tv"]));
seen.previous = ada.presence.state.bob.metas[0].phx_ref_prev === before;

again.socket.disconnect();
await until(() => same(ada.here().ada, ["phone"]));
bob.lobby.leave();
await until(() => same(ada.here(), { ada: ["phone"] }));
seen.left = ada.here();

// A rejoin brings the state anew, and diffs go on behind it.
const errored = happened((done) => ada.lobby.onError(done));
ada.lobby.push("unknown", {});
await errored;
await state(ada.lobby, "joined");
const odd = process.argv[3] === "phoenix-1-7-21" ? "cleo" : "__proto__"; // on which 1.7 trips
const cleo = visit("two", odd, "web");
await joined(cleo);
await until(() => same(ada.presence.list((key) => key).sort(), [odd, "ada"].sort()));
seen.afterRejoin = ada.presence.list((key) => (key === odd ? "odd" : key)).sort();
seen.log = ada.log.filter(([, key]) => key === "bob");
console.log(JSON.stringify(seen));
process.exit(0);
