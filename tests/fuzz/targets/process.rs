//! A process.json of `exec`: a plan is made of it, or it is refused, and the same text makes the same plan.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sandlot_runtime::oci::read_process;
use sandlot_runtime::spec::ProcessPlan;

fuzz_target!(|bytes: &[u8]| {
    let Ok(process) = read_process(bytes) else { return };
    let Ok(plan) = ProcessPlan::try_from(&process) else { return };
    assert!(plan.cwd.is_absolute(), "{plan:?}");
    let text = serde_json::to_vec(&process).expect("a process can be written");
    let again = read_process(&text).expect("what was written reads back");
    assert_eq!(ProcessPlan::try_from(&again).ok(), Some(plan));
});
