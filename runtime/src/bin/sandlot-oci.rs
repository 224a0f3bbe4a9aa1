//! `sandlot-oci`: the small binary of the runtime: the supervisor, the guardian and pid 1 of an instance.

fn main() {}
