//! Where the log goes: stderr, as lines for people or as JSON. `SANDLOT_LOG` chooses levels, such as `debug` or
//! `sandlot_server=debug,warn`.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Starts logging. May be called once.
pub fn start(json: bool) {
    let filter = EnvFilter::try_from_env("SANDLOT_LOG").unwrap_or_else(|_| EnvFilter::new("info,sqlx=warn"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if json {
        builder.json().init();
    } else {
        builder.with_target(false).with_ansi(std::io::stderr().is_terminal()).init();
    }
}
