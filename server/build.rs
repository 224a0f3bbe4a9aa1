//! Builds again when what macros embed has changed: migrations, query data, templates and web assets.

fn main() {
    for folder in ["../migrations", "../.sqlx", "../web/templates", "../web/dist"] {
        println!("cargo:rerun-if-changed={folder}");
    }
}
