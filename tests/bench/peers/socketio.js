// npm `socket.io`, websockets only, as its documentation does rooms.
const { createServer } = require("http");
const { Server } = require("socket.io");

const http = createServer();
const io = new Server(http, { transports: ["websocket"] });

io.on("connection", (socket) => {
  socket.on("join", (room, answer) => {
    socket.join(room);
    answer("ok");
  });
  socket.on("ping", (payload, answer) => answer(payload));
  socket.on("shout", (payload) => io.to("bench:1").emit("shout", payload));
});

http.listen({ port: Number(process.argv[2]), host: "127.0.0.1", backlog: 4096 });
