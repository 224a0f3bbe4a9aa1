#![doc = include_str!("../README.md")]

pub mod cgroup;
pub mod container;
pub mod disk;
pub mod doctor;
pub mod failure;
pub mod image;
pub mod init;
pub mod net;
pub mod process;
pub mod reaper;
pub mod ring;
pub mod rootfs;
pub mod spec;
pub mod supervisor;
pub mod sys;
pub mod tree;
