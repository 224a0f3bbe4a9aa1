// Bundles the pages' script and style into dist/, which the server embeds. `--watch` builds again on each change.
import { cp, mkdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";

const here = fileURLToPath(new URL(".", import.meta.url));

const options = {
  absWorkingDir: here,
  entryPoints: [
    { in: "src/app.ts", out: "app" },
    { in: "css/app.css", out: "app" },
  ],
  outdir: "dist",
  bundle: true,
  minify: true,
  format: "esm",
  target: ["chrome110", "firefox115", "safari16.4"],
  legalComments: "linked",
  logLevel: "info",
};

await mkdir(`${here}dist`, { recursive: true });
await cp(`${here}icons/icon.svg`, `${here}dist/icon.svg`);

if (process.argv.includes("--watch")) {
  await (await esbuild.context(options)).watch();
} else {
  await esbuild.build(options);
}
