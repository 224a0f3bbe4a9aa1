//! Ports of the switch itself: an instance finds its name server there, and nothing else.

use anyhow::{Result, ensure};

use crate::guard::Guard;
use crate::lab::{Lab, Net};
use sandlot_tests::place::Said;

/// Something of the node that listens within the switch.
const SERVICE: &str = "echo started; exec busybox httpd -f -p 8080";

fn by_tcp(net: &Net, address: &str) -> Result<Said> {
    net.attack(0, &["connect", address])
}

#[tokio::test]
async fn the_switch_answers_for_names_only() -> Result<()> {
    let lab = Lab::new()?;
    let net = lab.net().await?;
    let _service = net.switch.start(&["sh", "-c", SERVICE])?;
    ensure!(by_tcp(&net, "10.99.0.1:53")?.text.contains("succeeded"), "not even the name server is reached");
    let doors = [
        ("10.99.0.1:8080", "ip daddr 10.99.0.1"),
        ("[fd53:616e:646c::1]:8080", "ip6 daddr fd53:616e:646c::1"),
        ("[::ffff:10.99.0.1]:8080", "ip daddr 10.99.0.1"),
    ];
    for (address, _) in doors {
        let refused = by_tcp(&net, address)?;
        ensure!(refused.text.contains("refused"), "{address}: {}", refused.text);
    }
    for (address, what) in doors {
        Guard::Input(&format!("{what} tcp dport 8080")).remove(&net.switch)?;
        let reached = by_tcp(&net, address)?;
        ensure!(
            reached.text.contains("succeeded"),
            "{address}: not even without its guard: {}",
            reached.text
        );
    }
    net.session.close().await
}
