//! Envoy in front of a service, with the configuration that is shipped.

mod facts;
mod grpc;
mod load;
mod passes;

use anyhow::Result;
use cattery_core::{Caveat, TokenSpec, UserKey};
use cattery_tests::{
    envoy::{self, Envoy},
    http::{self, Response},
    town::{self, Setting, Town},
    upstream::Upstream,
};

const CONFIG: &str = "http = \"127.0.0.1:0\"\next_authz = \"127.0.0.1:0\"\n[log]\nlevel = \"debug\"\nformat = \"json\"\n";

/// The service `photos` behind Envoy.
struct Place {
    town: Town,
    upstream: Upstream,
    envoy: Envoy,
}

impl Place {
    fn new(changes: &[(&str, &str)]) -> Result<Self> {
        let setting = Setting {
            agent: CONFIG.to_owned(),
            ..Setting::default()
        };
        let town = Town::with(&setting)?;
        let upstream = Upstream::start()?;
        let pipe = envoy::pipe(&town.agent.socket);
        let envoy = Envoy::start(town.folder(), &pipe, upstream.addr, changes)?;
        Ok(Self {
            town,
            upstream,
            envoy,
        })
    }

    /// GET with a token and more headers.
    fn get(&self, path: &str, token: &str, more: &[(&str, &[u8])]) -> Result<Response> {
        self.send("GET", path, token, more, b"")
    }

    fn send(
        &self,
        method: &str,
        path: &str,
        token: &str,
        more: &[(&str, &[u8])],
        body: &[u8],
    ) -> Result<Response> {
        let bearer = format!("Bearer {token}");
        let length = body.len().to_string();
        let mut headers = vec![("host", &b"photos.example"[..])];
        if !token.is_empty() {
            headers.push(("authorization", bearer.as_bytes()));
        }
        if !body.is_empty() {
            headers.push(("content-length", length.as_bytes()));
        }
        headers.extend_from_slice(more);
        http::send_with(self.envoy.addr, method, path, &headers, body)
    }
}

fn mint(key: &UserKey, caveats: &[Caveat<'_>]) -> Result<String> {
    let now = town::now()?;
    let mut token = String::new();
    let spec = TokenSpec {
        not_before: now,
        not_after: now + 120,
        token_id: rand::random(),
        caveats,
        ..TokenSpec::default()
    };
    key.mint(&spec, &mut token)?;
    Ok(token)
}

fn is(answer: &Response, status: u16, body: &str) -> Result<()> {
    anyhow::ensure!(
        answer.status == status && answer.body == body,
        "not {status} {body:?}: {answer:?}"
    );
    Ok(())
}
