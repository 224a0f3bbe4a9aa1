//! The `sandlot` command.
#![forbid(unsafe_code)]

fn main() -> anyhow::Result<()> {
    sandlot_server::cli::run()
}
