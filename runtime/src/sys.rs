//! The only unsafe code: one safe function per kernel call, no policy.
#![expect(unsafe_code, reason = "the one place where kernel calls are made by hand")]

pub mod descriptor;
pub mod packet;
