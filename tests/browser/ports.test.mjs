// Ports by URL in a real browser: links on the page, hostile apps, private ports, redirects and cookies.
import assert from "node:assert/strict";
import { test } from "node:test";
import { withPages } from "./support/browser.mjs";
import { browser, node } from "./support/ground.mjs";
import { api, putFile, sessionOf, setPort } from "./support/ports.mjs";
import { enter, startSession } from "./support/terminal.mjs";

/** Tries everything that a page may try on the API of the session whose page is open in the same browser. */
const HOSTILE = (site, session) => `<!doctype html><title>app</title><script>
const site = ${JSON.stringify(site)}, path = "/api/v1/sessions/" + ${JSON.stringify(session)};
const said = async (work) => { try { return await work(); } catch (error) { return error.name; } };
const get = (mode, method) => said(async () => {
  const answer = await fetch(site + path, { credentials: "include", mode, method });
  return answer.type + " " + answer.status + " " + (await answer.text()).length;
});
const event = () => new Promise((done) => {
  const source = new EventSource(site + path + "/events", { withCredentials: true });
  source.onopen = () => done("open");
  source.onerror = () => { source.close(); done("refused"); };
});
const frame = () => new Promise((done) => {
  const frame = document.createElement("iframe");
  frame.src = site + path;
  frame.onload = () => { try { done(String(frame.contentDocument?.body.textContent.length ?? "closed")); } catch (e) { done("closed"); } };
  document.body.append(frame);
});
addEventListener("load", async () => {
  window.results = {
    cors: await get("cors", "GET"), noCors: await get("no-cors", "GET"), remove: await get("cors", "DELETE"),
    post: await said(async () => (await fetch(site + path + "/extend", { credentials: "include", mode: "no-cors", method: "POST" })).type),
    create: await said(async () => (await fetch(site + "/api/v1/sessions", { credentials: "include", mode: "no-cors", method: "POST" })).type),
    event: await event(), frame: await frame(), cookies: await said(async () => document.cookie),
    opener: String(window.opener),
  };
});
</script><body>hostile`;

for (const form of ["url", "path_url"]) {
  test(`a hostile page cannot reach the API, by ${form}`, () =>
    withPages(browser, {}, async (open, context) => {
      const page = await startSession(open, node.url);
      const session = await sessionOf(page);
      await putFile(page, "/w/index.html", HOSTILE(node.url, session.id));
      await enter(page, "httpd -p 8080 -h /w");
      await page.getByRole("link", { name: "Port 8080" }).waitFor();
      const before = await api(page, "GET", "");
      const sessions = await metric(node.url, "sessions");
      const refusals = await metric(node.url, "requests_refused_total");
      const port = await setPort(page, 8080, {});
      const app = await context.newPage();
      await app.goto(port[form]);
      const results = await (await app.waitForFunction(() => window.results)).jsonValue();
      const refused = { cors: "TypeError", remove: "TypeError", event: "refused", frame: "closed", opener: "null" };
      for (const [name, expected] of Object.entries(refused)) {
        assert.equal(results[name], expected, `${name}: ${JSON.stringify(results)}`);
      }
      assert.equal(results.noCors, "TypeError");
      assert.ok(!results.cookies.includes("sandlot"), results.cookies);
      // Each try arrived, and was refused for where it came from.
      assert.ok((await metric(node.url, "requests_refused_total")) >= refusals + 6);
      const after = await api(page, "GET", "");
      assert.equal(after.expires_at, before.expires_at);
      assert.equal(after.state, "running");
      assert.equal(await metric(node.url, "sessions"), sessions);
    }));
}

async function metric(url, name) {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(new RegExp(`^sandlot_${name} (\\d+)$`, "m").exec(text)[1]);
}

