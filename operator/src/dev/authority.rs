//! The authority of a development cluster: a new one, or the one that is there.

use std::{
    fs, io,
    net::{Ipv4Addr, TcpListener},
    time::Duration,
};

use anyhow::{Context as _, anyhow, bail};
use cattery_authority::{
    app::{App, Running, StartError},
    config::{Config, ConfigError, StoreSettings},
    init::InitUnseal,
};

use super::place::Place;
use crate::{commands::init, home::Home};

/// Long enough that a cluster which is kept can lie idle between two times that it is tried out.
const CERTIFICATES: Duration = Duration::from_secs(5 * 365 * 86_400);
/// A free port can be gone again before the authority has it.
const TRIES: usize = 5;

/// Makes a cluster, and starts its authority. The address has to last as long as it does, for all who come know it: so a free
/// port is chosen now, and another one where somebody else was quicker.
pub(super) async fn found(
    place: &Place,
    home: &Home,
    port: Option<u16>,
) -> anyhow::Result<Running> {
    match port.filter(|port| *port != 0) {
        Some(port) => found_at(place, home, || Ok(port), 1).await,
        None => found_at(place, home, free_port, TRIES).await,
    }
}

async fn found_at(
    place: &Place,
    home: &Home,
    mut port: impl FnMut() -> io::Result<u16>,
    tries: usize,
) -> anyhow::Result<Running> {
    let mut tried = 0;
    loop {
        make(place, home, port().context("there is no free port")?).await?;
        let error = match App::start(config(place)?, None).await {
            Ok(running) => return Ok(running),
            Err(error) => error,
        };
        let dir = place.authority();
        fs::remove_dir_all(&dir)
            .with_context(|| format!("{} cannot be removed: remove it by hand", dir.display()))?;
        tried += 1;
        if tried >= tries || !is_in_use(&error) {
            return Err(explain(
                error,
                "choose another --authority-port, or leave it away",
            ));
        }
    }
}

/// Starts the authority that is there.
pub(super) async fn start(place: &Place, port: Option<u16>) -> anyhow::Result<Running> {
    let config = config(place)?;
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
    let started = App::start(config, None).await;
    started.map_err(|error| explain(error, "stop what listens there, or use another --dir"))
}

fn config(place: &Place) -> Result<Config, ConfigError> {
    let mut config = Config::load(&place.authority())?;
    config.agent_certificate_lifetime = CERTIFICATES;
    config.operator_certificate_lifetime = CERTIFICATES;
    Ok(config)
}

async fn make(place: &Place, home: &Home, port: u16) -> anyhow::Result<()> {
    // Of a cluster that was never finished.
    home.change()?.drop_operator()?;
    let new = init::NewCluster {
        store: StoreSettings::Embedded,
        dir: place.authority(),
        trust_domain: "dev.cattery.internal".to_owned(),
        listen: format!("127.0.0.1:{port}"),
        addresses: Vec::new(),
        unseal: InitUnseal::KeyFile(place.key_file()),
        operator: "root".to_owned(),
    };
    init::make(new, home).await.map(drop)
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}

fn is_in_use(error: &StartError) -> bool {
    matches!(error, StartError::Listen { source, .. } if source.kind() == io::ErrorKind::AddrInUse)
}

fn explain(error: StartError, remedy: &str) -> anyhow::Error {
    match error {
        StartError::Listen { address, source } => {
            anyhow!("the authority cannot listen on {address} ({source}): {remedy}")
        }
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_port_that_is_gone_again_is_no_failure() {
        let place = Place::claim(None).unwrap();
        let home = Home::at(&place.home());
        let holder = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let taken = holder.local_addr().unwrap().port();
        let ports = [taken, taken, free_port().unwrap()];
        let mut ports = ports.into_iter();
        let next = || ports.next().ok_or(io::ErrorKind::NotFound.into());
        let authority = found_at(&place, &home, next, TRIES).await.unwrap();
        assert_ne!(authority.local_addr().port(), taken);
        authority.shutdown().await;

        fs::remove_dir_all(place.authority()).unwrap();
        let refused = found_at(&place, &home, || Ok(taken), 2).await;
        let refused = refused.map(drop).unwrap_err().to_string();
        assert!(refused.contains("--authority-port"), "{refused}");
        assert!(!place.authority().exists());
        place.remove().unwrap();
    }
}
