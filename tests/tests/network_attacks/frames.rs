//! Frames that the ports hold back. Each is followed by one that passes, so that nobody has to wait for what never comes.

use anyhow::{Context, Result, ensure};
use sandlot_runtime::net::plan::SWITCH;

use crate::frame::{self, ATTACK, LAST, hex, instance};
use crate::guard::Guard;
use crate::lab::{Lab, Net};
use sandlot_tests::place::Said;

struct Case {
    name: &'static str,
    frame: fn() -> Vec<u8>,
    guard: Guard<'static>,
}

const fn case(name: &'static str, frame: fn() -> Vec<u8>, guard: Guard<'static>) -> Case {
    Case { name, frame, guard }
}

const PLAIN: (u16, u16) = (4000, 4000);

const CASES: &[Case] = &[
    case(
        "another's hardware address",
        || frame::datagram(instance(2).mac.0, instance(0).v4, PLAIN),
        Guard::Rule(&["ether saddr"]),
    ),
    case(
        "another's address, by IPv4",
        || frame::datagram(instance(0).mac.0, instance(2).v4, PLAIN),
        Guard::Ports("ip saddr 10.99.0.13"),
    ),
    case(
        "the switch's address, by IPv4",
        || frame::datagram(instance(0).mac.0, SWITCH.v4, PLAIN),
        Guard::Ports("ip saddr 10.99.0.1"),
    ),
    case(
        "another's address, by IPv6",
        || frame::datagram_v6(instance(2).v6, PLAIN),
        Guard::Ports("ip6 saddr fd53:616e:646c::13"),
    ),
    case(
        "an IPv4 address in an IPv6 one",
        || frame::datagram_v6(instance(2).v4.to_ipv6_mapped(), PLAIN),
        Guard::Ports("ip6 saddr ::ffff:10.99.0.13"),
    ),
    case(
        "the switch's address, by ARP",
        || frame::arp(instance(0).mac.0, SWITCH.v4),
        Guard::Ports("arp saddr ip 10.99.0.1"),
    ),
    case(
        "another's hardware, by ARP",
        || frame::arp(instance(2).mac.0, instance(0).v4),
        Guard::Rule(&["arp saddr ether"]),
    ),
    case(
        "a neighbour's advertisement for the switch",
        frame::neighbour_advertisement,
        Guard::Rule(&["nd-neighbor-advert"]),
    ),
    case(
        "a router's advertisement",
        || frame::icmpv6(134, &[64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0]),
        Guard::Rule(&["nd-router-advert"]),
    ),
    case(
        "the same behind another header",
        frame::router_advertisement_behind_options,
        Guard::Rule(&["nd-router-advert"]),
    ),
    case("a redirect", || frame::icmpv6(137, &[0; 36]), Guard::Rule(&["nd-redirect"])),
    case(
        "a DHCP server",
        || frame::datagram(instance(0).mac.0, instance(0).v4, (67, 68)),
        Guard::Rule(&["67-68"]),
    ),
    case(
        "a DHCPv6 server",
        || frame::datagram_v6(instance(0).link_local, (547, 546)),
        Guard::Rule(&["546-547"]),
    ),
    case(
        "a virtual network's tag",
        || frame::tagged(0x8100, &frame::datagram(instance(0).mac.0, instance(0).v4, PLAIN)),
        Guard::Ports("ether type 8021q"),
    ),
    case(
        "a provider's tag",
        || frame::tagged(0x88a8, &frame::datagram(instance(0).mac.0, instance(0).v4, PLAIN)),
        Guard::Ports("ether type 0x88a8"),
    ),
    case(
        "two tags",
        || {
            frame::tagged(
                0x8100,
                &frame::tagged(0x8100, &frame::datagram(instance(0).mac.0, instance(0).v4, PLAIN)),
            )
        },
        Guard::Ports("ether type 8021q"),
    ),
    case(
        "another kind of frame",
        || frame::ethernet(frame::EVERYONE, instance(0).mac.0, 0x88b5, &[0; 46]),
        Guard::Ports("ether type 0x88b5"),
    ),
    case(
        "a frame with its length instead of a kind",
        || frame::ethernet(frame::EVERYONE, instance(0).mac.0, 46, &[0x42, 0x42, 3, 0, 0, 0, 0, 0]),
        Guard::Ports("ether saddr 02:53:4c:00:00:11"),
    ),
];

/// The first sends it; what the second hears.
fn attack(net: &Net, frame: &[u8]) -> Result<Said> {
    let watch = net.watch(1, &["hear-frame", "eth0", &hex(ATTACK), &hex(LAST)])?;
    let last = frame::datagram(instance(0).mac.0, instance(0).v4, PLAIN);
    let frames = [[frame, ATTACK].concat(), [&last, LAST].concat()].map(|frame| hex(&frame));
    let sent = net.attack(0, &["send-frames", "eth0", &frames[0], &frames[1]])?;
    ensure!(sent.succeeded, "the frame was not even sent: {}", sent.text);
    watch.end()
}

#[tokio::test]
async fn what_ports_hold_back() -> Result<()> {
    let lab = Lab::new()?;
    let strong = lab.net().await?;
    let mut failures = Vec::new();
    for case in CASES {
        let refused = attack(&strong, &(case.frame)())?;
        if !refused.text.contains("refused") {
            failures.push(format!("{}: came through: {}", case.name, refused.text));
        }
        let weak = lab.net().await?;
        case.guard.remove(&weak.switch).context(case.name)?;
        let heard = attack(&weak, &(case.frame)())?;
        if !heard.text.contains("succeeded") {
            failures.push(format!("{}: not even without its guard: {}", case.name, heard.text));
        }
        weak.session.close().await?;
    }
    strong.session.close().await?;
    ensure!(failures.is_empty(), "{}", failures.join("\n"));
    Ok(())
}
