//! Builds again when what macros embed has changed: migrations, query data, templates and web assets.

use std::path::Path;

fn main() -> std::io::Result<()> {
    // Cargo takes a folder that does not exist as changed each time, and would not see it appear otherwise.
    std::fs::create_dir_all(Path::new("../web/dist"))?;
    for folder in ["../migrations", "../.sqlx", "../web/templates", "../web/dist"] {
        println!("cargo:rerun-if-changed={folder}");
    }
    Ok(())
}
