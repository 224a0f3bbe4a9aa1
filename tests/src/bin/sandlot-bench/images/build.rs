//! A build of which every step is cached.

use std::time::Instant;

use anyhow::Result;
use sandlot_tests::node::TestNode;

use super::done;
use crate::statistics::{ms, percentile};

const ROUNDS: usize = 20;
/// Of all kinds that make a layer.
const DOCKERFILE: &str = "FROM tiny AS made\nWORKDIR /app\nCOPY . .\nRUN echo made > /made\n\
    FROM tiny\nENV A=1\nWORKDIR /dest\nCOPY --from=made /made /app /dest/\nRUN cat made > again\nCMD [\"sh\"]\n";

/// Measures the program from its start to its end, with a node that runs.
pub(super) fn measure() -> Result<Vec<String>> {
    let node = TestNode::start()?;
    let context = tempfile::tempdir()?;
    std::fs::write(context.path().join("Dockerfile"), DOCKERFILE)?;
    for number in 0..100 {
        std::fs::write(context.path().join(format!("file{number}")), "x".repeat(1000))?;
    }
    let folder = context.path().to_string_lossy();
    let mut build = node.command(&["image", "build", "-q", "-t", "app", &folder])?;
    done(&mut build)?;
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        done(&mut build)?;
        times.push(begun.elapsed());
    }
    Ok(vec![format!(
        "build: all of 10 steps cached, 100 files  p50 {}  p95 {}",
        ms(percentile(&times, 50)),
        ms(percentile(&times, 95))
    )])
}
