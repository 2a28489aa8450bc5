//! Proxies that ask by forward-auth, each a real one with the configuration that this project ships.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    path::Path,
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::{ports, process::Process, programs::installed, shipped, wait};

/// Which one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `deploy/nginx`, with Debian's nginx.
    Nginx,
    /// `deploy/haproxy`, with Debian's HAProxy.
    Haproxy,
    /// `deploy/caddy`.
    Caddy,
}

/// Where the shipped configurations look for the agent, for clients and for the service.
const SOCKET: &str = "/run/cattery/photos-http.sock";
const LISTEN: &str = "127.0.0.1:8080";
const SERVICE: &str = "127.0.0.1:9000";

/// One that runs.
pub struct Proxy {
    /// Where clients come in.
    pub addr: SocketAddr,
    /// The process.
    pub process: Process,
}

impl Proxy {
    /// Starts it in a folder of its own.
    ///
    /// # Errors
    /// Where the shipped file lacks one of the places to change, or the program does not start.
    pub fn start(kind: Kind, folder: &Path, agent: &Path, service: SocketAddr) -> Result<Self> {
        let addr = ports::free()?;
        let folder = folder.join("proxy");
        fs::create_dir(&folder)?;
        let agent = agent.to_str().context("a path in UTF-8")?;
        let (listen, service) = (addr.to_string(), service.to_string());
        let places = [(SOCKET, agent), (LISTEN, &listen), (SERVICE, &service)];
        let command = match kind {
            Kind::Nginx => nginx(&folder, places)?,
            Kind::Haproxy => haproxy(&folder, places)?,
            Kind::Caddy => caddy(&folder, agent, &service, addr)?,
        };
        let mut process = Process::start("proxy", command, &folder, None)?;
        wait::until("the proxy listens", || {
            process.expect_running()?;
            Ok(TcpStream::connect(addr).ok().map(drop))
        })?;
        Ok(Self { addr, process })
    }
}

/// The comment at the top of each file names the socket, too: in what the agent's configuration has.
fn socket(before: &str, socket: &str, after: &str) -> String {
    format!("{before}{socket}{after}")
}

fn nginx(folder: &Path, places: [(&str, &str); 3]) -> Result<Command> {
    let [(from, to), listen, service] = places;
    let (from, to) = (
        socket("server unix:", from, " "),
        socket("server unix:", to, " "),
    );
    let site = shipped::changed(
        "nginx/cattery.conf",
        [(&from[..], &to[..]), listen, service],
    )?;
    fs::write(folder.join("cattery.conf"), site)?;
    // What a distribution's nginx.conf has round it: here, one that needs no rights.
    let round = "pid nginx.pid;\nevents {}\nhttp {\n    access_log off;\n\
        client_body_temp_path body;\n    proxy_temp_path proxy;\n    fastcgi_temp_path fastcgi;\n\
        uwsgi_temp_path uwsgi;\n    scgi_temp_path scgi;\n    include cattery.conf;\n}\n";
    fs::write(folder.join("nginx.conf"), round)?;
    let mut command = Command::new("nginx");
    // One process, so that none is left behind.
    command.args(["-g", "daemon off; master_process off;", "-e", "stderr"]);
    command.arg("-p").arg(folder).args(["-c", "nginx.conf"]);
    Ok(command)
}

fn haproxy(folder: &Path, places: [(&str, &str); 3]) -> Result<Command> {
    let [(from, to), listen, service] = places;
    let (from, to) = (socket("unix@", from, " "), socket("unix@", to, " "));
    let lua = folder.join("cattery.lua");
    fs::write(&lua, shipped::changed("haproxy/cattery.lua", [])?)?;
    let lua = lua.to_str().context("a path in UTF-8")?;
    let changes = [
        (&from[..], &to[..]),
        listen,
        service,
        ("/etc/haproxy/cattery.lua", lua),
    ];
    let file = folder.join("haproxy.cfg");
    fs::write(&file, shipped::changed("haproxy/haproxy.cfg", changes)?)?;
    let mut command = Command::new("haproxy");
    command.arg("-db").arg("-f").arg(file);
    Ok(command)
}

fn caddy(folder: &Path, agent: &str, service: &str, addr: SocketAddr) -> Result<Command> {
    let (from, to) = (socket("unix/", SOCKET, " {"), socket("unix/", agent, " {"));
    let site = format!("http://:{} {{", addr.port());
    let changes = [
        (&from[..], &to[..]),
        ("http://:8080 {", &site),
        (SERVICE, service),
    ];
    let file = folder.join("Caddyfile");
    fs::write(&file, shipped::changed("caddy/Caddyfile", changes)?)?;
    let mut command = Command::new(installed("caddy/caddy")?);
    command.arg("run").arg("--config").arg(file);
    let admin = format!("unix/{}", folder.join("admin.sock").display());
    command.env("HOME", folder).env("CADDY_ADMIN", admin);
    command.env_remove("XDG_CONFIG_HOME");
    command.env_remove("XDG_DATA_HOME");
    Ok(command)
}
