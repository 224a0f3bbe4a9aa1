//! What is asked for on the command line: a session by the address of its page, and a port of one of its machines.

use std::net::SocketAddr;
use std::num::NonZeroU16;

use anyhow::{Result, bail, ensure};
use reqwest::Url;

use crate::auth::token::Token;

/// The address is a secret, so it is not repeated here.
const EXAMPLE: &str =
    "an address looks like https://HOST/s/SECRET: copy it whole from the menu of the session's page";

/// A session's page.
#[derive(Debug, Clone)]
pub(super) struct Target(Url);

impl Target {
    /// From what was typed.
    ///
    /// # Errors
    /// When it cannot be the address of a session.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let Ok(mut url) = text.trim().parse::<Url>() else {
            bail!("this is no address of a session: {EXAMPLE}");
        };
        ensure!(
            matches!(url.scheme(), "http" | "https"),
            "an address of a session begins with http:// or https://: {EXAMPLE}"
        );
        let token = url.path().strip_prefix("/s/").map(|rest| rest.trim_end_matches('/'));
        ensure!(
            token.is_some_and(|token| Token::presented(token).is_some()),
            "this is not the address of a session, or it is cut off: {EXAMPLE}"
        );
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        url.set_query(None);
        url.set_fragment(None);
        Ok(Self(url))
    }

    /// The page itself.
    pub(super) fn page(&self) -> Url {
        self.0.clone()
    }

    /// Where a port of a machine is reached.
    pub(super) fn port(&self, instance: &str, port: NonZeroU16) -> Url {
        let mut url = self.page();
        url.set_path(&format!("{}/connect", self.0.path()));
        url.query_pairs_mut().append_pair("instance", instance).append_pair("port", &port.to_string());
        url
    }

    /// Host and port, for messages.
    pub(super) fn place(&self) -> String {
        let port = self.0.port_or_known_default().unwrap_or_default();
        format!("{}:{port}", self.0.host_str().unwrap_or_default())
    }
}

/// A port of a machine.
pub(super) fn port(text: &str) -> Result<NonZeroU16, String> {
    text.parse().map_err(|_| "a port is a number from 1 to 65535".to_owned())
}

/// An address of this computer.
pub(super) fn listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "write an address and a port, such as 127.0.0.1:5432".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "abcdefghijklmnopqrstuvwxyz1";

    #[test]
    fn what_is_no_address_is_told_apart_and_not_repeated() {
        for (text, word) in [
            ("nonsense", "no address"),
            ("", "no address"),
            (&format!("play.example.org/s/{SECRET}"), "no address"),
            (&format!("ftp://play.example.org/s/{SECRET}"), "begins with http"),
            ("https://play.example.org/", "cut off"),
            (&format!("https://play.example.org/s/{}", &SECRET[1..]), "cut off"),
        ] {
            let said = Target::parse(text).unwrap_err().to_string();
            assert!(said.contains(word) && said.contains("https://HOST/s/SECRET"), "{text}: {said}");
            assert!(!said.contains(&SECRET[1..]), "{said}");
        }
    }

    #[test]
    fn a_page_leads_to_its_ports() {
        let target = Target::parse(&format!(" http://localhost:8080/s/{SECRET}/?a#b ")).unwrap();
        assert_eq!(target.place(), "localhost:8080");
        let port = target.port("m 2", port("22").unwrap());
        assert_eq!(port.as_str(), format!("http://localhost:8080/s/{SECRET}/connect?instance=m+2&port=22"));
        assert!(super::port("0").is_err() && super::port("70000").is_err() && listen("8080").is_err());
    }
}
