//! The name server of a session's network: answered by serve, as long as the session lives.

use std::sync::Arc;
use std::time::Duration;

use super::Sessions;
use super::live::Live;
use crate::dns::{Forward, Names};

/// Wait before the sockets are asked for again.
const TRY_AGAIN: Duration = Duration::from_secs(1);

impl Sessions {
    /// Answers for the names of a session until it ends or serve does. The sockets stay with the switch: an instance that
    /// asks while no serve runs waits for the next one.
    pub(super) fn serve_names(&self, live: &Arc<Live>) {
        let (sessions, live) = (self.clone(), Arc::clone(live));
        self.parts().shutdown.spawn(async move {
            tokio::select! {
                () = live.begun_end() => {}
                () = sessions.answer_for_names(&live) => {}
            }
        });
    }

    async fn answer_for_names(&self, live: &Live) {
        loop {
            match self.parts().backend.open_name_server(live.number()).await {
                Ok(None) => return,
                Ok(Some([udp, tcp])) => {
                    if let Err(error) = crate::dns::serve(self.names_of(live), udp, tcp).await {
                        tracing::warn!(session = %live.id(), %error, "answer for the names of a session");
                    }
                }
                Err(error) => {
                    tracing::warn!(session = %live.id(), error = error.chain(), "open the name server of a session");
                }
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
