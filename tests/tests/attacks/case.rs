//! One attack, the instance that refuses it, and the weakened one that does not.

use anyhow::{Context, Result, ensure};
use oci_spec::runtime::Spec;
use sandlot_runtime::supervisor::protocol::Machine;
use sandlot_tests::instance::{Changes, Instance, Output};

use crate::host::Host;
use crate::{Field, by_hand};

/// A weakened container.
#[derive(Clone, Copy)]
pub(crate) enum Weakened {
    /// Another request of the same runtime.
    Request(fn(&mut Machine)),
    /// Another spec.
    Spec(fn(&mut Spec)),
    /// A container that someone made by hand, with these options of `unshare`: no user namespace, no filter, no limits, and
    /// its root changed by chroot.
    ByHand(&'static [&'static str]),
    /// None: this kernel lacks what the attack needs. The file that tells that it has it.
    WhereKernelHas(&'static str, &'static [&'static str]),
}

/// An attack that must be refused, and succeed in the weakened container.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// What the refusal must say, so that it is not refused for another reason; empty where it is killed or sees nothing.
    pub(crate) because: &'static str,
    /// Arguments of the probe.
    pub(crate) attack: fn(&Host) -> Vec<String>,
    pub(crate) weakened: Weakened,
}

impl Case {
    /// Runs the attack in both; returns what the strong one said.
    pub(crate) fn run(&self, field: &Field) -> Result<String> {
        let attack = (self.attack)(&field.host);
        let refusal = expect_refusal(&field.strong, &attack)?;
        ensure!(refusal.contains(self.because), "refused, but not because of `{}`: {refusal}", self.because);
        let weak = match self.weakened {
            Weakened::Request(machine) => run_weak(field, Changes { machine, ..Changes::default() }, &attack),
            Weakened::Spec(spec) => run_weak(field, Changes { spec, ..Changes::default() }, &attack),
            Weakened::ByHand(options) => by_hand::run(&field.image.tree(), options, &attack),
            Weakened::WhereKernelHas(file, _) if !std::path::Path::new(file).exists() => {
                return Ok(format!("({refusal}; not shown to succeed anywhere: no {file} here)"));
            }
            Weakened::WhereKernelHas(_, options) => by_hand::run(&field.image.tree(), options, &attack),
        };
        let weak = weak.context("weakened container")?;
        ensure!(
            weak.code == 0 && weak.stdout.contains("succeeded"),
            "the attack does not even succeed in the weakened container: {weak:?}"
        );
        Ok(format!("({refusal})"))
    }
}

/// Runs the probe in the instance, and returns its words of refusal.
pub(crate) fn expect_refusal(instance: &Instance, attack: &[String]) -> Result<String> {
    let output = probe(instance, attack)?;
    // A process that is killed says nothing; its signal is the refusal.
    let killed = output.code > 128 && output.stdout.is_empty();
    ensure!(
        killed || output.code == 1 && output.stdout.starts_with("refused"),
        "{attack:?} was not refused: {output:?}"
    );
    Ok(if killed {
        format!("killed by signal {}", output.code - 128)
    } else {
        output.stdout.trim().to_owned()
    })
}

/// Runs the probe in an instance.
pub(crate) fn probe(instance: &Instance, attack: &[String]) -> Result<Output> {
    let mut argv = vec!["/bin/sandlot-probe".to_owned()];
    argv.extend_from_slice(attack);
    instance.run(&argv)
}

fn run_weak(field: &Field, changes: Changes, attack: &[String]) -> Result<Output> {
    let weak = Instance::start(&field.image, changes)?;
    let output = probe(&weak, attack);
    weak.end()?;
    output
}

/// Words as the probe's arguments.
pub(crate) fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
