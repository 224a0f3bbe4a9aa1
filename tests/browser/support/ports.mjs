// Ports of the session whose page is open, by its own API, and files for the apps behind them.

/** The session of the page. */
export function sessionOf(page) {
  return api(page, "GET", "");
}

/** A request below the session's path, as its page would make it. */
export function api(page, method, below, body) {
  return page.evaluate(
    async ([method, below, body]) => {
      const path = `/api/v1/sessions/${document.body.dataset.session}${below}`;
      const answer = await fetch(path, { method, body: body && JSON.stringify(body) });
      return answer.json();
    },
    [method, below, body],
  );
}

/** Sets what a port of the first machine is, and gives it. */
export function setPort(page, port, setting) {
  return api(page, "PUT", `/instances/m1/ports/${port}`, setting);
}

/** Writes a file in the first machine. */
export function putFile(page, path, text) {
  const argv = ["/bin/sh", "-c", 'mkdir -p "${1%/*}" && cat > "$1"', "sh", path];
  return api(page, "POST", "/instances/m1/exec", { argv, stdin: text });
}
