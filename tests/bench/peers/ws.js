// npm `ws` with as much of Phoenix V2 as the load generator needs.
const { WebSocketServer } = require("ws");

const rooms = new Map();

new WebSocketServer({ port: Number(process.argv[2]), host: "127.0.0.1", backlog: 4096 }).on("connection", (socket) => {
  socket.on("message", (data) => {
    const [joinRef, ref, topic, event, payload] = JSON.parse(data);
    const reply = (response) =>
      socket.send(JSON.stringify([joinRef, ref, topic, "phx_reply", { status: "ok", response }]));
    if (event === "phx_join") {
      if (!rooms.has(topic)) rooms.set(topic, new Set());
      rooms.get(topic).add(socket);
      reply({});
    } else if (event === "ping") {
      reply(payload);
    } else {
      const text = JSON.stringify([null, null, topic, event, payload]);
      for (const each of rooms.get(topic)) each.send(text);
    }
  });
});
