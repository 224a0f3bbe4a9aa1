//! The limit of every input and every store in memory, each with its reason. Constants: an operator sets policy
//! (how many sessions, how long), never these.

use std::time::Duration;

/// Body of a request: the largest is an exec with its stdin.
pub const BODY_BYTES: usize = 256 * 1024;
/// Whole handling of a request other than an exec or a websocket; a start or an end takes at most some seconds.
pub const REQUEST_TIME: Duration = Duration::from_secs(30);
/// Connections that have not sent their request head by then are closed.
pub const HEAD_TIME: Duration = Duration::from_secs(20);
/// From the first byte of a connection to the end of its TLS handshake; slow lines need two or three seconds.
pub const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// Requests of one HTTP/2 connection at once: a page loads a dozen, a browser keeps some streams open.
pub const STREAMS: u32 = 100;
/// What a client may send of one body over HTTP/2 before it is read: 20 Mbit/s with 100 ms delay.
pub const STREAM_WINDOW_BYTES: u32 = 256 * 1024;
/// The same over all streams of a connection.
pub const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;
/// Answers of one HTTP/2 stream that wait for the network.
pub const STREAM_SEND_BYTES: usize = 64 * 1024;
/// Streams that a client took back before they were looked at (CVE-2023-44487); a connection with more is closed.
pub const WITHDRAWN_STREAMS: usize = 20;
/// Streams that we had to reset, over the life of a connection (CVE-2025-8671); one with more is closed.
pub const RESET_STREAMS: usize = 200;
/// An HTTP/2 connection without a new request for so long takes no more; what runs on it goes on.
pub const QUIET_TIME: Duration = Duration::from_secs(120);
/// Head of a request: a long cookie and a long user agent fit.
pub const HEAD_BYTES: usize = 32 * 1024;
/// Connections that speak HTTP at once, websockets apart; the next ones wait in the kernel's queue.
pub const CONNECTIONS: usize = 4096;
/// Requests, closes and ends that are under way when serve is told to end have so long.
pub const LAST_WORK_TIME: Duration = Duration::from_secs(6);

/// Answers of apps that are on their way when serve is told to end have so long, as some never end.
pub const LAST_STREAM_TIME: Duration = Duration::from_secs(2);

/// Frame from a viewer: a paste goes in pieces of at most 64 KiB; more is a defect or an attack.
pub const FRAME_BYTES: usize = 128 * 1024;
/// Read buffer of a websocket; the default of 128 KiB would be most of an idle terminal's memory.
pub const WS_READ_BUFFER_BYTES: usize = 4 * 1024;
/// Messages of a websocket that wait for the network: one output frame and some control.
pub const WS_WRITE_BUFFER_BYTES: usize = 1024 * 1024;
/// Output that a viewer may be sent before it acknowledges: fills a 10 Mbit/s line with 100 ms delay.
pub const VIEWER_WINDOW_BYTES: u64 = 128 * 1024;
/// The driver holds the PTY back at most so long without an acknowledgement.
pub const DRIVER_STALL: Duration = Duration::from_secs(10);
/// Output gathered in one turn, and in one frame: a flood pays few system calls, others wait little.
pub const OUTPUT_TURN_BYTES: usize = 64 * 1024;
/// Input that waits for a program which does not read: a large paste fits, a stalled program costs no more.
pub const INPUT_QUEUE_BYTES: usize = 1024 * 1024;
/// Resizes closer together than this become one: a dragged window edge sends dozens a second.
pub const RESIZE_QUIET: Duration = Duration::from_millis(50);
/// A viewer that answers no ping for two of these is gone.
pub const PING_EVERY: Duration = Duration::from_secs(20);
/// Rows or columns of a terminal; also the supervisor's own bound.
pub const WINSIZE_MAX: u16 = 1000;
/// Control text from a viewer.
pub const CONTROL_BYTES: usize = 4 * 1024;

/// Viewers of one terminal: a class watching, not the whole internet.
pub const VIEWERS_PER_TERMINAL: usize = 64;
/// Terminals that are alive in one session: tabs of a person; below the supervisor's bound on processes.
pub const TERMINALS_PER_SESSION: usize = 24;
/// Ended terminals whose output stays readable until their session ends, per session.
pub const ENDED_TERMINALS_KEPT: usize = 4;
/// Ended terminals that stay readable for [`ENDED_TERMINAL_TIME`], per session; with the living ones and the execs below
/// the supervisor's bound of 64.
pub const ENDED_TERMINALS_MOST: usize = 16;
/// A viewer that lost its connection comes back in this time, also over a restart of serve.
pub const ENDED_TERMINAL_TIME: Duration = Duration::from_secs(60);
/// Execs at once in one session; with the terminals below the supervisor's bound of 64.
pub const EXECS_PER_SESSION: usize = 16;

/// Life of a ticket: from the answer that carries it to the upgrade.
pub const TICKET_LIFE: Duration = Duration::from_secs(30);
/// Tickets that wait for their use, on the whole node: 40 bytes each.
pub const TICKETS: usize = 100_000;

