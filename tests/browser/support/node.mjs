// The node under test: the one at SANDLOT_URL, or one of our own with scratch folders, ended when the tests are over.
import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { PATIENCE, eventually } from "./wait.mjs";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
/** Below the ranges of the Rust tests' nodes and of a node with the default base. */
const UID_BASE = 0x0800_0000;
const config = (images) => `
make-images = ${JSON.stringify(images)}

[limits]
sessions_per_address = 100
sessions_per_node = 100
starts_per_minute_per_address = 1000

[playgrounds.brief]
title = "Brief"
description = "Over in four seconds."
image = "tiny"
ttl = "4s"
`;
/** Making the large image takes minutes. */
const IMAGE_PATIENCE = 15 * 60_000;

/** Starts the node, with these images. `stop()` ends it and whatever it runs. */
export async function startNode(images = ["tiny"]) {
  if (process.env.SANDLOT_URL) {
    return { url: process.env.SANDLOT_URL.replace(/\/$/, ""), hasBrief: false, stop: async () => {} };
  }
  const folder = await mkdtemp(join(tmpdir(), "sandlot-browser-"));
  await chmod(folder, 0o755);
  await writeFile(join(folder, "sandlot.toml"), config(images));
  const serve = spawn(binary(), ["serve", "--listen", "127.0.0.1:0", ...options(folder)], {
    env: { ...process.env, SANDLOT_TEST_HOOKS: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const said = collect(serve);
  const address = () => /^listening on (\S+)/m.exec(said.text)?.[1];
  try {
    await eventually(() => address() !== undefined || said.ended, "the node listens");
  } catch (error) {
    serve.kill("SIGKILL");
    throw error;
  }
  if (!address()) {
    throw new Error(`start the node: it ended: ${said.text}`);
  }
  const node = { url: address().replace(/\/$/, ""), hasBrief: true, stop: () => stop(serve, said, folder) };
  await eventually(() => areReady(node.url, images), "the images are made", IMAGE_PATIENCE);
  return node;
}

function binary() {
  const path = process.env.SANDLOT_BINARY ?? join(ROOT, "target/debug/sandlot");
  if (!existsSync(path)) {
    throw new Error(`start the node: no binary ${path}: run \`make dev\` first, or set SANDLOT_URL`);
  }
  return path;
}

function options(folder) {
  const backend = process.env.SANDLOT_BACKEND ? ["--backend", process.env.SANDLOT_BACKEND] : [];
  return [
    ...["--state-dir", join(folder, "state"), "--run-dir", join(folder, "run"), "--config", join(folder, "sandlot.toml")],
    ...["--cgroup-parent", `sandlot-browser-${process.pid}`, "--uid-base", String(UID_BASE)],
    ...backend,
  ];
}

function collect(child) {
  const said = { text: "", ended: false };
  child.stdout.on("data", (bytes) => (said.text += bytes));
  child.stderr.on("data", (bytes) => (said.text += bytes));
  child.on("exit", () => (said.ended = true));
  return said;
}

async function areReady(url, images) {
  const { playgrounds } = await (await fetch(`${url}/api/v1/playgrounds`)).json();
  const ready = playgrounds.filter(({ state }) => state === "ready").map(({ image }) => image);
  return images.every((image) => ready.includes(image));
}

async function stop(serve, said, folder) {
  const down = spawnSync(binary(), ["down", ...options(folder)], { encoding: "utf8", timeout: PATIENCE });
  serve.kill("SIGTERM");
  await eventually(() => said.ended, "serve ends");
  if (process.env.SANDLOT_KEEP_LOG) {
    await writeFile(process.env.SANDLOT_KEEP_LOG, said.text);
  }
  await rm(folder, { recursive: true, force: true });
  if (down.status !== 0) {
    throw new Error(`end the node: ${down.stderr}${down.stdout}`);
  }
}

/** The text of a file of the repository. */
export function source(path) {
  return readFile(join(ROOT, path), "utf8");
}
