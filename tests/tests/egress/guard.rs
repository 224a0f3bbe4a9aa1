//! What keeps a session from where it must not go, layer by layer, and how a test takes it away.

use anyhow::Result;
use sandlot_tests::firewall::{add_rule, remove_rule};

use crate::ground::{Ground, Net};
use crate::world;

/// One layer.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Guard {
    /// The rules of the session's way out with this word.
    Switch(&'static str),
    /// That the gateway itself is reached by nobody.
    GatewayInput,
    /// That nothing crosses the gateway but on the way out and back.
    GatewayForward,
    /// That nothing which comes by the link from the gateway reaches the host itself. The host's table belongs to a
    /// socket of the supervisor's and cannot be changed; it knows the link by its name.
    Host,
}

impl Guard {
    /// Takes away this one and no other.
    pub(crate) fn remove(self, ground: &Ground, net: &Net) -> Result<()> {
        match self {
            Self::Switch(word) => remove_rule(&net.switch, "inet switch egress", &[word]),
            Self::GatewayInput => add_rule(&ground.gateway()?, "inet gateway input", "accept"),
            Self::GatewayForward => add_rule(&ground.gateway()?, "inet gateway forward", "accept"),
            Self::Host => {
                // Older kernels rename no link that is up, and one that goes down loses its IPv6 addresses unless told.
                world::output(
                    "echo 1 >/proc/sys/net/ipv6/conf/sl-out/keep_addr_on_down && ip link set sl-out down && \
                     ip link set sl-out name other-out && ip link set other-out up",
                );
                Ok(())
            }
        }
    }
}
