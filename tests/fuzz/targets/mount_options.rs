//! Options of a mount, one a line after the type: the attributes that they set and clear never contradict each other, and
//! an option of the file system reaches it whole.

#![no_main]

use libfuzzer_sys::fuzz_target;
use oci_spec::runtime::MountBuilder;
use sandlot_runtime::spec::{MOUNT_OPTIONS, MountKind, MountPlan};

fuzz_target!(|text: &str| {
    let mut lines = text.lines();
    let kind = lines.next().unwrap_or_default();
    let options: Vec<String> = lines.map(str::to_owned).collect();
    let mount = MountBuilder::default()
        .destination("/target")
        .source("/source")
        .typ(kind)
        .options(options.clone())
        .build()
        .expect("a mount");
    let Ok(plan) = MountPlan::try_from(&mount) else { return };
    for attributes in [plan.attributes, plan.recursive] {
        // The bits of the access time are one number: setting it means clearing it first.
        assert_eq!(attributes.set & attributes.clear & !libc::MOUNT_ATTR__ATIME, 0, "{plan:?}");
    }
    let known = |name: &str| MOUNT_OPTIONS.contains(&name);
    for (key, value) in &plan.options {
        let key = key.to_str().expect("it came as text");
        let value = value.as_ref().map(|value| value.to_str().expect("it came as text"));
        let whole = value.map_or_else(|| key.to_owned(), |value| format!("{key}={value}"));
        assert!(options.contains(&whole), "{whole:?}");
        assert!(!matches!(plan.kind, MountKind::Bind { .. }), "{plan:?}");
    }
    let passed = options.iter().filter(|option| !option.is_empty() && !known(option)).count();
    assert!(plan.options.len() >= passed, "{plan:?}");
});
