//! `--version`.

/// Engines read the version of the command line from the first line.
pub(super) fn text() -> String {
    format!(
        "sandlot-oci, with the command line of runc version 1.1.15\ncommit: sandlot-{}\nspec: 1.2.0\n",
        env!("CARGO_PKG_VERSION")
    )
}
