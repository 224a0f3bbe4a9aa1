//! Inside an instance: what must work, and ways out that a request could name.

use anyhow::{Result, ensure};
use sandlot_tests::api::Api;
use serde_json::{Value, json};

use crate::{exec, node, say};

#[tokio::test]
async fn the_learner_is_an_ordinary_user() -> Result<()> {
    let node = node()?;
    let api = Api::new(&node.url())?;
    let root = api.create("tiny").await?;
    say(&root, "ping -c 1 -W 2 127.0.0.1").await?;
    let learner = api.create("learner").await?;
    let who = say(&learner, "id -un").await?;
    ensure!(who == "learner\n", "terminals start as {who}");
    let (code, _) = learner.sh("echo > /etc/passwd").await?;
    ensure!(code != 0, "the learner writes root's files");
    Ok(())
}

/// Requests name paths and users inside; none of them leads out.
#[tokio::test]
async fn no_request_names_a_way_out() -> Result<()> {
    let node = node()?;
    let session = Api::new(&node.url())?.create("tiny").await?;
    let look = "pwd -P; ls -di . /; readlink /proc/self/cwd";
    let honest = exec(&session, json!({ "argv": ["sh", "-c", look], "cwd": "/tmp" })).await?.1;
    ensure!(honest.to_string().contains("/tmp"), "a working directory is not even taken: {honest}");
    for number in 3..24 {
        let cwd = format!("/proc/self/fd/{number}");
        let (status, body) = exec(&session, json!({ "argv": ["sh", "-c", look], "cwd": cwd })).await?;
        ensure!(!is_outside(&body), "{cwd}: {status} {body}");
        let (status, body) = exec(&session, json!({ "argv": [format!("{cwd}/bin/sh"), "-c", look] })).await?;
        ensure!(!is_outside(&body), "{cwd}/bin/sh: {status} {body}");
    }
    for user in ["65536", "4294967295", "-1", "0:65536", "../root", "root\n", ""] {
        let (_, body) = exec(&session, json!({ "argv": ["id"], "user": user })).await?;
        let said = body.get("stdout").and_then(Value::as_str).unwrap_or_default();
        ensure!(said.is_empty() || said.starts_with("uid=0(root) gid=0"), "user {user:?}: {body}");
    }
    for cwd in ["../../../etc", "/proc/1/root/../..", "/proc/1/cwd", "/nowhere"] {
        let (status, body) = exec(&session, json!({ "argv": ["sh", "-c", look], "cwd": cwd })).await?;
        ensure!(!is_outside(&body), "{cwd}: {status} {body}");
    }
    Ok(())
}

fn is_outside(body: &Value) -> bool {
    let said = body.get("stdout").and_then(Value::as_str).unwrap_or_default();
    said.contains("unreachable") || said.contains("sandlot-test") || said.contains("cgroup")
}

/// New user namespaces are the playground's choice.
#[tokio::test]
async fn user_namespaces_are_a_choice_of_the_playground() -> Result<()> {
    let node = node()?;
    let api = Api::new(&node.url())?;
    let (closed, open) = (api.create("tiny").await?, api.create("open").await?);
    let line = "unshare -U true";
    ensure!(closed.sh(line).await?.0 != 0, "the closed playground lets them in");
    say(&open, line).await?;
    Ok(())
}
