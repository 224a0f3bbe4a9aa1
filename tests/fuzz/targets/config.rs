//! A bundle's config.json: a plan is made of it, or it is refused with a sentence; no mount of a plan has `..` in its target, and
//! the same config makes the same plan.

#![no_main]

use std::path::{Component, Path};

use libfuzzer_sys::fuzz_target;
use sandlot_runtime::oci::read_config;
use sandlot_runtime::spec::Plan;

fuzz_target!(|bytes: &[u8]| {
    let Ok(spec) = read_config(bytes) else { return };
    match Plan::try_from(&spec) {
        Ok(plan) => {
            assert!(plan.mounts().iter().all(|mount| is_clean(&mount.target)), "{:?}", plan.mounts());
            let text = serde_json::to_vec(&spec).expect("a config can be written");
            let again = read_config(&text).expect("what was written reads back");
            assert_eq!(Plan::try_from(&again).ok(), Some(plan));
        }
        Err(refusal) => assert!(!refusal.to_string().is_empty()),
    }
    drop(Plan::contained(&spec));
});

fn is_clean(path: &Path) -> bool {
    path.is_absolute() && path.components().all(|part| part != Component::ParentDir)
}
