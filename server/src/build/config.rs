//! The configuration of an image in the making (OCI image spec, "config", and Docker's additions to it).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

/// What a container of the image is started with.
#[derive(Debug, Clone, Default)]
pub(super) struct Config {
    pub(super) environment: Vec<(String, String)>,
    pub(super) entrypoint: Option<Vec<String>>,
    pub(super) cmd: Option<Vec<String>>,
    pub(super) working_dir: String,
    pub(super) user: String,
    pub(super) ports: BTreeSet<String>,
    pub(super) volumes: BTreeSet<String>,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) stop_signal: Option<String>,
    pub(super) healthcheck: Option<Value>,
    pub(super) shell: Option<Vec<String>>,
    pub(super) triggers: Vec<String>,
    pub(super) author: Option<String>,
}

const DEFAULT_SHELL: [&str; 2] = ["/bin/sh", "-c"];

/// As the runtime sets it where an image says nothing.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

impl Config {
    /// That of `scratch`.
    pub(super) fn scratch() -> Self {
        let environment = vec![("PATH".to_owned(), DEFAULT_PATH.to_owned())];
        Self { environment, working_dir: "/".to_owned(), ..Self::default() }
    }

    /// Reads that of a base image. What is not understood is not taken over.
    pub(super) fn read(document: &Value) -> Self {
        let config = document.get("config").unwrap_or(&Value::Null);
        let text = |key: &str| config.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let keys = |key: &str| -> BTreeSet<String> {
            config
                .get(key)
                .and_then(Value::as_object)
                .map(|map| map.keys().cloned().collect())
                .unwrap_or_default()
        };
        let pairs = strings(config.get("Env")).unwrap_or_default();
        let labels = config.get("Labels").and_then(Value::as_object).into_iter().flatten();
        Self {
            environment: pairs
                .iter()
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                .map(own)
                .collect(),
            entrypoint: strings(config.get("Entrypoint")),
            cmd: strings(config.get("Cmd")),
            working_dir: text("WorkingDir"),
            user: text("User"),
            ports: keys("ExposedPorts"),
            volumes: keys("Volumes"),
            labels: labels
                .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
                .collect(),
            stop_signal: Some(text("StopSignal")).filter(|signal| !signal.is_empty()),
            healthcheck: config.get("Healthcheck").filter(|value| value.is_object()).cloned(),
            shell: strings(config.get("Shell")),
            triggers: strings(config.get("OnBuild")).unwrap_or_default(),
            author: document.get("author").and_then(Value::as_str).map(str::to_owned),
        }
    }

    /// The shell of shell forms.
    pub(super) fn shell(&self) -> Vec<String> {
        self.shell.clone().unwrap_or_else(|| DEFAULT_SHELL.map(str::to_owned).to_vec())
    }

    /// Where paths that are not absolute begin.
    pub(super) fn folder(&self) -> &str {
        if self.working_dir.is_empty() { "/" } else { &self.working_dir }
    }

    /// As a document; what is not set is left out.
    pub(super) fn write(&self) -> Value {
        let mut config = Map::new();
        let mut set = |key: &str, value: Value| {
            let empty = match &value {
                Value::Null => true,
                Value::String(text) => text.is_empty(),
                Value::Object(map) => map.is_empty(),
                _ => false,
            };
            if !empty {
                config.insert(key.to_owned(), value);
            }
        };
        let sets =
            |keys: &BTreeSet<String>| keys.iter().map(|key| (key.clone(), json!({}))).collect::<Map<_, _>>();
        let pairs: Vec<String> =
            self.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
        set("Env", if pairs.is_empty() { Value::Null } else { json!(pairs) });
        set("Entrypoint", json!(self.entrypoint));
        set("Cmd", json!(self.cmd));
        set("WorkingDir", json!(self.working_dir));
        set("User", json!(self.user));
        set("ExposedPorts", Value::Object(sets(&self.ports)));
        set("Volumes", Value::Object(sets(&self.volumes)));
        set("Labels", json!(self.labels));
        set("StopSignal", json!(self.stop_signal));
        set("Healthcheck", json!(self.healthcheck));
        set("Shell", json!(self.shell));
        set("OnBuild", if self.triggers.is_empty() { Value::Null } else { json!(self.triggers) });
        Value::Object(config)
    }
}

fn own((name, value): (&str, &str)) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

fn strings(value: Option<&Value>) -> Option<Vec<String>> {
    let list = value?.as_array()?;
    Some(list.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}
