//! The only unsafe code of the runtime: one safe function per kernel call, without policy.
//!
//! What `nix` already wraps safely is taken from there. Errors are plain errnos; the callers know which step they
//! were on. A call that only a single-threaded process may make says so.
#![expect(unsafe_code, reason = "the one place where kernel calls are made by hand")]

pub mod birth;
pub mod bpf;
pub mod capability;
pub mod clone;
pub mod close;
pub mod descriptor;
pub mod forbidden;
pub mod keyring;
pub mod link;
pub mod loop_device;
pub mod mount;
pub mod netlink;
pub mod packet;
pub mod pidfd;
pub mod quota;
pub mod scheduling;
pub mod seccomp;
pub mod signal;
pub mod terminal;
pub mod uts;
pub mod wait;
pub mod xattr;
