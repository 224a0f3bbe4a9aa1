//! Instances of a session come and go while it runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use sandlot_runtime::supervisor::name::{Hostname, InstanceIndex};
use sandlot_runtime::supervisor::protocol::{Command, Machine, SessionState as BackendState};

use super::Sessions;
use super::live::{InstanceState, Live, LiveInstance};
use super::start::{machine, row_of};
use super::view::InstanceView;
use crate::auth::access::Owner;
use crate::config::playground::Playground;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{InstanceName, PlaygroundName};

/// An instance that is asked for.
#[derive(Debug, Clone, Default)]
pub struct NewInstance {
    /// One of the images of the playground; that of its first machines if none is named.
    pub image: Option<String>,
    /// A name beside that of its number.
    pub hostname: Option<Hostname>,
}

impl Sessions {
    /// Adds an instance to the owner's session. It is carried to its end even if the caller no longer waits.
    ///
    /// # Errors
    /// When the session is full or has ended, the name is taken, the image is none of the playground's, or the backend fails.
    pub async fn add_instance(&self, owner: &Owner, new: NewInstance) -> Result<InstanceView> {
        let live = self.running(owner)?;
        let playground = self.playground_of(&live)?;
        let image = new.image.unwrap_or_else(|| playground.image.clone());
        let offered = playground.instances.iter().map(|planned| &planned.image).chain([&playground.image]);
        if !offered.into_iter().any(|offered| *offered == image) {
            let sentence = format!("The playground {} has no image {image}.", playground.name);
            return Err(Error::new(ErrorKind::Invalid, sentence));
        }
        let layers = self.parts().images.layers(&image)?;
        super::room::check(&self.parts().config.state_dir)?;
        let index = live.seat_instance(playground.max_instances, new.hostname.as_ref())?;
        let (sessions, own) = (self.clone(), Arc::clone(&live));
        let work = async move {
            let machine = machine(&playground, layers, index, new.hostname)?;
            let added = sessions.carry_out_addition(&own, &machine, &image).await;
            if added.is_err() {
                sessions.forget_instance(&own, index).await;
            }
            added
        };
        self.parts().shutdown.spawn_to_end(work).await.map_err(Error::internal)??;
        let parts = live.parts();
        let added = parts.instances.get(&index).ok_or_else(|| Error::not_found("instance"))?;
        Ok(InstanceView::of(&live, index, added))
    }

    /// The playground of a session, as long as the operator offers it.
    fn playground_of(&self, live: &Live) -> Result<Playground> {
        let name: Option<PlaygroundName> = live.playground().parse().ok();
        let found = name.and_then(|name| self.parts().config.playgrounds.get(&name).cloned());
        found.ok_or_else(|| {
            let sentence = "The playground of this session is offered no more: nothing can be added to it.";
            Error::new(ErrorKind::Conflict, sentence)
        })
    }

    async fn carry_out_addition(&self, live: &Arc<Live>, machine: &Machine, image: &str) -> Result<()> {
        let (db, id) = (&self.parts().db, live.id().as_str());
        if !db.insert_instance(id, &row_of(machine, image)).await? {
            return Err(Error::new(ErrorKind::Ended, "This session has ended."));
        }
        self.parts().backend.add_instance(live.number(), machine.clone()).await?;
        live.zone().add(machine.index, machine.hostname.clone());
        self.add_ports(live, machine.index);
        self.set_instance(live, machine.index, InstanceState::Running);
        Ok(())
    }

    /// Removes an instance and everything on it.
    ///
    /// # Errors
    /// When the session has ended, there is no such instance, it is starting, or the backend fails.
    pub async fn remove_instance(&self, owner: &Owner, instance: InstanceName) -> Result<()> {
        let live = self.running(owner)?;
        if live.parts().instances.len() == 1 && live.instance_state(instance.index()).is_some() {
            let sentence = "A session keeps its last machine. Close the session instead.";
            return Err(Error::new(ErrorKind::Conflict, sentence));
        }
        let before = live.change_instance(instance, InstanceState::Removing)?;
        let (sessions, index) = (self.clone(), instance.index());
        let work = async move {
            let removed = sessions.parts().backend.remove_instance(live.number(), index).await;
            match removed {
                Ok(()) => sessions.forget_instance(&live, index).await,
                Err(_) => live.set_instance(index, before),
            }
            removed
        };
        self.parts().shutdown.spawn_to_end(work).await.map_err(Error::internal)?
    }

