//! `sandlot serve`.

use crate::config::Config;
use crate::config::options::{BackendKind, Options};
use crate::serve;
use crate::shutdown::Shutdown;

pub(super) fn run(options: Options) -> anyhow::Result<()> {
    let config = Config::load(options)?;
    super::log::start(config.log_json);
    let prepared = match config.backend {
        BackendKind::Local => serve::local::prepare(&config)?,
        BackendKind::Container => serve::container::prepare(&config)?,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve::run(config, prepared, Shutdown::default()))
}
