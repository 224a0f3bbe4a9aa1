//! What is asked of a build, and what comes of it.

use std::collections::BTreeMap;
use std::sync::Mutex;

use sandlot_runtime::image::{Digest, Image, Platform, Reference, Scope, Store};
use sandlot_runtime::supervisor::client::Client;
use sandlot_runtime::supervisor::protocol::{BuildNetwork, Limits};

use super::context::Context;
use super::dockerfile::Dockerfile;
use super::error::Result;
use super::progress::Event;

/// What is to be built, and how.
#[derive(Debug)]
pub struct Request {
    /// The Dockerfile.
    pub dockerfile: Dockerfile,
    /// Files for COPY and ADD.
    pub context: Context,
    /// Names of the result.
    pub names: Vec<Reference>,
    /// Values of ARGs.
    pub arguments: BTreeMap<String, String>,
    /// The stage that is wanted; the last one by default.
    pub target: Option<String>,
    /// Labels beside those of the Dockerfile.
    pub labels: BTreeMap<String, String>,
    /// Take no result of an earlier build.
    pub no_cache: bool,
    /// For which machines base images are chosen.
    pub platform: Platform,
    /// Content of secrets by name.
    pub secrets: BTreeMap<String, Secret>,
    /// What commands reach unless they say otherwise.
    pub network: BuildNetwork,
    /// Limits of each machine.
    pub limits: Limits,
}

/// A secret: never stored, never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub Vec<u8>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// What a build works with.
pub struct Build<'a> {
    /// The content store.
    pub store: &'a Store,
    /// Whose images and results are seen and made.
    pub scope: &'a Scope,
    /// Greeted connections, one for each stage that may be at work at once.
    pub clients: Mutex<Vec<Client>>,
    /// Finds a base image that the store lacks; names which one, and where it failed why.
    pub fetch: &'a (dyn Fn(&Reference, &Platform) -> std::result::Result<Image, String> + Sync),
    /// Reads what a URL of ADD gives: its content, and the time it was last changed.
    pub download: &'a (dyn Fn(&str) -> std::result::Result<Download, String> + Sync),
    /// Is told what happens.
    pub tell: &'a (dyn Fn(Event<'_>) + Sync),
}

/// What a URL gave.
#[derive(Debug)]
pub struct Download {
    /// Its content, from the beginning of a file without a name.
    pub content: std::fs::File,
    /// `Last-Modified`, in seconds since 1970.
    pub changed: Option<u64>,
}

impl std::fmt::Debug for Build<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Build").field("store", self.store).field("scope", self.scope).finish_non_exhaustive()
    }
}

/// The result of a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// Digest of its configuration.
    pub id: Digest,
    /// Digest of its manifest.
    pub manifest: Digest,
}

impl Build<'_> {
    /// Builds an image and names it.
    ///
    /// # Errors
    /// With the first mistake or failure; what was built until then makes the next try shorter.
    pub fn run(&self, request: &Request) -> Result<Built> {
        super::plan::run(self, request)
    }
}
