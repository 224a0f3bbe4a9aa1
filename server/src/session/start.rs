//! The start of a session: one transaction, one request to the backend, one transaction.

use std::time::Instant;

use sandlot_runtime::supervisor::name::{DiffId, Hostname, InstanceIndex, SessionNumber};
use sandlot_runtime::supervisor::protocol::{EndReason, Machine, Network};

use super::Sessions;
use super::expiry::SUPERVISOR_GRACE;
use super::live::{Founding, InstanceState, Live, LiveInstance};
use super::ports::held::{NewPorts, SessionPorts};
use super::room;
use super::view::SessionView;
use crate::auth::access::Secrets;
use crate::auth::token::Token;
use crate::clock::UnixMillis;
use crate::config::playground::Playground;
use crate::db::instance::InstanceRow;
use crate::db::session::{NewSession, Quota};
use crate::error::{Error, ErrorKind, Result};
use crate::id::{InstanceName, PlaygroundName, SessionId};
use crate::image::ImageState;

/// A session that was just started, with its secrets: they are known here and to the client only.
#[derive(Debug)]
pub struct Started {
    /// The session.
    pub session: SessionView,
    /// For `Authorization: Bearer`.
    pub api_token: Token,
    /// For its URL.
    pub url_token: Token,
}

/// A session on its way.
struct Birth {
    row: NewSession,
    id: SessionId,
    number: SessionNumber,
    machines: Vec<Machine>,
    secrets: Secrets,
}

impl Sessions {
    /// Starts a session of `playground` (or the default one) for `client`. It is carried to its end even if the caller
    /// no longer waits.
    ///
    /// # Errors
    /// When the playground is unknown or not ready, a quota is used up, the node is full, or the backend fails.
    pub async fn start(&self, client: String, playground: Option<PlaygroundName>) -> Result<Started> {
        let begun = Instant::now();
        let sessions = self.clone();
        let work = async move { sessions.start_counted(&client, playground, begun).await };
        self.parts().shutdown.spawn_to_end(work).await.map_err(Error::internal)?
    }

    async fn start_counted(
        &self,
        client: &str,
        playground: Option<PlaygroundName>,
        begun: Instant,
    ) -> Result<Started> {
        let result = self.start_now(client, playground).await;
        let metrics = &self.parts().metrics;
        match &result {
            Ok(started) => {
                metrics.session_starts.add(1);
                metrics.start_time.observe(begun.elapsed());
                let (id, took) = (&started.session.id, begun.elapsed());
                tracing::info!(session = %id, playground = started.session.playground, ?took, "session {id} started");
            }
            Err(error)
                if matches!(error.kind(), ErrorKind::TooMany | ErrorKind::Full | ErrorKind::DiskFull) =>
            {
                metrics.refused.add(1);
            }
            Err(_) => metrics.session_start_failures.add(1),
        }
        result
    }

    async fn start_now(&self, client: &str, playground: Option<PlaygroundName>) -> Result<Started> {
        let playground = self.choose(playground)?;
        let layers: Result<Vec<Vec<DiffId>>> =
            playground.instances.iter().map(|one| self.parts().images.layers(&one.image)).collect();
        let layers = layers?;
        if let Some(reason) = self.parts().backend.away() {
            return Err(
                Error::new(ErrorKind::Unavailable, reason).retry_after(std::time::Duration::from_secs(1))
            );
        }
        if !self.has_reconciled() {
            let sentence = "The node is still looking at what runs on it. Try again in a moment.";
            return Err(
                Error::new(ErrorKind::Unavailable, sentence).retry_after(std::time::Duration::from_secs(1))
            );
        }
        self.check_rate(client)?;
        room::check(&self.parts().config.state_dir)?;
        let (url_token, api_token) =
            (Token::random().map_err(Error::internal)?, Token::random().map_err(Error::internal)?);
        let secrets = Secrets { url: url_token.hash(), api: api_token.hash() };
        let number = self.lock().numbers.take();
        let number = number.ok_or_else(|| Error::new(ErrorKind::Full, "This node is full."))?;
        let birth = self.prepare(client, &playground, &layers, number, secrets);
        let born = match birth {
            Ok(birth) => self.bear(birth).await,
            Err(error) => Err(error),
        };
        match born {
            Ok(live) => {
                self.run_start_commands(&live, &playground);
                Ok(Started { session: SessionView::of(&live), api_token, url_token })
            }
            Err(error) => {
                self.lock().numbers.give_back(number);
                Err(error)
            }
        }
    }

