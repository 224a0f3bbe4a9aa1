//! One stage, from its base image to its last step.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use sandlot_runtime::image::{Digest, Image, Layer, Platform, Reference};
use sandlot_runtime::supervisor::client::Client;
use serde_json::Value;

use super::config::Config;
use super::dockerfile::{Stage, Step, expand};
use super::error::{Error, Result};
use super::history;
use super::layer::Layers;
use super::machine::{BuildMachine, Fittings};
use super::plan::{Shared, earlier};
use super::progress::Event;
use super::variables::Scope;
use super::{cache, layer, step};

/// What a stage came to.
#[derive(Debug, Clone, Default)]
pub(super) struct Finished {
    pub(super) layers: Layers,
    pub(super) config: Config,
    pub(super) history: Vec<Value>,
}

/// A stage at work.
#[derive(Debug)]
pub(super) struct StageRun<'a> {
    pub(super) shared: &'a Shared<'a>,
    pub(super) stage: &'a Stage,
    number: usize,
    /// Stages that this one needs, finished.
    earlier: BTreeMap<usize, Arc<Finished>>,
    pub(super) so_far: Finished,
    pub(super) scope: Scope,
    /// Whether CMD was in this stage.
    pub(super) has_own_cmd: bool,
}

impl<'a> StageRun<'a> {
    pub(super) fn new(
        shared: &'a Shared<'a>,
        number: usize,
        done: &BTreeMap<usize, Option<Arc<Finished>>>,
    ) -> Result<Self> {
        let stage = shared.request.dockerfile.stages.get(number);
        let stage = stage.ok_or_else(|| Error::Request(format!("there is no stage {number}")))?;
        let finished =
            |(number, finished): (&usize, &Option<Arc<Finished>>)| Some((*number, finished.clone()?));
        let earlier = done.iter().filter_map(finished).collect();
        Ok(Self {
            shared,
            stage,
            number,
            earlier,
            so_far: Finished::default(),
            scope: Scope::default(),
            has_own_cmd: false,
        })
    }

    /// Runs every step.
    pub(super) fn run(mut self, client: &mut Client) -> Result<Finished> {
        self.announce(&self.stage.text);
        self.begin()?;
        for trigger in std::mem::take(&mut self.so_far.config.triggers) {
            (self.shared.build.tell)(Event::Note { text: &format!("# Executing trigger: {trigger}") });
            self.step(&Step::trigger(&trigger, self.stage.line)?, client)?;
        }
        for step in &self.stage.steps {
            self.announce(&step.text);
            self.step(step, client)?;
        }
        self.so_far.config.environment = self.scope.environment;
        Ok(self.so_far)
    }

    fn announce(&self, text: &str) {
        let number = self.shared.begun.fetch_add(1, Ordering::Relaxed) + 1;
        (self.shared.build.tell)(Event::Step { number, of: self.shared.steps, text });
    }

    /// Takes over what FROM names.
    fn begin(&mut self) -> Result<()> {
        let line = self.stage.line;
        let globals = &self.shared.globals;
        let expanded = |text: &str| {
            expand::word(text, self.shared.request.dockerfile.escape, globals)
                .map_err(|cause| Error::at(line, cause))
        };
        let base = expanded(&self.stage.base)?;
        let platform: Platform = match &self.stage.platform {
            Some(text) => expanded(text)?.parse()?,
            None => self.shared.request.platform.clone(),
        };
        if base.is_empty() {
            return Err(Error::at(
                line,
                format!("FROM {}: it is empty once variables are replaced", self.stage.base),
            ));
        }
        self.so_far = match self.named_stage(&base) {
            _ if base == "scratch" => Finished { config: Config::scratch(), ..Finished::default() },
            Some(finished) => (*finished).clone(),
            None => self.of_image(&self.image(&base, &platform)?)?,
        };
        self.scope.environment = std::mem::take(&mut self.so_far.config.environment);
        Ok(())
    }

    /// FROM takes stages by name only: a number is an image.
    fn named_stage(&self, name: &str) -> Option<Arc<Finished>> {
        let stages = &self.shared.request.dockerfile.stages;
        let lower = name.to_lowercase();
        let at = stages.iter().take(self.number).rposition(|stage| stage.name.as_ref() == Some(&lower))?;
        self.earlier.get(&at).cloned()
    }

