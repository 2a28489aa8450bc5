//! The cluster itself: an authority, the agent of `photos`, the service, and alice, who may call it.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    time::Duration,
};

use anyhow::{Context as _, anyhow, bail};
use cattery_authority::{config, init::InitUnseal};
use cattery_core::{ServiceName, UserName};
use cattery_proto::v1;
use tokio::time::{Instant, sleep};

use super::{Args, place::Place, upstream::Upstream};
use crate::{
    authority::Session,
    clock,
    commands::{api_key, init, service},
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
    authority: cattery_authority::app::Running,
    agent: cattery_agent::Running,
    upstream: Upstream,
}

impl<'p> Town<'p> {
    /// Makes what is not there yet, and starts it all.
    pub(super) async fn start(place: &'p Place, args: &Args) -> anyhow::Result<Self> {
        let home = Home::at(&place.home());
        let is_new = !place.authority().join(config::FILE).exists();
        if is_new {
            found(place, &home, args.authority_port).await?;
        }
        let authority = start_authority(place, args.authority_port).await?;
        let mut session = Session::open(&home).await?;
        let agent = start_agent(place, &mut session, args.http_port).await?;
        let upstream =
            Upstream::start(SERVICE, &place.socket(), args.upstream_port.unwrap_or(0)).await?;
        home.keep_agent(&AgentFile {
            socket: place.socket(),
        })?;
        wait_ready(&agent).await?;
        admit_user(&home, &mut session).await?;
        Ok(Self {
            place,
            home,
            is_new,
            authority,
            agent,
            upstream,
        })
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
        }
    }

    /// Callers first, then those whom they ask.
    pub(super) async fn stop(self) {
        self.upstream.shutdown().await;
        self.agent.shutdown().await;
        self.authority.shutdown().await;
    }
}

/// A new cluster. Its address has to last as long as it does, for all who come know it: so a free port is chosen now.
async fn found(place: &Place, home: &Home, port: Option<u16>) -> anyhow::Result<()> {
    let port = match port {
        Some(port) if port != 0 => port,
        _ => free_port().context("there is no free port")?,
    };
    let new = init::NewCluster {
        dir: place.authority(),
        trust_domain: "dev.cattery.internal".to_owned(),
        listen: format!("127.0.0.1:{port}"),
        addresses: Vec::new(),
        unseal: InitUnseal::KeyFile(place.key_file()),
        operator: "root".to_owned(),
    };
    init::make(new, home).await.map(drop)
}

fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}

async fn start_authority(
    place: &Place,
    port: Option<u16>,
) -> anyhow::Result<cattery_authority::app::Running> {
    let config = config::Config::load(&place.authority())?;
    if let Some(port) =
        port.filter(|port| *port != 0 && !config.listen.ends_with(&format!(":{port}")))
    {
        bail!(
            "the cluster in {} was made with the authority at {}, where its agent and users look for it: leave \
             --authority-port {port} away, or use another --dir",
            place.dir().display(),
            config.listen
        );
    }
    Ok(cattery_authority::app::App::start(config, None).await?)
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
    let known = services.iter().find(|known| known.name == SERVICE);
    if known.is_none() {
        let request = v1::AddServiceRequest {
            name: SERVICE.to_owned(),
        };
        let answer = session.admin.add_service(request).await;
        answer.map_err(|status| session.refused(&status))?;
    }
    // An agent that has enrolled comes back with the certificate that it keeps.
    let join_token = if known.is_some_and(|known| known.agents > 0) {
        None
    } else {
        Some(service::join_token(session, &service, 0).await?)
    };
    let text = join_token.as_ref().map(|made| made.text.as_str());
    Ok(cattery_agent::App::start(config, text).await?)
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

/// alice, with a grant, at home in `home`.
async fn admit_user(home: &Home, session: &mut Session) -> anyhow::Result<()> {
    let user: UserName = USER.parse()?;
    let service: ServiceName = SERVICE.parse()?;
    if home.user()?.is_some() {
        return user_keys::key_for(home, &service, clock::now())
            .await
            .map(drop);
    }
    let users = session.admin.list_users(v1::ListUsersRequest {}).await;
    let users = users
        .map_err(|status| session.refused(&status))?
        .into_inner()
        .users;
    if !users.iter().any(|known| known.name == USER) {
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
    let made = api_key::create(session, &user, 0).await?;
    user_keys::login(home, &made.text).await.map(drop)
}
