// Ports under a domain of their own, over HTTPS: nothing of the site is theirs, and a private port opens to its owner only.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, withPages } from "./support/browser.mjs";
import { makeCertificate } from "./support/certificate.mjs";
import { startNode } from "./support/node.mjs";
import { putFile, setPort } from "./support/ports.mjs";
import { enter, startSession } from "./support/terminal.mjs";

const SITE = "play.test";
const PORTS = "play-ports.test";
/** The certificate is nobody's that the browser knows; flags of cookies do not depend on it. */
const TRUSTING = { ignoreHTTPSErrors: true };
const PAGE = '<title>mine</title><script src="x.js"></script>';
const SCRIPT = 'document.title += "-script"; fetch("x.json").then((a) => a.text()).then((t) => (document.title += t.trim()))';

let node;
let browser;
let certificate;
let site;
before(async () => {
  certificate = await makeCertificate([SITE, `*.${PORTS}`]);
  node = await startNode(["tiny"], ["--domain", SITE, "--ports-domain", PORTS, ...certificate.words]);
  site = `https://${SITE}:${new URL(node.url).port}`;
  browser = await launch([`--host-resolver-rules=MAP ${SITE} 127.0.0.1,MAP *.${PORTS} 127.0.0.1`]);
});
after(async () => {
  await browser?.close();
  await node?.stop();
  await certificate?.remove();
});

/** A session with a private app on port 8080, and one on port 8081 that whoever has the link may use. */
async function startApps(open) {
  const page = await startSession(open, site);
  await putFile(page, "/w/index.html", PAGE);
  await putFile(page, "/w/x.js", SCRIPT);
  await putFile(page, "/w/x.json", "-fetched");
  await putFile(page, "/w/cgi-bin/cookies", '#!/bin/sh\nprintf "Content-Type: text/html\\r\\n\\r\\n<title>got [$HTTP_COOKIE]</title>"\n');
  await enter(page, "chmod +x /w/cgi-bin/*; httpd -p 8080 -h /w; httpd -p 8081 -h /w");
  await page.getByRole("link", { name: "Port 8081" }).waitFor();
  const shared = await setPort(page, 8081, {});
  return { page, shared, own: await setPort(page, 8080, { visibility: "private" }) };
}

async function isRefused(page, url) {
  await page.goto(url);
  await page.getByRole("heading", { name: "This port is private" }).waitFor();
}

const hasTitle = (page, title) => page.waitForFunction((title) => document.title === title, title);

test("a private port opens by the owner's cookie, which its own domain never sees", () =>
  withPages(browser, TRUSTING, async (open, context) => {
    const { own } = await startApps(open);
    const host = new URL(own.url).hostname;
    assert.ok(own.url.startsWith("https://8080-") && host.endsWith(`.${PORTS}`), own.url);
    const app = await context.newPage();
    await app.goto(own.url);
    await hasTitle(app, "mine-script-fetched");
    assert.equal(app.url(), own.url);

    const cookies = await context.cookies();
    const ours = cookies.filter(({ name }) => name.toLowerCase().includes("sandlot"));
    assert.deepEqual(ours.map(({ domain }) => domain).sort(), [host, SITE].sort());
    for (const cookie of ours) {
      const { name, secure, httpOnly, sameSite, path } = cookie;
      assert.ok(name.startsWith("__Host-sandlot_") && secure && httpOnly && path === "/", JSON.stringify(cookie));
      assert.ok(["Lax", "Strict"].includes(sameSite), sameSite);
    }
    await app.goto(`${own.url}cgi-bin/cookies`);
    await hasTitle(app, "got []");
  }));

test("without the cookie it is refused: a stranger, who has lost it, a page of another port", () =>
  withPages(browser, TRUSTING, async (open, context) => {
    const { own, shared } = await startApps(open);
    const stranger = await browser.newContext(TRUSTING);
    try {
      const page = await stranger.newPage();
      await isRefused(page, own.url);
      await page.goto(shared.url);
      await hasTitle(page, "mine-script-fetched");
    } finally {
      await stranger.close();
    }

    const app = await context.newPage();
    await app.goto(own.url);
    await hasTitle(app, "mine-script-fetched");
    // The browser would send the grant along: both ports are of one site.
    const neighbour = await context.newPage();
    await neighbour.goto(shared.url);
    const loaded = await neighbour.evaluate(
      (url) =>
        new Promise((done) => {
          const script = document.createElement("script");
          Object.assign(script, { src: `${url}x.js`, onload: () => done("loaded"), onerror: () => done("refused") });
          document.head.append(script);
        }),
      own.url,
    );
    assert.equal(loaded, "refused");
    // Nor does it lock the owner out by a cookie of this name for the whole domain.
    await neighbour.evaluate((domain) => {
      for (const name of ["__Host-sandlot_port", "sandlot_port"]) {
        document.cookie = `${name}=x; Domain=${domain}; Path=/; Secure`;
      }
    }, PORTS);
    await app.goto(own.url);
    await hasTitle(app, "mine-script-fetched");

    await context.clearCookies();
    await isRefused(app, own.url);
  }));

test("the ports' domain has nothing of the site", () =>
  withPages(browser, TRUSTING, async (open, context) => {
    const { page } = await startApps(open);
    const elsewhere = await context.newPage();
    const path = new URL(page.url()).pathname;
    for (const name of [`x.${PORTS}`, `8080-x.${PORTS}`]) {
      for (const below of [path, "/", "/api/v1/playgrounds"]) {
        const answer = await elsewhere.goto(`https://${name}:${new URL(site).port}${below}`);
        assert.equal(answer.status(), 404, `${name}${below}`);
        assert.match(await elsewhere.content(), /Nothing is here/);
      }
    }
  }));
