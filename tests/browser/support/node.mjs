// The node under test: the one at SANDLOT_URL, or one of our own with scratch folders, ended when the tests are over.
import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import { chmod, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
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

[playgrounds.apps]
title = "Apps"
description = "Programs that are reached through ports."
memory = "2 GiB"
disk = "2 GiB"
`;
const CGROUP = `sandlot-browser-${process.pid}`;
/** Making the large image takes minutes. */
const IMAGE_PATIENCE = 15 * 60_000;

/** Starts the node, with these images and further options of serve. `stop()` ends it and whatever it runs. */
export async function startNode(images = ["tiny"], words = []) {
  if (process.env.SANDLOT_URL) {
    return { url: process.env.SANDLOT_URL.replace(/\/$/, ""), isOwn: false, stop: async () => {} };
  }
  const folder = await mkdtemp(join(tmpdir(), "sandlot-browser-"));
  await chmod(folder, 0o755);
  await writeFile(join(folder, "sandlot.toml"), config(images));
  let serve = await startServe(folder, "127.0.0.1:0", words);
  const { url } = serve;
  await eventually(() => areReady(url, images), "the images are made", IMAGE_PATIENCE);
  const restart = async () => {
    await endServe(serve, "SIGKILL");
    serve = await startServe(folder, new URL(url).host, words);
  };
  const command = (...words) => runCommand(folder, words);
  return { url, isOwn: true, restart, command, stop: () => stop(serve, folder) };
}

/** Starts serve and waits for its line on stdout. */
async function startServe(folder, listen, words) {
  const child = spawn(binary(), ["serve", "--listen", listen, ...options(folder), ...words], {
    env: { ...process.env, SANDLOT_TEST_HOOKS: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const serve = { child, text: "", ended: false, url: undefined };
  child.stdout.on("data", (bytes) => (serve.text += bytes));
  child.stderr.on("data", (bytes) => (serve.text += bytes));
  child.on("exit", () => (serve.ended = true));
  const address = () => /^listening on (\S+)/m.exec(serve.text)?.[1];
  await eventually(() => address() !== undefined || serve.ended, "the node listens");
  if (serve.ended) {
    throw new Error(`start the node: it ended: ${serve.text}`);
  }
  return Object.assign(serve, { url: address().replace(/\/$/, "") });
}

/** Runs a command of the node; fails with what it says. */
function runCommand(folder, words) {
  const { status, stderr } = spawnSync(binary(), [...words, ...options(folder)], { encoding: "utf8", timeout: IMAGE_PATIENCE });
  if (status !== 0) {
    throw new Error(`sandlot ${words.join(" ")}: ${stderr}`);
  }
}

async function endServe(serve, signal) {
  serve.child.kill(signal);
  await eventually(() => serve.ended, "serve ends");
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
    ...["--cgroup-parent", CGROUP, "--uid-base", String(UID_BASE)],
    ...backend,
  ];
}

async function areReady(url, images) {
  const { playgrounds } = JSON.parse(await read(`${url}/api/v1/playgrounds`));
  const ready = playgrounds.filter(({ state }) => state === "ready").map(({ image }) => image);
  return images.every((image) => ready.includes(image));
}

/** What stands there. A test's own certificate is nobody's affair here: browsers look at it. */
function read(url) {
  const { get } = url.startsWith("https:") ? https : http;
  return new Promise((done, failed) => {
    const request = get(url, { rejectUnauthorized: false }, async (answer) => done((await answer.toArray()).join("")));
    request.on("error", failed);
  });
}

async function stop(serve, folder) {
  await endServe(serve, "SIGTERM");
  if (process.env.SANDLOT_KEEP_LOG) {
    await writeFile(process.env.SANDLOT_KEEP_LOG, serve.text);
  }
  const problems = process.env.SANDLOT_BACKEND === "local" ? [] : [...down(folder), ...(await leftCgroups())];
  await rm(folder, { recursive: true, force: true });
  if (problems.length > 0) {
    throw new Error(`end the node: ${problems.join(", ")}`);
  }
}

/** Ends everything of the node. What went wrong, if anything. */
function down(folder) {
  const { status, stderr } = spawnSync(binary(), ["down", ...options(folder)], { encoding: "utf8", timeout: PATIENCE });
  return status === 0 ? [] : [stderr];
}

/** Folders of the node's cgroup, in any hierarchy. */
async function leftCgroups() {
  const root = "/sys/fs/cgroup";
  const hierarchies = ["", ...(await readdir(root))];
  return hierarchies.map((name) => join(root, name, CGROUP)).filter((folder) => existsSync(folder));
}
