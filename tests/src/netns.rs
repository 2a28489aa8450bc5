//! A network namespace that is joined to ours by one virtual cable, which can be cut.

use std::{net::Ipv4Addr, process::Command};

use anyhow::{Context as _, Result, ensure};

/// The namespace. Dropped, it is gone with its cable.
pub struct Namespace {
    name: String,
    cable: String,
    /// This side's address.
    pub host: Ipv4Addr,
    /// The other side's address.
    pub inside: Ipv4Addr,
}

impl Namespace {
    /// A namespace whose only routes are loopback and the cable.
    ///
    /// # Errors
    /// Where `ip` is missing or not allowed.
    pub fn new() -> Result<Self> {
        // Another run may have been killed and left its own.
        let [net, high, low, ..] = rand::random::<u32>().to_be_bytes();
        let id = rand::random::<u32>();
        // 198.18.0.0/15 is set aside for tests of network devices (RFC 2544): nobody routes it.
        let address = |last| Ipv4Addr::new(198, 18 + (net & 1), high, low & 0xfc | last);
        let (host, inside) = (address(1), address(2));
        let namespace = Self {
            name: format!("cattery-{id:08x}"),
            cable: format!("cat{id:08x}"),
            host,
            inside,
        };
        let (name, cable) = (&namespace.name, &namespace.cable);
        let peer = format!("{cable}p");
        ip(&["netns", "add", name])?;
        ip(&[
            "link", "add", cable, "type", "veth", "peer", "name", &peer, "netns", name,
        ])?;
        ip(&["addr", "add", &format!("{host}/30"), "dev", cable])?;
        ip(&["link", "set", cable, "up"])?;
        ip(&[
            "-n",
            name,
            "addr",
            "add",
            &format!("{inside}/30"),
            "dev",
            &peer,
        ])?;
        ip(&["-n", name, "link", "set", &peer, "up"])?;
        ip(&["-n", name, "link", "set", "lo", "up"])?;
        Ok(namespace)
    }

    /// The same command, run inside.
    pub fn wrap(&self, command: &Command) -> Command {
        let mut wrapped = Command::new("ip");
        wrapped
            .args(["netns", "exec", &self.name])
            .arg(command.get_program())
            .args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => wrapped.env(name, value),
                None => wrapped.env_remove(name),
            };
        }
        wrapped
    }

    /// Pulls the cable out: packets are lost, and nobody is told.
    ///
    /// # Errors
    /// Where `ip` fails.
    pub fn unplug(&self) -> Result<()> {
        self.set("down")
    }

    /// Puts it back.
    ///
    /// # Errors
    /// Where `ip` fails.
    pub fn plug(&self) -> Result<()> {
        self.set("up")
    }

    fn set(&self, state: &str) -> Result<()> {
        let peer = format!("{}p", self.cable);
        ip(&["-n", &self.name, "link", "set", &peer, state])?;
        Ok(())
    }

    /// Cuts the cable, and checks that no route but loopback is left.
    ///
    /// # Errors
    /// Where one is.
    pub fn cut(&self) -> Result<()> {
        ip(&["link", "del", &self.cable])?;
        for family in ["-4", "-6"] {
            let routes = ip(&[family, "-n", &self.name, "route", "show"])?;
            ensure!(routes.trim().is_empty(), "routes are left: {routes}");
        }
        let links = ip(&["-n", &self.name, "-o", "link", "show"])?;
        ensure!(
            links
                .lines()
                .all(|line| line.contains(": lo:") || !line.contains("UP")),
            "links are left: {links}"
        );
        Ok(())
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = ip(&["netns", "del", &self.name]);
        let _ = ip(&["link", "del", &self.cable]);
    }
}

fn ip(args: &[&str]) -> Result<String> {
    let output = Command::new("ip")
        .args(args)
        .output()
        .context("starting ip: install it (apt-get install iproute2)")?;
    ensure!(
        output.status.success(),
        "ip {}: {} (it needs root, or CAP_NET_ADMIN and CAP_SYS_ADMIN)",
        args.join(" "),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8(output.stdout)?)
}
