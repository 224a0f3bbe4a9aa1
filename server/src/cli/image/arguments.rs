//! The arguments of `sandlot image`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use sandlot_runtime::image::{Platform, Reference};

use crate::config::options::Options;
use crate::image::DefaultImage;

/// What is asked for, and the options of the node.
#[derive(Debug, Args)]
pub(crate) struct With<T: Args> {
    #[command(flatten)]
    pub(super) what: T,
    #[command(flatten)]
    pub(super) options: Box<Options>,
}

/// A verb.
#[derive(Debug, Subcommand)]
pub(crate) enum ImageCommand {
    /// List images
    #[command(visible_alias = "list")]
    Ls(With<Ls>),
    /// Pull images from registries
    Pull(With<Pull>),
    /// Push images to registries
    Push(With<Push>),
    /// Build an image from a Dockerfile
    Build(With<Build>),
    /// Load images from an archive: an OCI layout or what `docker save` writes
    Load(With<Load>),
    /// Save images to an archive that `sandlot image load`, `docker load` and readers of OCI layouts take
    Save(With<Save>),
    /// Import the tar of a root file system as an image of one layer
    Import(With<Import>),
    /// Export the root file system of an image as a tar
    Export(With<Export>),
    /// Give an image another name
    Tag(With<Tag>),
    /// Remove names, and with its last name an image
    #[command(visible_alias = "remove")]
    Rm(With<Rm>),
    /// Show everything about images, as JSON
    Inspect(With<Inspect>),
    /// Show how an image came about
    History(With<History>),
    /// Remove images without a name, and what broken-off work left
    Prune(With<Prune>),
    /// Read everything again and say what is damaged
    Verify(With<Verify>),
    /// Make an image that comes with Sandlot: tiny, debian, workbench, node or python
    Make(With<Make>),
    /// Write a folder as a tar to standard output
    #[command(hide = true)]
    Pack(Pack),
}

/// How a list is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    Table,
    /// One object a line.
    Json,
}

/// How a build tells what happens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Progress {
    /// As the classic `docker build`.
    #[default]
    Plain,
    /// The JSON objects of Docker's API, one a line.
    Json,
}

/// What the commands of a build reach.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Network {
    /// Nothing but themselves.
    #[default]
    None,
    /// What the host reaches.
    Host,
}

#[derive(Debug, Args)]
pub(crate) struct Pull {
    /// Names; short ones are of docker.io
    #[arg(required = true, value_name = "IMAGE")]
    pub(super) images: Vec<Reference>,
    /// Print names only
    #[arg(short, long)]
    pub(super) quiet: bool,
    /// For other machines than this one, such as linux/arm64
    #[arg(long)]
    pub(super) platform: Option<Platform>,
}

#[derive(Debug, Args)]
pub(crate) struct Push {
    /// Names of images that are here
    #[arg(required = true, value_name = "IMAGE")]
    pub(super) images: Vec<Reference>,
    /// Print names only
    #[arg(short, long)]
    pub(super) quiet: bool,
}

#[derive(Debug, Default, Args)]
pub(crate) struct Build {
    /// The context: a folder, a tar, or `-` for a tar on standard input
    pub(super) context: PathBuf,
    /// Name of the image; may be repeated
    #[arg(short, long = "tag", value_name = "IMAGE")]
    pub(super) tags: Vec<Reference>,
    /// The Dockerfile [default: Dockerfile of the context]; `-` reads standard input
    #[arg(short, long, value_name = "FILE")]
    pub(super) file: Option<PathBuf>,
    /// Value of an ARG; a name alone takes it from the environment
    #[arg(long = "build-arg", value_name = "NAME=VALUE")]
    pub(super) build_args: Vec<String>,
    /// Stage to build [default: the last]
    #[arg(long, value_name = "STAGE")]
    pub(super) target: Option<String>,
    /// Label of the image
    #[arg(long = "label", value_name = "NAME=VALUE")]
    pub(super) labels: Vec<String>,
    /// Take no result of an earlier build
    #[arg(long)]
    pub(super) no_cache: bool,
    /// Fetch base images even if they are here
    #[arg(long)]
    pub(super) pull: bool,
    /// For other machines than this one, such as linux/arm64
    #[arg(long)]
    pub(super) platform: Option<Platform>,
    /// Secret for RUN --mount=type=secret: id=NAME,src=FILE or id=NAME,env=VARIABLE
    #[arg(long = "secret", value_name = "SECRET")]
    pub(super) secrets: Vec<String>,
    /// What commands reach
    #[arg(long, value_enum, default_value = "none")]
    pub(super) network: Network,
    /// Memory of each step [default: the host's]
    #[arg(short, long, value_name = "BYTES")]
    pub(super) memory: Option<String>,
    /// Processors of each step [default: the host's]
    #[arg(long, value_name = "NUMBER")]
    pub(super) cpus: Option<f64>,
    /// Print the id only
    #[arg(short, long)]
    pub(super) quiet: bool,
    /// Text, or JSON objects
    #[arg(long, value_enum, default_value = "plain")]
    pub(super) progress: Progress,
}

#[derive(Debug, Args)]
pub(crate) struct Ls {
    /// Only images of this repository, or this name
    pub(super) repository: Option<Reference>,
    /// Only ids
    #[arg(short, long)]
    pub(super) quiet: bool,
    /// Also digests of what the names stand for
    #[arg(long)]
    pub(super) digests: bool,
    /// Whole ids
    #[arg(long)]
    pub(super) no_trunc: bool,
    /// Table, or one JSON object a line
    #[arg(long, value_enum, default_value = "table")]
    pub(super) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct Load {
    /// The archive, or a folder that is an OCI layout [default: standard input]
    #[arg(short, long, value_name = "FILE")]
    pub(super) input: Option<PathBuf>,
    /// Print nothing but errors
    #[arg(short, long)]
    pub(super) quiet: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Save {
    /// The archive [default: standard output, unless it is a terminal]
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// Names or ids
    #[arg(required = true, value_name = "IMAGE")]
    pub(super) images: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The tar; `-` reads standard input
    pub(super) file: PathBuf,
    /// Name of the image
    pub(super) name: Option<Reference>,
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The tar [default: standard output, unless it is a terminal]
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// Name or id
    pub(super) image: String,
}

#[derive(Debug, Args)]
pub(crate) struct Tag {
    /// Name or id
    pub(super) image: String,
    /// The new name
    pub(super) name: Reference,
}

#[derive(Debug, Args)]
pub(crate) struct Rm {
    /// Names or ids
    #[arg(required = true, value_name = "IMAGE")]
    pub(super) images: Vec<String>,
    /// Remove an id with all its names; one that is not there is no error
    #[arg(short, long)]
    pub(super) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// Names or ids
    #[arg(required = true, value_name = "IMAGE")]
    pub(super) images: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct History {
    /// Name or id
    pub(super) image: String,
    /// Whole commands and ids
    #[arg(long)]
    pub(super) no_trunc: bool,
    /// Only ids
    #[arg(short, long)]
    pub(super) quiet: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Prune {
    /// Also forget results of build steps
    #[arg(short, long)]
    pub(super) all: bool,
    /// Do not ask
    #[arg(short, long)]
    pub(super) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {}

#[derive(Debug, Args)]
pub(crate) struct Pack {
    /// The folder
    pub(super) folder: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Make {
    /// Which: tiny, debian, workbench, node or python
    pub(super) image: DefaultImage,
}
