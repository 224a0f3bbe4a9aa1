// Bundles each test/*.test.ts for Node and runs them with Node's own test runner.
import { spawnSync } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";

const here = fileURLToPath(new URL(".", import.meta.url));
const outdir = await mkdtemp(join(tmpdir(), "sandlot-web-test-"));
const names = (await readdir(join(here, "test"))).filter((name) => name.endsWith(".test.ts"));

await esbuild.build({
  entryPoints: names.map((name) => join(here, "test", name)),
  outdir,
  outExtension: { ".js": ".mjs" },
  bundle: true,
  platform: "node",
  format: "esm",
  sourcemap: "inline",
  logLevel: "warning",
});
const files = names.map((name) => join(outdir, name.replace(/\.ts$/, ".mjs")));
const { status } = spawnSync(process.execPath, ["--enable-source-maps", "--test", ...files], { stdio: "inherit" });
await rm(outdir, { recursive: true });
process.exitCode = status ?? 1;