test("a port appears on the page as a link, and its owner says who may use it", () =>
  withPages(browser, {}, async (open, context) => {
    const page = await startSession(open, node.url);
    assert.equal(await page.getByRole("navigation", { name: "Ports" }).count(), 0);
    await putFile(page, "/w/index.html", "<title>mine</title>hello");
    await enter(page, "httpd -p 127.0.0.1:3000 -h /w");
    const link = page.getByRole("link", { name: "Port 3000" });
    await link.waitFor();
    const [app] = await Promise.all([context.waitForEvent("page"), link.click()]);
    await app.waitForLoadState();
    assert.equal(await app.title(), "mine");
    assert.match(new URL(app.url()).hostname, /^3000-[a-z2-7]{26}\.localhost$/);
    const who = page.getByLabel("Who may use port 3000");
    await who.selectOption("Nobody");
    await page.locator('[data-visibility="closed"]').waitFor();
    await app.reload();
    await app.getByRole("heading", { name: "This port is closed" }).waitFor();
    await page.bringToFront();
    await api(page, "POST", "/instances/m1/exec", { argv: ["killall", "httpd"] });
    await link.waitFor({ state: "detached" });
  }));

for (const form of ["url", "path_url"]) {
  test(`a private port opens to its owner's browser only, by ${form}`, () =>
    withPages(browser, {}, async (open, context) => {
      const page = await startSession(open, node.url);
      await putFile(page, "/w/index.html", '<title>mine</title><script src="x.js"></script><a href="two.html">two</a>');
      await putFile(page, "/w/x.js", 'document.title += "-script"; fetch("x.json").then((a) => a.text()).then((t) => (document.title += t.trim()))');
      await putFile(page, "/w/x.json", "-fetched");
      await putFile(page, "/w/two.html", "<title>two</title>");
      await enter(page, "httpd -p 8080 -h /w");
      await page.getByRole("link", { name: "Port 8080" }).waitFor();
      const port = await setPort(page, 8080, { visibility: "private" });
      const stranger = await browser.newContext();
      try {
        const other = await stranger.newPage();
        await other.goto(port[form]);
        await other.getByRole("heading", { name: "This port is private" }).waitFor();
      } finally {
        await stranger.close();
      }
      const app = await context.newPage();
      await app.goto(port[form]);
      // A sandboxed page may not read what it fetches from its own address unless the app says so.
      const title = form === "url" ? /^mine-script-fetched$/ : /^mine-script/;
      await app.waitForFunction(([source]) => new RegExp(source).test(document.title), [title.source]);
      await app.getByRole("link", { name: "two" }).click();
      await app.waitForFunction(() => document.title === "two");
      assert.ok(!app.url().includes("ticket="), app.url());
    }));
}

test("redirects and cookies of an app stay with it, in both forms", () =>
  withPages(browser, {}, async (open, context) => {
    const page = await startSession(open, node.url);
    const cgi = (lines) => `#!/bin/sh\n${lines}\n`;
    await putFile(page, "/w/cgi-bin/login", cgi("printf 'Status: 302 Found\\r\\nLocation: /cgi-bin/home\\r\\nSet-Cookie: who=ann; Path=/; HttpOnly\\r\\n\\r\\n'"));
    await putFile(page, "/w/cgi-bin/home", cgi('printf "Content-Type: text/html\\r\\n\\r\\n<title>$HTTP_COOKIE</title>"'));
    await enter(page, "chmod +x /w/cgi-bin/*; httpd -p 8080 -h /w");
    await page.getByRole("link", { name: "Port 8080" }).waitFor();
    const port = await setPort(page, 8080, {});
    for (const form of ["url", "path_url"]) {
      const app = await context.newPage();
      await app.goto(`${port[form]}cgi-bin/login`);
      assert.equal(app.url(), `${port[form]}cgi-bin/home`);
      assert.equal(await app.title(), "who=ann");
    }
    const cookies = (await context.cookies()).filter(({ name }) => name === "who");
    const where = cookies.map(({ domain, path }) => `${domain}${path}`).sort();
    const token = new URL(port.url).hostname;
    assert.deepEqual(where, [new URL(node.url).hostname + new URL(port.path_url).pathname, `${token}/`].sort());
    const sent = await context.newPage();
    await sent.goto(node.url);
    assert.equal(await sent.evaluate(() => document.cookie), "");
  }));