    async fn forget_instance(&self, live: &Live, index: InstanceIndex) {
        live.zone().remove(index);
        self.remove_ports(live, index);
        if let Err(error) = self.parts().db.drop_instance(live.id().as_str(), index.get()).await {
            tracing::warn!(session = %live.id(), %error, "drop the row of an instance");
        }
        live.parts().instances.remove(&index);
    }

    /// Makes rows and backend agree on the instances of an adopted session: what only one of them has goes.
    pub(super) async fn settle_instances(&self, live: &Arc<Live>, state: &BackendState) -> Result<()> {
        let known: BTreeMap<InstanceIndex, LiveInstance> = live.parts().instances.clone();
        for row in self.parts().db.instances(live.id().as_str()).await? {
            let index = InstanceIndex::try_from(row.place).map_err(Error::internal)?;
            match known.get(&index) {
                Some(instance) => self.set_instance(live, index, instance.state),
                None => self.parts().db.drop_instance(live.id().as_str(), row.place).await?,
            }
        }
        for held in state.instances.iter().filter(|held| !known.contains_key(&held.instance)) {
            self.parts().backend.remove_instance(live.number(), held.instance).await?;
        }
        Ok(())
    }

    /// Lets the commands of a playground run in the instances that have some.
    pub(super) fn run_start_commands(&self, live: &Arc<Live>, playground: &Playground) {
        for (place, planned) in (0..).zip(&playground.instances) {
            let (Some(start), Ok(index)) = (&planned.start, InstanceIndex::try_from(place)) else { continue };
            let (sessions, live, command) = (self.clone(), Arc::clone(live), start_command(start));
            self.parts().shutdown.spawn_to_end(async move {
                let number = live.next_exec();
                let started = sessions.parts().backend.exec(live.number(), index, number, command).await;
                if let Err(error) = started {
                    tracing::warn!(session = %live.id(), error = error.chain(), "run the start command of an instance");
                }
            });
        }
    }
}

/// What it prints is in a file, for whoever wonders.
fn start_command(text: &str) -> Command {
    let script = format!("exec >/tmp/start.log 2>&1 </dev/null\n{text}");
    Command { argv: vec!["sh".to_owned(), "-c".to_owned(), script], ..Command::default() }
}

impl Live {
    /// Takes the lowest free place for one more instance.
    fn seat_instance(&self, most: u8, hostname: Option<&Hostname>) -> Result<InstanceIndex> {
        let mut parts = self.parts();
        if parts.instances.len() >= usize::from(most) {
            let sentence =
                format!("This session has {most} machines, as many as it may have. Remove one first.");
            return Err(Error::new(ErrorKind::Conflict, sentence));
        }
        if let Some(name) = hostname
            && (InstanceName::is_taken(name) || parts.instances.values().any(|other| other.hostname == *name))
        {
            let sentence = format!("The name {} is taken in this session.", name.as_str());
            return Err(Error::new(ErrorKind::Conflict, sentence));
        }
        let mut places = (0..InstanceIndex::COUNT).filter_map(|place| InstanceIndex::try_from(place).ok());
        let free = places.find(|index| !parts.instances.contains_key(index));
        let index = free.ok_or_else(|| Error::new(ErrorKind::Full, "This session is full."))?;
        let by_number = || Hostname::try_from(InstanceName::from(index).hostname()).map_err(Error::internal);
        let hostname = hostname.cloned().map_or_else(by_number, Ok)?;
        parts.instances.insert(index, LiveInstance { state: InstanceState::Starting, hostname });
        Ok(index)
    }

    /// Takes an instance from one use to another; returns what it was. While it comes or goes nothing else may begin.
    pub(super) fn change_instance(&self, name: InstanceName, state: InstanceState) -> Result<InstanceState> {
        let mut parts = self.parts();
        let instance = parts.instances.get_mut(&name.index()).ok_or_else(|| Error::not_found("instance"))?;
        match instance.state {
            before @ (InstanceState::Running | InstanceState::Stopped) => {
                instance.state = state;
                Ok(before)
            }
            other => {
                let sentence = format!("{name} is {} at the moment. Try again.", other.as_str());
                Err(Error::new(ErrorKind::Conflict, sentence))
            }
        }
    }
}
