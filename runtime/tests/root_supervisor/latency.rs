//! How long a start takes, measured only on request: it says something on a quiet machine.

use std::time::{Duration, Instant};

use super::node::{Node, end, read_until};

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

#[test]
#[ignore = "measures; run it alone: cargo test -p sandlot-runtime --test root_supervisor latency -- --ignored --nocapture"]
fn start_to_prompt() {
    // Without and with disks made ahead.
    for ready_disks in [0, 4] {
        measure(ready_disks);
    }
}

fn measure(ready_disks: u32) {
    let node = Node::start_with(|file| file.ready_disks = ready_disks);
    let mut client = node.client();
    let (mut starts, mut terminals, mut prompts, mut ends) = (vec![], vec![], vec![], vec![]);
    for number in 1..=20 {
        // An idle moment before each, as between two users.
        std::thread::sleep(Duration::from_millis(150));
        let begin = Instant::now();
        node.start_session(&mut client, number, 1);
        let started = Instant::now();
        let (ptmx, _ring) = node.open_terminal(&mut client, number, 1);
        let opened = Instant::now();
        read_until(&ptmx, "# ");
        starts.push(started - begin);
        terminals.push(opened - started);
        prompts.push(begin.elapsed());
        drop(ptmx);
        let closing = Instant::now();
        end(&mut client, number);
        ends.push(closing.elapsed());
    }
    eprintln!(
        "{ready_disks} disks made ahead: medians: start {:?}, terminal {:?}, start to first prompt byte {:?}, end {:?}",
        median(starts),
        median(terminals),
        median(prompts),
        median(ends)
    );
}
