//! The name server of a session's network: answered by serve, as long as the session lives.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use super::Sessions;
use super::live::Live;
use crate::dns::{Forward, Names};

/// Wait before the sockets are asked for again.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// What instances send their questions to: by datagrams and by connections.
pub(super) type Sockets = [OwnedFd; 2];

impl Sessions {
    /// Opens the sockets: from then on a question waits for its answer, and is not refused. `None` where there is no network,
    /// and where it failed.
    pub(super) async fn open_names(&self, live: &Live) -> Option<Sockets> {
        match self.parts().backend.open_name_server(live.number()).await {
            Ok(sockets) => sockets,
            Err(error) => {
                tracing::warn!(session = %live.id(), error = error.chain(), "open the name server of a session");
                None
            }
        }
    }

    /// Answers for the names of a session until it ends or serve does, by these sockets or by others that it opens itself.
    pub(super) fn serve_names(&self, live: &Arc<Live>, sockets: Option<Sockets>) {
        if !self.parts().backend.has_networks() {
            return;
        }
        let (sessions, live) = (self.clone(), Arc::clone(live));
        self.parts().shutdown.spawn(async move {
            tokio::select! {
                () = live.begun_end() => {}
                () = sessions.answer_for_names(&live, sockets) => {}
            }
        });
    }

    async fn answer_for_names(&self, live: &Live, mut opened: Option<Sockets>) {
        loop {
            let sockets = match opened.take() {
                Some(sockets) => Some(sockets),
                None => self.open_names(live).await,
            };
            if let Some([udp, tcp]) = sockets
                && let Err(error) = crate::dns::serve(self.names_of(live), udp, tcp).await
            {
                tracing::warn!(session = %live.id(), %error, "answer for the names of a session");
            }
            tokio::time::sleep(TRY_AGAIN).await;
        }
    }

    /// The session's own names and, if it goes out, all that its playground lets be known.
    fn names_of(&self, live: &Live) -> Arc<Names> {
        let parts = self.parts();
        let playground = live.playground().parse().ok().and_then(|name| parts.config.playgrounds.get(&name));
        let way = playground.and_then(|playground| playground.way.clone());
        let forward = way.zip(parts.upstream.clone()).map(|(way, upstream)| Forward {
            upstream,
            way,
            session: live.number(),
            backend: parts.backend.clone(),
        });
        Arc::new(Names { zone: Arc::clone(live.zone()), forward })
    }
}
