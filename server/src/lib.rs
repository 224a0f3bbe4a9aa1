#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod app;
pub mod auth;
pub mod build;
pub mod cli;
pub mod clock;
pub mod config;
pub mod db;
pub mod dns;
pub mod error;
pub mod http;
pub mod id;
pub mod image;
pub mod instance;
pub mod metrics;
pub mod proxy;
mod readiness;
pub mod registry;
pub mod serve;
pub mod session;
pub mod shutdown;
pub mod supervisor;
pub mod terminal;
pub mod tls;
pub mod ws;
