//! Where the switch believes instances to be: nobody gets frames that are for another.

use anyhow::{Result, ensure};
use sandlot_runtime::net::plan::Mac;

use crate::frame::{self, ATTACK, LAST, hex, instance};
use crate::lab::{Lab, Net};
use sandlot_tests::place::Said;

/// Multicast that a bridge keeps to itself (IEEE 802.1D, table 7-10), and that passes no chain of the ports.
const TO_BRIDGES: [[u8; 6]; 3] =
    [[1, 0x80, 0xc2, 0, 0, 0], [1, 0x80, 0xc2, 0, 0, 3], [1, 0x80, 0xc2, 0, 0, 0x0e]];

/// The first says in every way that the second's hardware is at its port.
fn poison(net: &Net) -> Result<()> {
    let victim = instance(1).mac.0;
    let mut frames: Vec<String> =
        TO_BRIDGES.iter().map(|to| hex(&frame::ethernet(*to, victim, 0x88cc, &[0; 46]))).collect();
    frames.push(hex(&frame::datagram(victim, instance(0).v4, (4000, 4000))));
    let mut words = vec!["send-frames", "eth0"];
    words.extend(frames.iter().map(String::as_str));
    let sent = net.attack(0, &words)?;
    ensure!(sent.succeeded, "the frames were not even sent: {}", sent.text);
    Ok(())
}

/// What the first hears of a frame that the third sends to this hardware.
fn overheard(net: &Net, to: Mac) -> Result<Said> {
    let watch = net.watch(0, &["hear-frame", "eth0", &hex(ATTACK), &hex(LAST)])?;
    let own = instance(2);
    let content = frame::v4(own.v4, instance(1).v4, &frame::udp(4000, 4000));
    let secret = [&frame::ethernet(to.0, own.mac.0, 0x0800, &content), ATTACK].concat();
    let last = [&frame::datagram(own.mac.0, own.v4, (4000, 4000)), LAST].concat();
    let sent = net.attack(2, &["send-frames", "eth0", &hex(&secret), &hex(&last)])?;
    ensure!(sent.succeeded, "nothing was sent: {}", sent.text);
    watch.end()
}

#[tokio::test]
async fn nobody_takes_anothers_place() -> Result<()> {
    let lab = Lab::new()?;
    let strong = lab.net().await?;
    poison(&strong)?;
    let heard = overheard(&strong, instance(1).mac)?;
    ensure!(heard.text.contains("refused"), "the place was taken: {}", heard.text);
    strong.session.close().await?;

    let weak = lab.net().await?;
    weak.switch.output(&["bridge", "link", "set", "dev", "p0", "learning", "on"])?;
    poison(&weak)?;
    let table = weak.switch.output(&["bridge", "fdb"])?;
    ensure!(table.contains("02:53:4c:00:00:12 dev p0"), "not even where ports learn: {table}");
    let heard = overheard(&weak, instance(1).mac)?;
    ensure!(heard.text.contains("succeeded"), "not even where ports learn: {}", heard.text);
    weak.session.close().await
}

#[tokio::test]
async fn nobody_hears_what_is_for_an_unknown_place() -> Result<()> {
    let lab = Lab::new()?;
    let net = lab.net().await?;
    let unknown = instance(7).mac;
    let heard = overheard(&net, unknown)?;
    ensure!(heard.text.contains("refused"), "it was flooded: {}", heard.text);
    net.switch.output(&["bridge", "link", "set", "dev", "p0", "flood", "on"])?;
    let heard = overheard(&net, unknown)?;
    ensure!(heard.text.contains("succeeded"), "not even where ports are flooded: {}", heard.text);
    net.session.close().await
}