    /// The playground of this name; without one the operator's default, or the first of the built-in ones that is ready.
    fn choose(&self, name: Option<PlaygroundName>) -> Result<Playground> {
        let config = &self.parts().config;
        let named = name.or_else(|| config.default_playground.clone());
        if let Some(name) = named {
            return config.playgrounds.get(&name).cloned().ok_or_else(|| unknown_playground(&name));
        }
        let ready = |playground: &&Playground| {
            let is_ready = |image| matches!(self.parts().images.state(image), ImageState::Ready(_));
            playground.instances.iter().all(|planned| is_ready(&planned.image))
        };
        let preferred = ["workbench", "tiny"].iter().filter_map(|name| name.parse::<PlaygroundName>().ok());
        let mut candidates = preferred.filter_map(|name| config.playgrounds.get(&name));
        let found = candidates.find(ready).or_else(|| config.playgrounds.values().find(ready));
        found.cloned().ok_or_else(|| {
            Error::new(ErrorKind::ImageNotReady, "No playground is ready yet. Try again in a moment.")
                .retry_after(std::time::Duration::from_secs(5))
        })
    }

    fn check_rate(&self, client: &str) -> Result<()> {
        let Some(per_minute) = self.parts().config.quotas.starts_of(client) else { return Ok(()) };
        self.shared.rate.take(client, per_minute, Instant::now()).map_err(|wait| {
            let sentence = "You start sessions faster than one address may. Wait a little.";
            Error::new(ErrorKind::TooMany, sentence).retry_after(wait)
        })
    }

    fn prepare(
        &self,
        client: &str,
        playground: &Playground,
        layers: &[Vec<DiffId>],
        number: SessionNumber,
        secrets: Secrets,
    ) -> Result<Birth> {
        let id = SessionId::random(&self.parts().node).map_err(Error::internal)?;
        let created_at = UnixMillis::now();
        let (mut machines, mut instances) = (Vec::new(), Vec::new());
        for ((place, planned), layers) in (0..).zip(&playground.instances).zip(layers) {
            let index = InstanceIndex::try_from(place).map_err(Error::internal)?;
            let machine = machine(playground, layers.clone(), index, planned.hostname.clone())?;
            instances.push(row_of(&machine, &planned.image));
            machines.push(machine);
        }
        let row = NewSession {
            id: id.to_string(),
            number: number.get(),
            playground: playground.name.to_string(),
            instances,
            client: client.to_owned(),
            url_token_hash: secrets.url.0,
            api_token_hash: secrets.api.0,
            created_at,
            expires_at: created_at.plus(playground.ttl),
        };
        Ok(Birth { row, id, number, machines, secrets })
    }

