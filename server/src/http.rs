//! The site and its API.

pub mod assets;
pub mod body;
pub mod client;
pub mod cookie;
pub mod events;
pub mod execs;
pub mod health;
mod instances;
pub mod openapi;
pub mod origin;
pub mod owner;
pub mod pages;
pub mod playgrounds;
pub mod port_access;
pub mod ports;
pub mod problem;
pub mod router;
pub mod security;
pub mod sessions;
pub mod terminals;
pub mod trace;

pub use router::router;
