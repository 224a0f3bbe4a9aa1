// A certificate that vouches for itself, for a node under names of the test's own.
import { spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Makes one. `words` are the options of serve; `remove()` takes its files away. */
export async function makeCertificate(names) {
  const folder = await mkdtemp(join(tmpdir(), "sandlot-certificate-"));
  const [certificate, key] = ["site.pem", "site.key"].map((name) => join(folder, name));
  const kind = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
  const subject = ["-subj", "/CN=test site", "-addext", `subjectAltName=${names.map((name) => `DNS:${name}`).join(",")}`];
  const made = spawnSync("openssl", [...kind, ...subject, "-out", certificate, "-keyout", key], { encoding: "utf8" });
  if (made.status !== 0) {
    throw new Error(`make a certificate: ${made.stderr ?? made.error}`);
  }
  const words = ["--tls-cert", certificate, "--tls-key", key];
  return { words, remove: () => rm(folder, { recursive: true, force: true }) };
}
