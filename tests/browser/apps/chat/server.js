// A chat: whatever one says, everybody reads.
import { createServer } from "node:http";
import { readFileSync } from "node:fs";
import { WebSocketServer } from "ws";

const page = readFileSync(new URL("index.html", import.meta.url));
const server = createServer((request, response) => response.setHeader("content-type", "text/html").end(page));
const sockets = new WebSocketServer({ server });
sockets.on("connection", (socket) => {
  socket.on("message", (text) => sockets.clients.forEach((client) => client.send(String(text))));
});
server.listen(4000, "127.0.0.1");
