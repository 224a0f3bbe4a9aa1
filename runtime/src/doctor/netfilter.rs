//! Whether the kernel has nftables, by asking for its generation number.

use super::{Check, Node};
use crate::net::nftables;

pub(super) fn check(_: &Node) -> Vec<Check> {
    vec![match nftables::generation() {
        Ok(()) => Check::ok("nftables", "the kernel has it"),
        Err(failure) => Check::warn(
            "nftables",
            format!("the kernel lacks it, so no session starts: {}", failure.message),
            ADVICE,
        ),
    }]
}

const ADVICE: &str = "load nf_tables, or take a kernel with CONFIG_NF_TABLES";
