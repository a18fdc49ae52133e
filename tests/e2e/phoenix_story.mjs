// What a page does with channels, told the same by every version of the official client, in Node
// and in a browser. Returns what it saw.

import { asked, bytes, happened, once, quick, sent, state } from "./phoenix_words.mjs";

export async function tell(Socket, url, { transport, token, kicked = true } = {}) {
  const seen = {};
  const how = { ...quick, heartbeatIntervalMs: 200, ...(transport && { transport }) };
  const name = `judge${Math.floor(Math.random() * 1e9)}`;
  const topic = `room:${name}`;
  const socket = new Socket(url, {
    ...how,
    ...(token && { authToken: token }),
    params: () => ({ id: name, nested: { a: 1 }, list: [1, 2], nothing: null }),
  });
  const other = new Socket(url, how);
  let opened = 0;
  const closes = [];
  socket.onOpen(() => (opened += 1));
  socket.onClose((event) => closes.push(event.code));
  socket.connect();
  other.connect();

  let room = socket.channel(topic, { hello: "there" });
  seen.join = await asked(room.join());
  const refused = async (topic, params) => {
    const channel = socket.channel(topic, params);
    const answer = await asked(channel.join());
    channel.leave(); // or it asks again and again
    return answer;
  };
  seen.refused = await refused("room:full", { refuse: "full" });
  seen.unmatched = await refused("attic", {});
  const [, who] = await asked(room.push("who", {}));
  delete who.params.token; // of a long poll's session
  seen.who = { ...who, params: { ...who.params, id: who.params.id === name } };
  seen.echo = await asked(room.push("echo", { x: [1, "é"] }));
  seen.fail = await asked(room.push("fail", { why: "so" }));
  seen.later = await asked(room.push("later", { n: 1 }));

  // A heartbeat has its answer (a long poll sends none of its own).
  seen.heartbeat = await happened((done) => socket.ping((ms) => done(ms >= 0)));

  // Broadcasts, to two clients and to all but the sender.
  const there = other.channel(topic, {});
  await asked(there.join());
  let heard = Promise.all([once(room, "shout"), once(there, "shout")]);
  room.push("shout", { n: 1 });
  seen.broadcast = await heard;
  const own = [];
  const listening = room.on("shout", (payload) => own.push(payload));
  heard = once(there, "shout");
  room.push("others", { n: 2 });
  seen.others = await heard;
  await asked(room.push("echo", {})); // an own copy would have come before this answer
  room.off("shout", listening);
  seen.own = own;
  if (!transport) {
    seen.binaryReply = bytes((await asked(room.push("echo", sent(1, 2, 3))))[1]);
    heard = Promise.all([once(room, "shout"), once(there, "shout")]);
    room.push("shout", sent(4, 5));
    seen.binaryBroadcast = (await heard).map(bytes);
    heard = once(room, "told");
    room.push("tell", sent());
    seen.binaryPush = bytes(await heard);
  }

  // A crash is phx_error: the client joins again by itself.
  const errored = happened((done) => room.onError(done));
  room.push("crash", {});
  await errored;
  await state(room, "joined");
  seen.afterCrash = await asked(room.push("echo", { back: 1 }));

  // Leave, and come back in a channel of one's own.
  seen.leave = await asked(room.leave());
  seen.left = await state(room, "closed");
  room = socket.channel(topic, { again: true });
  seen.rejoin = await asked(room.join());

  // The server closes this socket: it connects and joins again by itself.
  if (kicked) {
    const before = opened;
    const reopened = happened((done) => socket.onOpen(done));
    room.push("kick", {});
    await reopened;
    await state(room, "joined");
    seen.afterKick = await asked(room.push("echo", { back: 2 }));
    seen.reopened = opened - before;
    seen.closes = closes.slice();
    heard = once(room, "shout");
    there.push("shout", { n: 3 });
    seen.afterReconnect = await heard;
  }

  // The client disconnects and connects again.
  await happened((done) => socket.disconnect(done));
  socket.connect();
  await state(room, "joined");
  seen.afterDisconnect = await asked(room.push("echo", { back: 3 }));

  // A stop is phx_close: the client stays away.
  seen.stop = await asked(room.push("stop", { reason: "normal" }));
  seen.stopped = await state(room, "closed");
  await Promise.all([socket, other].map((each) => happened((done) => each.disconnect(done))));
  return seen;
}
