//! Reading documents that leave out what has a default.

use oci_spec::runtime::{Process, Spec};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// A config.
///
/// # Errors
/// When it is none.
pub fn spec(text: &[u8]) -> serde_json::Result<Spec> {
    read(text, |value| {
        if let Some(process) = value.get_mut("process").filter(|process| !process.is_null()) {
            complete_process(process);
        }
        for device in value.pointer_mut("/linux/devices").and_then(Value::as_array_mut).into_iter().flatten()
        {
            complete(device, &[("major", json!(0)), ("minor", json!(0))]);
        }
    })
}

/// A process on its own, as `exec` takes it.
///
/// # Errors
/// When it is no process.
pub fn process(text: &[u8]) -> serde_json::Result<Process> {
    read(text, complete_process)
}

/// Nearly every document is whole: only one that is not is read twice.
fn read<T: DeserializeOwned>(text: &[u8], complete: impl FnOnce(&mut Value)) -> serde_json::Result<T> {
    serde_json::from_slice(text).or_else(|_| {
        let mut value: Value = serde_json::from_slice(text)?;
        complete(&mut value);
        serde_json::from_value(value)
    })
}

fn complete_process(process: &mut Value) {
    complete(process, &[("user", json!({}))]);
    if let Some(user) = process.get_mut("user") {
        complete(user, &[("uid", json!(0)), ("gid", json!(0))]);
    }
}

fn complete(object: &mut Value, defaults: &[(&str, Value)]) {
    let Some(object) = object.as_object_mut() else { return };
    for (name, value) in defaults {
        if object.get(*name).is_none_or(Value::is_null) {
            object.insert((*name).to_owned(), value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_without_a_user_is_roots() {
        let process = process(br#"{"cwd": "/", "args": ["true"]}"#).unwrap();
        assert_eq!((process.user().uid(), process.user().gid()), (0, 0));
        assert!(super::process(b"[]").is_err());
    }
}
