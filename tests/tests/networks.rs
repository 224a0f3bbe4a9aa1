//! A session's network as its instances see it: names, neighbours, and their coming and going.

use anyhow::{Result, ensure};
use reqwest::{Method, StatusCode};
use sandlot_tests::api::{Api, Session};
use sandlot_tests::node::{Options, TestNode};
use serde_json::{Value, json};

const CONFIG: &str = r#"
[playgrounds.lab]
image = "tiny"
memory = "64 MiB"
disk = "32 MiB"
max_instances = 3

[[playgrounds.lab.instance]]
name = "web"
start = "echo from-$(hostname) >/tmp/index.html; httpd -p 80 -h /tmp"

[[playgrounds.lab.instance]]
"#;

fn node() -> Result<TestNode> {
    TestNode::with(Options { config: CONFIG.to_owned(), ..Options::default() })
}

/// A line in an instance's shell, which must succeed.
async fn output(session: &Session, instance: &str, line: &str) -> Result<String> {
    let (code, output) = session.sh_at(instance, line).await?;
    ensure!(code == 0, "{line}: {code} {output}");
    Ok(output)
}

#[tokio::test]
async fn instances_know_each_other_by_name() -> Result<()> {
    let node = node()?;
    let session = Api::new(&node.url())?.create("lab").await?;
    let names: Vec<&Value> =
        session.body["instances"].as_array().into_iter().flatten().map(|one| &one["hostname"]).collect();
    assert_eq!(names, [&json!("web"), &json!("node2")]);
    for name in ["web", "node1", "WEB"] {
        output(&session, "m2", &format!("ping -c 1 -W 5 {name}")).await?;
    }
    output(&session, "m1", "ping -c 1 -W 5 node2 && ping6 -c 1 -W 5 node2").await?;
    let fetch = "for i in $(seq 50); do wget -qO- http://web/ && exit; usleep 100000; done; exit 1";
    assert_eq!(output(&session, "m2", fetch).await?, "from-web\n");
    let found = output(&session, "m2", "nslookup 10.99.0.11").await?;
    assert!(found.contains("name = web"), "{found}");
    let (code, output) = session.sh_at("m2", "nslookup example.com").await?;
    assert!(code != 0 && output.contains("NXDOMAIN"), "{output}");
    session.close().await
}

#[tokio::test]
async fn instances_come_and_go() -> Result<()> {
    let node = node()?;
    let session = Api::new(&node.url())?.create("lab").await?;
    let wish = json!({ "hostname": "db" });
    let (status, added) = session.request(Method::POST, "/instances", Some(wish.clone())).await?;
    assert_eq!(
        (status, &added["name"], &added["state"]),
        (StatusCode::CREATED, &json!("m3"), &json!("running"))
    );
    output(&session, "m1", "ping -c 1 -W 5 db && ping -c 1 -W 5 node3").await?;
    let (status, refused) = session.request(Method::POST, "/instances", None).await?;
    assert_eq!(status, StatusCode::CONFLICT, "{refused}");
    let (status, _) = session.request(Method::DELETE, "/instances/m2", None).await?;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let (code, _) = session.sh_at("m1", "ping -c 1 -W 1 10.99.0.12").await?;
    assert_ne!(code, 0);
    let (status, refused) = session.request(Method::POST, "/instances", Some(wish)).await?;
    assert_eq!(status, StatusCode::CONFLICT, "{refused}");
    let (_, shown) = session.request(Method::GET, "", None).await?;
    assert_eq!(shown["instances"].as_array().map(Vec::len), Some(2), "{shown}");
    let (status, added) = session.request(Method::POST, "/instances", None).await?;
    assert_eq!((status, &added["name"]), (StatusCode::CREATED, &json!("m2")));
    output(&session, "m1", "ping -c 1 -W 5 node2").await?;
    for (wish, wanted) in [
        (json!({ "image": "workbench" }), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({ "hostname": "node9" }), StatusCode::CONFLICT),
    ] {
        let (status, body) = session.request(Method::POST, "/instances", Some(wish)).await?;
        assert_eq!(status, wanted, "{body}");
    }
    let (status, _) = session.request(Method::DELETE, "/instances/m9", None).await?;
    assert_eq!(status, StatusCode::NOT_FOUND);
    session.close().await
}

#[tokio::test]
async fn names_and_networks_outlive_serve() -> Result<()> {
    let mut node = node()?;
    let session = Api::new(&node.url())?.create("lab").await?;
    session.request(Method::POST, "/instances", Some(json!({ "hostname": "db" }))).await?;
    node.end_serve(nix::sys::signal::Signal::SIGKILL)?;
    node.start_serve()?;
    for name in ["web", "node2", "db"] {
        output(&session, "m1", &format!("ping -c 1 -W 5 {name}")).await?;
    }
    session.close().await
}
