//! Counters of this process and their text for Prometheus. No labels that name a session, an address or a secret.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A number that anybody may move.
#[derive(Debug, Default)]
pub struct Number(AtomicU64);

impl Number {
    /// Adds.
    pub fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    /// Takes away what was added before.
    pub fn sub(&self, amount: u64) {
        self.0.fetch_sub(amount, Ordering::Relaxed);
    }

    /// The value now.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Upper bounds of a histogram's buckets, in milliseconds.
const BUCKETS: [u64; 11] = [5, 10, 15, 20, 30, 50, 100, 250, 1000, 5000, 30_000];

/// Durations, counted by bucket.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [Number; BUCKETS.len()],
    count: Number,
    sum_micros: Number,
}

impl Histogram {
    /// Counts one.
    pub fn observe(&self, duration: Duration) {
        for (bucket, bound) in self.buckets.iter().zip(BUCKETS) {
            if duration <= Duration::from_millis(bound) {
                bucket.add(1);
            }
        }
        self.count.add(1);
        self.sum_micros.add(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
    }
}

/// All numbers of serve.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Sessions that are starting, in use or closing.
    pub sessions: Number,
    /// Sessions started since serve did.
    pub session_starts: Number,
    /// Starts that failed.
    pub session_start_failures: Number,
    /// Sessions ended.
    pub session_ends: Number,
    /// From the request to the running session.
    pub start_time: Histogram,
    /// Open terminals.
    pub terminals: Number,
    /// From the request to the open terminal.
    pub terminal_time: Histogram,
    /// Viewers attached.
    pub viewers: Number,
    /// Viewers that were detached because they acknowledged nothing.
    pub viewers_stalled: Number,
    /// Bytes read from terminals.
    pub terminal_output: Number,
    /// Bytes typed into terminals.
    pub terminal_input: Number,
    /// Execs run.
    pub execs: Number,
    /// Requests that were refused: quota, full, or no proof.
    pub refused: Number,
    /// Processes killed at an instance's memory limit.
    pub out_of_memory_kills: Number,
    /// Requests to ports of instances.
    pub port_requests: Number,
    /// Times the connection to the supervisor was made.
    pub supervisor_connections: Number,
}

impl Metrics {
    /// As Prometheus' text format, version 0.0.4.
    pub fn render(&self, supervisor_up: bool) -> String {
        let mut text = String::with_capacity(4096);
        let gauges = [
            ("sessions", "Sessions that have not ended.", self.sessions.value()),
            ("terminals", "Terminals whose program runs.", self.terminals.value()),
            ("viewers", "Websockets attached to terminals.", self.viewers.value()),
            ("supervisor_up", "Whether the node's supervisor answers.", u64::from(supervisor_up)),
        ];
        for (name, help, value) in gauges {
            one(&mut text, name, "gauge", help, value);
        }
        for (name, help, value) in self.counters() {
            one(&mut text, name, "counter", help, value);
        }
        histogram(&mut text, "session_start_seconds", "From request to running session.", &self.start_time);
        histogram(&mut text, "terminal_open_seconds", "From request to open terminal.", &self.terminal_time);
        text
    }

    fn counters(&self) -> [(&'static str, &'static str, u64); 11] {
        [
            ("port_requests_total", "Requests to ports of instances.", self.port_requests.value()),
            ("session_starts_total", "Sessions started.", self.session_starts.value()),
            ("session_start_failures_total", "Starts that failed.", self.session_start_failures.value()),
            ("session_ends_total", "Sessions ended.", self.session_ends.value()),
            ("terminal_output_bytes_total", "Bytes read from terminals.", self.terminal_output.value()),
            ("terminal_input_bytes_total", "Bytes typed into terminals.", self.terminal_input.value()),
            (
                "viewers_stalled_total",
                "Viewers detached for want of acknowledgement.",
                self.viewers_stalled.value(),
            ),
            ("execs_total", "Execs run.", self.execs.value()),
            ("requests_refused_total", "Requests refused.", self.refused.value()),
            (
                "out_of_memory_kills_total",
                "Processes killed at a memory limit.",
                self.out_of_memory_kills.value(),
            ),
            (
                "supervisor_connections_total",
                "Connections made to the supervisor.",
                self.supervisor_connections.value(),
            ),
        ]
    }
}

fn one(text: &mut String, name: &str, kind: &str, help: &str, value: u64) {
    text.push_str(&format!(
        "# HELP sandlot_{name} {help}\n# TYPE sandlot_{name} {kind}\nsandlot_{name} {value}\n"
    ));
}

fn histogram(text: &mut String, name: &str, help: &str, histogram: &Histogram) {
    let count = histogram.count.value();
    text.push_str(&format!("# HELP sandlot_{name} {help}\n# TYPE sandlot_{name} histogram\n"));
    for (bucket, bound) in histogram.buckets.iter().zip(BUCKETS) {
        let (whole, part) = (bound / 1000, bound % 1000);
        text.push_str(&format!("sandlot_{name}_bucket{{le=\"{whole}.{part:03}\"}} {}\n", bucket.value()));
    }
    let micros = histogram.sum_micros.value();
    text.push_str(&format!("sandlot_{name}_bucket{{le=\"+Inf\"}} {count}\n"));
    text.push_str(&format!("sandlot_{name}_sum {}.{:06}\n", micros / 1_000_000, micros % 1_000_000));
    text.push_str(&format!("sandlot_{name}_count {count}\n"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_holds_buckets_and_counts() {
        let metrics = Metrics::default();
        metrics.start_time.observe(Duration::from_millis(12));
        let text = metrics.render(true);
        assert!(text.contains("sandlot_session_start_seconds_bucket{le=\"0.010\"} 0\n"), "{text}");
        assert!(text.contains("sandlot_session_start_seconds_bucket{le=\"0.015\"} 1\n"), "{text}");
        assert!(text.contains("sandlot_session_start_seconds_sum 0.012000\n"), "{text}");
        assert!(text.contains("sandlot_supervisor_up 1\n"), "{text}");
    }
}
