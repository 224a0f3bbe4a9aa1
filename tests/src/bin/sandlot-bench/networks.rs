//! The networks of sessions: an instance that comes to one, names, and what watching idle instances costs.

mod joining;
mod names;
mod watching;

use anyhow::Result;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use sandlot_tests::api::{Api, Session};
use sandlot_tests::node::{Options, TestNode};

/// Sessions that are alive while one is measured.
const OTHERS: usize = 100;
/// Sessions that are being started at the same time.
const TOGETHER: usize = 4;

const CONFIG: &str = r#"
[playgrounds.small]
image = "tiny"
memory = "64 MiB"
disk = "32 MiB"
max_instances = 16

[limits]
sessions_per_address = 2000
sessions_per_node = 1000
starts_per_minute_per_address = 100000
"#;

/// Measures on nodes of its own.
pub(crate) async fn measure() -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for (ready, label) in [(&[][..], "pool"), (&["--ready-networks", "0", "--ready-disks", "0"], "no pool")] {
        let node = start(ready)?;
        let api = Api::new(&node.url())?;
        let others = crowd(&api, OTHERS).await?;
        lines.extend(joining::measure(&api, label).await?);
        if ready.is_empty() {
            lines.push(names::measure(&others, node.serve_pid()?).await?);
            lines.extend(watching::measure(&others, node.serve_pid()?).await?);
        }
    }
    Ok(lines)
}

fn start(arguments: &[&str]) -> Result<TestNode> {
    let arguments = arguments.iter().map(|&word| word.to_owned()).collect();
    TestNode::with(Options { config: CONFIG.to_owned(), arguments, ..Options::default() })
}

async fn crowd(api: &Api, count: usize) -> Result<Vec<Session>> {
    stream::iter(0..count).map(|_| api.create("small")).buffer_unordered(TOGETHER).try_collect().await
}
