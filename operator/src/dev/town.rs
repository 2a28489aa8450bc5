//! The cluster itself: an authority, the agent of `photos`, the service, and alice, who may call it.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    time::Duration,
};

use anyhow::{anyhow, bail};
use cattery_authority::config;
use cattery_core::{ServiceName, UserName};
use cattery_proto::v1;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{Args, authority, parts::Parts, place::Place, upstream::Upstream};
use crate::{
    authority::Session,
    clock,
    commands::{api_key, service},
    home::{AgentFile, Home},
    user_keys,
};

/// The service.
pub(super) const SERVICE: &str = "photos";
/// The user, without `user/`.
const USER: &str = "alice";
/// How long the agent may take to get its keys: a call to an authority in the same process.
const READY: Duration = Duration::from_secs(20);

/// All of it, running.
pub(super) struct Town<'p> {
    pub(super) place: &'p Place,
    pub(super) home: Home,
    /// Whether it was made just now.
    pub(super) is_new: bool,
    authority: &'p cattery_authority::app::Running,
    agent: &'p mut cattery_agent::Running,
    upstream: &'p mut Upstream,
}

impl<'p> Town<'p> {
    /// Makes what is not there yet, and starts it all, into `parts`. `None` where `stop` came first.
    pub(super) async fn start(
        parts: &'p mut Parts,
        place: &'p Place,
        args: &Args,
        stop: &CancellationToken,
    ) -> anyhow::Result<Option<Self>> {
        let home = Home::at(&place.home());
        let is_new = !place.authority().join(config::FILE).exists();
        let authority = if is_new {
            authority::found(place, &home, args.authority_port).await?
        } else {
            authority::start(place, args.authority_port).await?
        };
        let authority = &*parts.authority.insert(authority);
        if stop.is_cancelled() {
            return Ok(None);
        }
        let mut session = open_session(place, &home).await?;
        let agent = start_agent(place, &mut session, args.http_port).await?;
        let agent = parts.agent.insert(agent);
        if stop.is_cancelled() {
            return Ok(None);
        }
        let port = args.upstream_port.unwrap_or(0);
        let upstream = Upstream::start(SERVICE, &place.socket(), port).await?;
        let upstream = parts.upstream.insert(upstream);
        home.change()?.keep_agent(&AgentFile {
            socket: place.socket(),
        })?;
        if stop
            .run_until_cancelled(wait_ready(agent))
            .await
            .transpose()?
            .is_none()
        {
            return Ok(None);
        }
        admit_user(&home, &mut session).await?;
        Ok(Some(Self {
            place,
            home,
            is_new,
            authority,
            agent,
            upstream,
        }))
    }

    pub(super) fn authority_addr(&self) -> SocketAddr {
        self.authority.local_addr()
    }

    pub(super) fn forward_auth(&self) -> String {
        format!("http://{}/auth", self.agent.http_addr())
    }

    pub(super) fn upstream_addr(&self) -> SocketAddr {
        self.upstream.addr()
    }

    pub(super) fn socket(&self) -> &Path {
        self.agent.socket()
    }

    /// Waits until a part of it can go on no longer, which is not meant to happen.
    pub(super) async fn broken(&mut self) -> anyhow::Error {
        tokio::select! {
            why = self.agent.broken() => anyhow!("the agent broke: {why}"),
            () = self.authority.failed() => anyhow!("the authority broke: run again with -v to see why"),
            () = self.upstream.ended() => anyhow!("the service broke: run again with -v to see why"),
        }
    }
}

/// The operator's connection. Their certificate is made new each time, for as long as it can be: nobody else could let them
/// in again.
async fn open_session(place: &Place, home: &Home) -> anyhow::Result<Session> {
    if let Some(operator) = home.operator()?
        && operator.not_after <= clock::now()
    {
        bail!(
            "the cluster in {} has lain too long, and its operator's certificate has ended: remove that directory, or use \
             another --dir",
            place.dir().display()
        );
    }
    Session::open_renewed(home).await
}

async fn start_agent(
    place: &Place,
    session: &mut Session,
    port: Option<u16>,
) -> anyhow::Result<cattery_agent::Running> {
    let service: ServiceName = SERVICE.parse()?;
    let mut config = cattery_agent::Config::new(&place.agent());
    config.socket = place.socket();
    config.http = (Ipv4Addr::LOCALHOST, port.unwrap_or(0)).into();
    // Whoever started this may sign as the service, and verify in processes of their own.
    config.mint.uids.push(rustix::process::geteuid().as_raw());
    config
        .in_process
        .uids
        .push(rustix::process::geteuid().as_raw());
    config.header_facts = cattery_agent::HeaderFacts::XForwarded;
    let services = session
        .admin
        .list_services(v1::ListServicesRequest {})
        .await;
    let services = services
        .map_err(|status| session.refused(&status))?
        .into_inner()
        .services;
    if !services.iter().any(|known| known.name == SERVICE) {
        let request = v1::AddServiceRequest {
            name: SERVICE.to_owned(),
        };
        let answer = session.admin.add_service(request).await;
        answer.map_err(|status| session.refused(&status))?;
    }
    // An agent that has enrolled comes back with the certificate that it keeps, while that is good.
    let join_token = match config.needs_join_token() {
        true => Some(service::join_token(session, &service, 0).await?),
        false => None,
    };
    let text = join_token.as_ref().map(|made| made.text.as_str());
    match cattery_agent::App::start(config, text).await {
        Err(cattery_agent::StartError::Listen { address, why, .. }) => bail!(
            "the agent cannot listen on {address} ({why}): choose another --http-port, or leave it away"
        ),
        other => Ok(other?),
    }
}

async fn wait_ready(agent: &cattery_agent::Running) -> anyhow::Result<()> {
    let end = Instant::now() + READY;
    while !agent.is_ready() {
        if Instant::now() > end {
            bail!(
                "the agent of {SERVICE} got no keys within {} s: run again with -v",
                READY.as_secs()
            );
        }
        sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

/// alice, with a grant, at home in `home`; whatever of it somebody took away is given again.
async fn admit_user(home: &Home, session: &mut Session) -> anyhow::Result<()> {
    let user: UserName = USER.parse()?;
    let service: ServiceName = SERVICE.parse()?;
    let users = session.admin.list_users(v1::ListUsersRequest {}).await;
    let users = users
        .map_err(|status| session.refused(&status))?
        .into_inner()
        .users;
    if !users
        .iter()
        .any(|known| known.name == USER && known.state == "active")
    {
        let answer = session
            .admin
            .add_user(v1::AddUserRequest {
                name: USER.to_owned(),
            })
            .await;
        answer.map_err(|status| session.refused(&status))?;
    }
    let principal = format!("user/{USER}");
    let asked = v1::ListGrantsRequest {
        principal: principal.clone(),
        service: SERVICE.to_owned(),
    };
    let grants = session.admin.list_grants(asked).await;
    let grants = grants
        .map_err(|status| session.refused(&status))?
        .into_inner()
        .grants;
    if grants.is_empty() {
        let request = v1::AddGrantRequest {
            principal,
            service: SERVICE.to_owned(),
            ..Default::default()
        };
        let answer = session.admin.add_grant(request).await;
        answer.map_err(|status| session.refused(&status))?;
    }
    if home.user()?.is_some() && user_keys::renew(home, &service).await.is_ok() {
        return Ok(());
    }
    let made = api_key::create(session, &user, 0, Vec::new()).await?;
    user_keys::login(home, &made.text).await.map(drop)
}
