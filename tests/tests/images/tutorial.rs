//! The Dockerfile that the first tutorial of Docker's users has, word for word. Its base comes from a registry, which has
//! Debian's Node.js under the name of Docker Hub's.

use std::path::Path;

use sandlot_tests::registry::DockerRegistry;

use crate::fixture::{Ground, text};

const DOCKERFILE: &str = "FROM node:10-alpine\nWORKDIR /app\nCOPY . .\nRUN yarn install --production\nCMD [\"node\", \"/app/src/index.js\"]\n";
/// Serves one request, of its own, and says what the dependency gave.
const PROGRAM: &str = r#"
const http = require("http"), greet = require("greeting");
const server = http.createServer((request, response) => response.end(greet(request.url)));
server.listen(3000, () => http.get("http://127.0.0.1:3000/todo", (response) => {
  response.on("data", (data) => console.log(String(data)));
  response.on("end", () => server.close());
}));
"#;

#[test]
fn the_first_tutorial_builds_and_runs() {
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("target/images/node.tar");
    assert!(base.exists(), "{} is missing: make test-images", base.display());
    let registry = DockerRegistry::plain();
    let ground = Ground::new();
    let at_hub = registry.name("library/node:10-alpine").to_string();
    ground.image(&["load", "-i", text(&base)]);
    ground.image(&["tag", "node", &at_hub]);
    ground.image(&["push", &at_hub]);
    ground.image(&["rm", &at_hub]);
    ground.image(&["rm", "node"]);
    let address = format!("127.0.0.1:{}", registry.port);
    let policy = format!(
        "[limits]\nsessions_per_node = 100\n[registries]\nplain-http = [\"{address}\"]\nmirrors = {{ \"docker.io\" = [\"http://{address}\"] }}\n"
    );
    std::fs::write(ground.path("sandlot.toml"), policy).unwrap();
    ground.write(
        "package.json",
        r#"{"name": "todo", "version": "1.0.0", "dependencies": {"greeting": "file:./greeting"}}"#,
    );
    ground.write("greeting/package.json", r#"{"name": "greeting", "version": "1.0.0"}"#);
    ground.write("greeting/index.js", "module.exports = (who) => 'hello ' + who;\n");
    ground.write("src/index.js", PROGRAM);
    let said = ground.built("todo", DOCKERFILE, &[]);
    assert!(said.contains("Step 4/5 : RUN yarn install --production"), "{said}");
    assert_eq!(ground.inspect("todo")["Config"]["Cmd"], serde_json::json!(["node", "/app/src/index.js"]));
    assert!(ground.file("todo", "app/node_modules/greeting/index.js").is_some());
    let run = ground.built("run", "FROM todo\nRUN [\"node\", \"/app/src/index.js\"]\n", &[]);
    assert!(run.contains("hello /todo"), "{run}");
    let again = ground.built("todo", DOCKERFILE, &[]);
    assert_eq!(again.matches("Using cache").count(), 3);
}