    /// Intent row, effect, result.
    async fn bear(&self, birth: Birth) -> Result<std::sync::Arc<Live>> {
        let Birth { row, id, number, machines, secrets } = birth;
        let instances = machines.iter().map(|machine| (machine.index, running(machine))).collect();
        let quotas = self.parts().config.quotas;
        let quota = Quota { node: quotas.sessions_per_node, client: quotas.sessions_of(&row.client) };
        self.parts().db.insert_session(&row, quota).await?;
        let network = self.network_of(&row.playground);
        let deadline = row.expires_at.plus(SUPERVISOR_GRACE);
        if let Err(error) = self.parts().backend.start(number, deadline, machines, network).await {
            self.give_up(&id, number, &error).await;
            return Err(error);
        }
        let ports = SessionPorts::new(NewPorts {
            session: id.clone(),
            number,
            secrets,
            default: self.default_setting(&row.playground),
            settings: Vec::new(),
        });
        let live = Live::new(Founding {
            id: id.clone(),
            number,
            playground: row.playground,
            secrets,
            created_at: row.created_at,
            expires_at: row.expires_at,
            instances,
            last_terminal: 0,
            last_exec: 0,
            ports,
        });
        self.add_live(&live);
        // The first program of a session may ask for a name at once.
        let (marked, sockets) =
            tokio::join!(self.parts().db.mark_running(id.as_str()), self.open_names(&live));
        match marked {
            Ok(true) => {
                self.serve_names(&live, sockets);
                Ok(live)
            }
            Ok(false) | Err(_) if live.ending().is_some() => {
                Err(Error::new(ErrorKind::Ended, "This session has ended."))
            }
            Ok(false) => Err(self.end_unborn(live).await),
            Err(error) => {
                self.end_unborn(live).await;
                Err(error.into())
            }
        }
    }

    fn network_of(&self, playground: &str) -> Network {
        let name: Option<PlaygroundName> = playground.parse().ok();
        let playground = name.and_then(|name| self.parts().config.playgrounds.get(&name));
        Network { egress: playground.and_then(|found| Some(found.way.as_ref()?.rules.clone())) }
    }

    /// A start failed: whatever may be there is ended, and the row gets its final state.
    async fn give_up(&self, id: &SessionId, number: SessionNumber, error: &Error) {
        tracing::warn!(session = %id, error = error.chain(), "start of session {id} failed");
        let ended = self.parts().backend.end(number, EndReason::StartFailed).await;
        if let Err(error) = ended.and(self.parts().backend.forget(number).await) {
            // The next comparison with the backend ends what has no row.
            tracing::warn!(session = %id, error = error.chain(), "end of what session {id} left");
        }
        let finished =
            self.parts().db.finish_session(id.as_str(), EndReason::StartFailed, UnixMillis::now()).await;
        if let Err(error) = finished {
            tracing::error!(session = %id, %error, "record the failed start of session {id}");
        }
    }

    async fn end_unborn(&self, live: std::sync::Arc<Live>) -> Error {
        self.end(&live, EndReason::StartFailed).await;
        Error::new(ErrorKind::StartFailed, "The session could not be started. Try again.")
    }
}

fn unknown_playground(name: &PlaygroundName) -> Error {
    let sentence = format!("There is no playground {name}. GET /api/v1/playgrounds lists them.");
    Error::new(ErrorKind::Invalid, sentence)
}

/// A machine of a playground. Without a name of its own it is called by its number.
pub(super) fn machine(
    playground: &Playground,
    layers: Vec<DiffId>,
    index: InstanceIndex,
    hostname: Option<Hostname>,
) -> Result<Machine> {
    let by_number = || Hostname::try_from(InstanceName::from(index).hostname()).map_err(Error::internal);
    Ok(Machine {
        index,
        hostname: hostname.map_or_else(by_number, Ok)?,
        layers,
        limits: playground.limits,
        login: playground.login,
        no_new_privileges: playground.no_new_privileges,
        user_namespaces: playground.user_namespaces,
        net_admin: playground.net_admin,
    })
}

/// The row of a machine that is about to start.
pub(super) fn row_of(machine: &Machine, image: &str) -> InstanceRow {
    let hostname = machine.hostname.as_str().to_owned();
    InstanceRow { place: machine.index.get(), hostname, image: image.to_owned() }
}

fn running(machine: &Machine) -> LiveInstance {
    LiveInstance { state: InstanceState::Running, hostname: machine.hostname.clone() }
}
