//! What the owner changes of a port.

use super::{Setting, Visibility};
use crate::auth::access::Owner;
use crate::config::limits;
use crate::error::{Error, ErrorKind, Result};
use crate::id::InstanceName;
use crate::session::Sessions;

/// A change; what is not given stays.
#[derive(Debug, Clone, Copy, Default)]
pub struct Change {
    /// Who may reach the port.
    pub visibility: Option<Visibility>,
    /// Requests are told to be for `localhost:<port>`.
    pub rewrites_host: Option<bool>,
}

impl Sessions {
    /// Changes what a port of the owner's session is, whether something listens there or not.
    ///
    /// # Errors
    /// When the session has ended, has no such instance, or its instances have too many such ports.
    pub async fn change_port(
        &self,
        owner: &Owner,
        instance: InstanceName,
        port: u16,
        change: Change,
    ) -> Result<Setting> {
        let ports = self.ports_of(owner, instance)?;
        let before = ports.setting(port);
        let setting = Setting {
            visibility: change.visibility.unwrap_or(before.visibility),
            rewrites_host: change.rewrites_host.unwrap_or(before.rewrites_host),
        };
        let (session, place) = (owner.session().as_str(), instance.index().get());
        let (visibility, rewrites) = (setting.visibility.as_str(), setting.rewrites_host);
        let most = limits::PORT_SETTINGS;
        if !self.parts().db.set_port(session, place, port, visibility, rewrites, most).await? {
            let sentence = "This instance has as many ports with a setting of their own as it may.";
            return Err(Error::new(ErrorKind::Full, sentence));
        }
        ports.set(port, setting);
        if setting.visibility != before.visibility {
            self.shared.port_access.forget(&ports, port);
        }
        Ok(setting)
    }
}
