//! Images through their public door, `sandlot image`: exchange with other tools, and death at any moment.
#![expect(clippy::unwrap_used, reason = "a test may panic, also in its fixtures")]

mod builds;
mod dockerfiles;
mod exchange;
mod fixture;
mod killed;
mod layouts;
mod trees;
mod tutorial;
