//! What must work in spite of everything: ping for everyone.

use anyhow::{Result, ensure};
use oci_spec::runtime::Spec;
use sandlot_runtime::supervisor::protocol::Command;
use sandlot_tests::instance::{Changes, Instance, Output};

use crate::case::words;
use crate::{Field, Test};

pub(crate) const TESTS: &[Test] = &[("everyone_may_ping", everyone_may_ping)];

fn ping_as(instance: &Instance, user: &str) -> Result<Output> {
    let argv = words(&["/bin/sandlot-probe", "ping"]);
    instance.spawn(&Command { argv, user: Some(user.to_owned()), ..Command::default() })?.end()
}

/// By the setting of the instance's network, without a capability.
fn everyone_may_ping(field: &Field) -> Result<()> {
    for user in ["0", "1000:1000", "65534:65534"] {
        let output = ping_as(&field.strong, user)?;
        ensure!(output.code == 0, "user {user}: {output:?}");
    }
    ensure!(
        field.strong.run(&["ping", "-c", "1", "-W", "2", "127.0.0.1"])?.code == 0,
        "root's raw socket does not"
    );
    let without = Instance::start(&field.image, Changes { spec: without_settings, ..Changes::default() })?;
    let output = ping_as(&without, "1000:1000");
    without.end()?;
    ensure!(output?.code == 1, "it would work without the setting, too");
    Ok(())
}

fn without_settings(spec: &mut Spec) {
    if let Some(linux) = spec.linux_mut() {
        linux.set_sysctl(None);
    }
}
