//! Support for the tests of Sandlot: a real node on a free port, clients of its public doors, and a look for leaks.

pub mod api;
pub mod authority;
pub mod bundle;
pub mod firewall;
pub mod instance;
pub mod kernel;
pub mod leaks;
pub mod node;
pub mod oci;
pub mod place;
pub mod port;
pub mod registry;
pub mod terminal;
pub mod wait;
