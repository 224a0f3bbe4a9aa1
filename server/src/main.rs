//! The `sandlot` command.
#![forbid(unsafe_code)]

fn main() {}