    /// What `--from` names: an earlier stage, or an image.
    pub(super) fn from(&self, name: &str) -> Result<Arc<Finished>> {
        if let Some(stage) = earlier(&self.shared.request.dockerfile, self.number, name) {
            let finished = self.earlier.get(&stage).cloned();
            return finished.ok_or_else(|| Error::Request(format!("stage {name} is not built")));
        }
        Ok(Arc::new(self.of_image(&self.image(name, &self.shared.request.platform)?)?))
    }

    fn image(&self, name: &str, platform: &Platform) -> Result<Image> {
        let base = |cause: String| Error::Base { image: name.to_owned(), cause };
        let reference: Reference =
            name.parse().map_err(|error: sandlot_runtime::image::Error| base(error.to_string()))?;
        (self.shared.build.fetch)(&reference, platform).map_err(base)
    }

    fn of_image(&self, image: &Image) -> Result<Finished> {
        let lease = &self.shared.lease;
        for blob in image.layers.iter().map(|layer| &layer.blob).chain([&image.id]) {
            if !lease.hold(blob)? {
                return Err(sandlot_runtime::image::Error::UnknownBlob(blob.clone()).into());
            }
        }
        let document: Value = serde_json::from_slice(&lease.store().document(&image.id)?)
            .map_err(|error| Error::io("read the base image's configuration")(error.into()))?;
        let history = document.get("history").and_then(Value::as_array).cloned().unwrap_or_default();
        Ok(Finished { layers: Layers::of(image), config: Config::read(&document), history })
    }

    fn step(&mut self, step: &Step, client: &mut Client) -> Result<()> {
        step::run(self, step, client)
    }

    /// Replaces variables in one word of a step.
    pub(super) fn expand(&self, text: &str, line: usize) -> Result<String> {
        expand::word(text, self.shared.request.dockerfile.escape, &self.scope)
            .map_err(|cause| Error::at(line, cause))
    }

    /// Notes a step that only describes the image.
    pub(super) fn describe(&mut self, text: &str) {
        self.so_far.history.push(history::entry(self.shared.clock, text, false));
    }

    /// The layer of a step: that of an earlier build, or what `make` leaves in a machine. It gets what `prepare` made
    /// ready, and says whether it changed anything.
    pub(super) fn layer<T>(
        &mut self,
        client: &mut Client,
        key: &Digest,
        text: &str,
        prepare: impl FnOnce(&mut Self, &mut Client) -> Result<(Fittings, T)>,
        make: impl FnOnce(&mut Self, &mut BuildMachine<'_>, T) -> Result<bool>,
    ) -> Result<()> {
        let shared = self.shared;
        let (lease, scope) = (&shared.lease, shared.build.scope);
        let cached = if shared.request.no_cache { None } else { cache::find(lease, scope, key)? };
        let made = match cached {
            Some(layer) => {
                (shared.build.tell)(Event::Cached);
                layer
            }
            None => {
                let (fittings, ready) = prepare(self, client)?;
                self.so_far.layers.unpack(lease, client)?;
                let made =
                    self.make_layer(client, &fittings, |stage, machine| make(stage, machine, ready))?;
                cache::put(lease, scope, key, made.as_ref())?;
                made
            }
        };
        self.so_far.history.push(history::entry(shared.clock, text, made.is_some()));
        if let Some(layer) = made {
            (shared.build.tell)(Event::Layer { digest: layer.blob.short() });
            self.so_far.layers.push(layer);
        }
        Ok(())
    }

    fn make_layer(
        &mut self,
        client: &mut Client,
        fittings: &Fittings,
        make: impl FnOnce(&mut Self, &mut BuildMachine<'_>) -> Result<bool>,
    ) -> Result<Option<Layer>> {
        let (shared, limits) = (self.shared, self.shared.request.limits);
        let made = {
            let mut machine = BuildMachine::start(client, &self.so_far.layers, limits, fittings)?;
            let changed = make(self, &mut machine)?;
            let take = |tar| layer::receive(&shared.lease, tar);
            if changed { Some(machine.diff(shared.clock.fixed, take)?) } else { None }
        };
        if let Some(layer) = &made {
            layer::unpack(&shared.lease, layer, client)?;
        }
        Ok(made)
    }
}
