//! nginx, HAProxy and Caddy in front of a service, with the configurations that are shipped: for each of them one story, of the same
//! chapters.

mod outages;
mod pages;
mod passes;
mod paths;
mod smuggled;

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use cattery_core::{Caveat, TokenSpec, UserKey};
use cattery_tests::{
    http::{self, Response},
    proxy::{Kind, Proxy},
    town::{self, Folder, Setting, Town},
    upstream::Upstream,
};

const HOST: &str = "photos.example";

/// The service `photos` behind a proxy.
struct Place {
    kind: Kind,
    town: Town,
    key: UserKey,
    upstream: Upstream,
    proxy: Proxy,
    _socket: Folder,
}

impl Place {
    fn new(kind: Kind) -> Result<Self> {
        let folder = Folder::new()?;
        let socket = folder.path().join("http.sock");
        let setting = Setting {
            agent: config(&socket),
            ..Setting::default()
        };
        let town = Town::with(&setting)?;
        let upstream = Upstream::start()?;
        let proxy = Proxy::start(kind, town.folder(), &socket, upstream.addr)?;
        Ok(Self {
            kind,
            key: town.key()?,
            town,
            upstream,
            proxy,
            _socket: folder,
        })
    }

    /// A request for [`HOST`], with a token unless that is empty, and more headers.
    fn send(
        &self,
        method: &str,
        target: &str,
        token: &str,
        more: &[(&str, &[u8])],
    ) -> Result<Response> {
        let bearer = format!("Bearer {token}");
        let mut headers = vec![("host", HOST.as_bytes())];
        if !token.is_empty() {
            headers.push(("authorization", bearer.as_bytes()));
        }
        headers.extend_from_slice(more);
        http::send(self.proxy.addr, method, target, &headers)
    }

    fn get(&self, target: &str, token: &str) -> Result<Response> {
        self.send("GET", target, token, &[])
    }

    /// A refusal of which the service hears nothing.
    fn refuses(&self, answer: &Response, status: u16) -> Result<()> {
        ensure!(answer.status == status, "not {status}: {answer:?}");
        ensure!(self.upstream.count() == 0, "{:?}", self.upstream.take());
        Ok(())
    }

    /// The agent's log.
    fn log(&self) -> Result<String> {
        Ok(self.town.agent.process.as_ref().context("it runs")?.err())
    }
}

fn config(socket: &Path) -> String {
    format!(
        "http = \"127.0.0.1:0\"\nhttp_socket = \"{}\"\n\
         [forward_auth]\nfacts = \"x-forwarded\"\n\
         [log]\nlevel = \"trace\"\n",
        socket.display()
    )
}

fn mint(key: &UserKey, caveats: &[Caveat<'_>]) -> Result<String> {
    let now = town::now()?;
    let mut token = String::new();
    let spec = TokenSpec {
        not_before: now,
        not_after: now + 300,
        token_id: rand::random(),
        caveats,
        ..TokenSpec::default()
    };
    key.mint(&spec, &mut token)?;
    Ok(token)
}

fn story(kind: Kind) -> Result<()> {
    let mut place = Place::new(kind)?;
    passes::the_service_learns_who_calls(&place)?;
    passes::refusals_say_what_the_agent_says(&place)?;
    passes::caveats_hold(&place)?;
    smuggled::nothing_gets_past(&place)?;
    paths::what_is_checked_is_what_the_service_gets(&place)?;
    outages::nothing_passes_without_an_agent(&mut place)
}

#[test]
fn nginx_asks_the_agent() -> Result<()> {
    story(Kind::Nginx)
}

#[test]
fn haproxy_asks_the_agent() -> Result<()> {
    story(Kind::Haproxy)
}

#[test]
fn caddy_asks_the_agent() -> Result<()> {
    story(Kind::Caddy)
}
