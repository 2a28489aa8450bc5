//! The pages about proxies, pasted into a shell from the first command to the last.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result, ensure};
use cattery_tests::{
    page::{Block, Shell, blocks, keeps_its_promise},
    ports,
    programs::{Program, installed},
    town::Folder,
};

use crate::say;

/// The story's own ports in place of those that everybody would take.
fn ports() -> Result<Vec<(&'static str, String)>> {
    let ports = ["7443", "8080", "9000"];
    let own = |port| Ok((port, ports::free()?.port().to_string()));
    ports.into_iter().map(own).collect()
}

/// A shell in the folder that finds all programs.
fn shell(folder: &Path) -> Result<Command> {
    let mut path = String::new();
    for program in [
        Program::Cli.path()?,
        installed("caddy/caddy")?,
        installed("envoy/envoy")?,
    ] {
        let folder = program.parent().context("a program lies in a folder")?;
        path += &format!("{}:", folder.display());
    }
    path += &std::env::var("PATH")?;
    let mut command = Command::new("sh");
    command.env("PATH", path).current_dir(folder);
    command.env("HOME", folder);
    command.env("CATTERY_HOME", folder.join("home"));
    command.env(
        "CADDY_ADMIN",
        format!("unix/{}/admin.sock", folder.display()),
    );
    command.env_remove("CATTERY_AGENT_SOCKET");
    command.env_remove("XDG_CONFIG_HOME");
    command.env_remove("XDG_DATA_HOME");
    Ok(command)
}

/// Follows a page. `files` are what it takes of `deploy/`.
fn follow(page: &str, files: &[&str]) -> Result<()> {
    let folder = Folder::new()?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let ports = ports()?;
    let here = |text: &str| {
        let mut text = text.replace("/tmp/cattery", &format!("{}/c", folder.path().display()));
        for (port, own) in &ports {
            text = text.replace(port, own);
        }
        text
    };
    for file in files {
        let path = folder.path().join("deploy").join(file);
        fs::create_dir_all(path.parent().context("it has a folder")?)?;
        fs::write(
            path,
            here(&fs::read_to_string(root.join("deploy").join(file))?),
        )?;
    }
    let first = here(&fs::read_to_string(root.join("docs/proxies/README.md"))?);
    let page = here(&fs::read_to_string(root.join("docs/proxies").join(page))?);
    let first = blocks(&first);
    let start = first.iter().find(|block| block.language == "sh");
    let steps: Vec<Block<'_>> = start.into_iter().copied().chain(blocks(&page)).collect();

    let (mut shells, mut said, mut kept) = (Vec::new(), String::new(), 0);
    for (number, step) in steps.iter().enumerate() {
        match step.language {
            "sh" => {
                let log = folder.path().join(format!("step-{number}.log"));
                let (shell, output) = Shell::run(shell(folder.path())?, step.text, &log)?;
                say(&format!("$ {}\n{output}", step.text));
                shells.push(shell);
                said = output;
            }
            "text" => {
                keeps_its_promise(step.text, &said.replace('\r', ""))?;
                kept += 1;
            }
            other => anyhow::bail!("nobody knows what to do with {other}"),
        }
    }
    ensure!(shells.len() == 4 && kept == 2, "{steps:?}");
    Ok(())
}

#[test]
fn nginx_starts_as_its_page_says() -> Result<()> {
    follow("nginx.md", &["nginx/cattery.conf"])
}

#[test]
fn haproxy_starts_as_its_page_says() -> Result<()> {
    follow(
        "haproxy.md",
        &["haproxy/haproxy.cfg", "haproxy/cattery.lua"],
    )
}

#[test]
fn caddy_starts_as_its_page_says() -> Result<()> {
    follow("caddy.md", &["caddy/Caddyfile"])
}

#[test]
fn envoy_starts_as_its_page_says() -> Result<()> {
    follow("envoy.md", &["envoy/envoy.yaml"])
}
