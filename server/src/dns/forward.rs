//! Names beyond the session, for those that go out: asked of the node's own name servers, told as far as the way out leads.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::{RData, Record};
use sandlot_runtime::supervisor::name::SessionNumber;
use sandlot_runtime::supervisor::protocol::MAX_PERMITTED;
use tokio::time::timeout;

use super::answer::response_to;
use crate::config::egress::Way;
use crate::config::limits;
use crate::instance::Backend;

/// Who asked connects a moment later than the answer came.
const GRACE: Duration = Duration::from_secs(15);

/// Whom the node asks; shared by all sessions.
#[derive(Debug)]
pub struct Upstream(TokioResolver);

impl Upstream {
    /// The listed servers, or those of the host.
    ///
    /// # Errors
    /// When there is no way to ask anybody.
    pub fn new(servers: Option<&[std::net::SocketAddr]>) -> Result<Self, NetError> {
        let builder = match servers {
            Some(servers) => {
                TokioResolver::builder_with_config(listed(servers), TokioRuntimeProvider::default())
            }
            None => TokioResolver::builder_tokio()?,
        };
        builder.build().map(Self)
    }
}

fn listed(servers: &[std::net::SocketAddr]) -> ResolverConfig {
    let servers = servers.iter().map(|server| {
        let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
            connection.port = server.port();
            connection
        });
        NameServerConfig::new(server.ip(), true, connections.to_vec())
    });
    ResolverConfig::from_name_servers(servers.collect())
}

/// The way of one session's questions.
#[derive(Debug)]
pub struct Forward {
    /// Whom they go to.
    pub upstream: Arc<Upstream>,
    /// What may be known and reached.
    pub way: Way,
    /// Whose they are.
    pub session: SessionNumber,
    /// Who lets addresses be reached.
    pub backend: Backend,
}

impl Forward {
    /// The answer to a question of one name; what it tells may be reached by then.
    pub(super) async fn answer(&self, query: &Message) -> Message {
        let mut response = response_to(query);
        response.metadata.response_code = match self.fill(query, &mut response).await {
            Ok(()) => ResponseCode::NoError,
            Err(code) => code,
        };
        response
    }

    async fn fill(&self, query: &Message, response: &mut Message) -> Result<(), ResponseCode> {
        let question = query.queries.first().ok_or(ResponseCode::FormErr)?;
        let text = question.name().to_lowercase().to_ascii();
        let groups = self.way.groups_of(text.trim_end_matches('.')).ok_or(ResponseCode::NXDomain)?;
        let asked = self.upstream.0.lookup(question.name().clone(), question.query_type());
        let found = match timeout(limits::DNS_FORWARD_TIME, asked).await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) if error.is_nx_domain() => return Err(ResponseCode::NXDomain),
            Ok(Err(error)) if error.is_no_records_found() => return Ok(()),
            Ok(Err(error)) => {
                tracing::warn!(%error, "ask the node's name servers");
                return Err(ResponseCode::ServFail);
            }
            Err(_) => return Err(ResponseCode::ServFail),
        };
        let told: Vec<Record> =
            found.answers().iter().filter(|record| self.may_tell(record)).cloned().collect();
        for group in groups {
            self.permit(group, &told).await?;
        }
        response.add_answers(told);
        Ok(())
    }

    fn may_tell(&self, record: &Record) -> bool {
        address(record).is_none_or(|address| self.way.tells(address))
    }

    async fn permit(&self, group: u8, told: &[Record]) -> Result<(), ResponseCode> {
        let grace = u32::try_from(GRACE.as_secs()).unwrap_or(u32::MAX);
        let permitted =
            told.iter().filter_map(|record| Some((address(record)?, record.ttl.saturating_add(grace))));
        let permitted: Vec<(IpAddr, u32)> = permitted.take(MAX_PERMITTED).collect();
        if permitted.is_empty() {
            return Ok(());
        }
        self.backend.permit(self.session, group, permitted).await.map_err(|error| {
            tracing::warn!(error = error.chain(), "let a session reach what its names lead to");
            ResponseCode::ServFail
        })
    }
}

fn address(record: &Record) -> Option<IpAddr> {
    match &record.data {
        RData::A(address) => Some(address.0.into()),
        RData::AAAA(address) => Some(address.0.into()),
        _ => None,
    }
}