/// Items of an exec's argv: far below the kernel's bound, far above a person's need.
pub const EXEC_ARGUMENTS: usize = 256;
/// Variables of an exec's environment.
pub const EXEC_VARIABLES: usize = 128;
/// All arguments, variables and paths of an exec together: with its JSON escapes they must fit in one message to the
/// supervisor (128 KiB).
pub const EXEC_COMMAND_BYTES: usize = 16 * 1024;
/// Input of an exec.
pub const EXEC_STDIN_BYTES: usize = 128 * 1024;
/// Output kept of an exec, each of stdout and stderr; what is beyond is read and dropped, and the answer says so.
pub const EXEC_OUTPUT_BYTES: usize = 256 * 1024;
/// An exec without `timeout_ms`.
pub const EXEC_TIME_DEFAULT: Duration = Duration::from_secs(30);
/// The longest `timeout_ms`: the answer is one HTTP response, and proxies give up around here.
pub const EXEC_TIME_MAX: Duration = Duration::from_secs(300);
/// Output that is still in the pipes when the program has ended is awaited so long; a child left behind may hold them.
pub const EXEC_DRAIN_TIME: Duration = Duration::from_millis(500);

/// Client addresses remembered for the rate of starts: 100 bytes each.
pub const START_ADDRESSES: usize = 50_000;

/// Free bytes of the state directory's file system below which no session starts: the database, its log and the
/// instances that already run need room.
pub const DISK_RESERVE_BYTES: u64 = 256 * 1024 * 1024;
/// Rows of ended sessions are kept so long, for their end page.
pub const ENDED_ROWS_KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// Connections to the ports of one instance at once: a classroom's browsers, or one program with a thousand websockets.
pub const PORT_CONNECTIONS: usize = 2048;
/// Connections to the ports of one instance that wait for their next request, each a descriptor and a few KiB.
pub const PORT_IDLE_CONNECTIONS: usize = 128;
/// A connection to a port that waits longer than this is closed; most programs close it themselves about then.
pub const PORT_IDLE_TIME: Duration = Duration::from_secs(20);
/// Sockets of an instance's network that are kept ready, at most: one request to the supervisor gives so many.
pub const PORT_SOCKETS_READY: u8 = 64;
/// A port of an instance is on the same machine: what has not answered a connection by then does not.
pub const PORT_CONNECT_TIME: Duration = Duration::from_secs(5);
/// Head of an answer from a port, and what is read of its body at once: a large cookie fits.
pub const PORT_HEAD_BYTES: usize = 128 * 1024;
/// Grants that one request to a private port may present: the right one, and some that neighbours have put before it.
pub const PORT_COOKIES: usize = 8;
/// Head of an answer from a port is awaited so long: a long poll fits.
pub const PORT_HEAD_TIME: Duration = Duration::from_secs(600);
/// Bytes that a tunnel moves in one turn: all tunnels of a thread share one buffer of this size.
pub const TUNNEL_TURN_BYTES: usize = 64 * 1024;

/// Bytes of a tunnelled connection in one websocket message.
pub const TUNNEL_MESSAGE_BYTES: usize = 16 * 1024;
/// Ports of one instance that have a setting of their own: one row each.
pub const PORT_SETTINGS: u32 = 256;
/// Listening ports of one instance that are shown; a page with more links helps nobody.
pub const PORTS_SHOWN: usize = 64;
/// A visitor of a private port is on the way to the site and back for so long: some redirects.
pub const PORT_ASK_LIFE: Duration = Duration::from_secs(60);
/// A grant for a private port that is not used lapses after this; the session's cookie gives a new one.
pub const PORT_GRANT_LIFE: Duration = Duration::from_secs(3600);
/// Grants for private ports on the whole node: 60 bytes each.
pub const PORT_GRANTS: usize = 100_000;
/// Streams of events of one session: a page has one, a class watching has some dozens.
pub const EVENT_STREAMS: usize = 64;

/// Size of `sandlot.toml`.
pub const CONFIG_FILE_BYTES: u64 = 1024 * 1024;
/// Certificates and key of the site, each: the longest chains have some tens of KiB.
pub const TLS_FILE_BYTES: u64 = 256 * 1024;
/// Playgrounds in it: the landing page shows them all.
pub const PLAYGROUNDS: usize = 100;
/// Websocket message that is read at all; above [`FRAME_BYTES`] it is refused by name.
pub const WS_MESSAGE_BYTES: usize = 512 * 1024;
/// A peer that was told to close has so long to answer.
pub const CLOSE_TIME: Duration = Duration::from_secs(2);

/// A query for a name: one question, and what EDNS adds.
pub const DNS_DATAGRAM_BYTES: usize = 1500;
/// Connections on which one session asks for names at once: two for each instance.
pub const DNS_CONNECTIONS: usize = 32;
/// Silence after which such a connection is closed.
pub const DNS_CONNECTION_TIME: Duration = Duration::from_secs(10);
/// Questions about names beyond a session that wait for their answer, per session.
pub const DNS_FORWARDED: usize = 64;
/// The node's name servers have so long; who asked tries again after five seconds.
pub const DNS_FORWARD_TIME: Duration = Duration::from_millis(4500);
