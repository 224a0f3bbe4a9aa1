//! Attacks by and through a session's network: each fails on a real node, and succeeds once its guard is taken away by the
//! test, so that none fails by accident. Needs root, nft(8) and `make dev`.
//!
//! Attackers have every capability that a session's own root could have over the instance's network, and no filter of
//! system calls: more than any process inside. A playground's way out, when there is one, has its attacks in a file of
//! its own beside these.

mod addresses;
mod frame;
mod frames;
mod guard;
mod lab;
mod neighbours;
mod others;
mod poisoning;
mod rewiring;
