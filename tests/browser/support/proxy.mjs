// A TCP proxy before the node that can lose connections, as a bad network does: without a farewell.
import net from "node:net";

/** Starts the proxy. `drop()` breaks every websocket; `refuse(true)` lets nobody through; `stop()` ends it. */
export async function startProxy(target) {
  const { hostname, port } = new URL(target);
  const pairs = new Set();
  let refusing = false;
  const server = net.createServer((near) => {
    const pair = { near, far: net.connect(Number(port), hostname), websocket: false };
    pairs.add(pair);
    refusing ? breakPair(pair) : join(pair, () => pairs.delete(pair));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const each = (chosen) => [...pairs].filter(chosen).forEach(breakPair);
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    websockets: () => [...pairs].filter((pair) => pair.websocket).length,
    drop: () => each((pair) => pair.websocket),
    refuse: (on) => {
      refusing = on;
      if (on) {
        each(() => true);
      }
    },
    stop: () => {
      each(() => true);
      server.close();
    },
  };
}

function join(pair, over) {
  const { near, far } = pair;
  near.on("data", (bytes) => {
    pair.websocket ||= /^upgrade: websocket/im.test(bytes.toString("latin1"));
  });
  near.pipe(far);
  far.pipe(near);
  for (const socket of [near, far]) {
    socket.on("error", () => breakPair(pair));
    socket.on("close", () => (breakPair(pair), over()));
  }
}

function breakPair({ near, far }) {
  near.on("error", () => {}).resetAndDestroy();
  far.on("error", () => {}).destroy();
}
