//! The images and the Compose file. No container engine runs here: real linters read them.

use std::{path::Path, process::Command};

use anyhow::{Result, ensure};
use cattery_tests::programs::{installed, python_folder};

fn deploy(file: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../deploy")
        .join(file)
}

fn passes(command: &mut Command) -> Result<()> {
    let said = command.output()?;
    ensure!(
        said.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&said.stdout),
        String::from_utf8_lossy(&said.stderr)
    );
    Ok(())
}

#[test]
fn hadolint_finds_nothing_in_the_dockerfile() -> Result<()> {
    let hadolint = installed("hadolint/hadolint")?;
    passes(Command::new(hadolint).arg(deploy("containers/Dockerfile")))
}

#[test]
fn the_compose_file_is_one_and_locks_every_container() -> Result<()> {
    let schema = installed("check-jsonschema/compose-spec.json")?;
    // Debian's, which has Debian's packages, whatever else is on the PATH.
    let mut command = Command::new("/usr/bin/python3");
    command.arg(python_folder().join("compose.py"));
    passes(command.arg(schema).arg(deploy("compose/compose.yml")))
}

#[test]
fn nginx_takes_its_configuration() -> Result<()> {
    let folder = cattery_tests::town::Folder::new()?;
    let text = std::fs::read_to_string(deploy("compose/nginx.conf"))?;
    // No such name is known outside of the containers.
    let server = text.replace("photos:8081", "127.0.0.1:8081");
    ensure!(server != text, "it does not ask photos");
    std::fs::write(folder.path().join("server.conf"), server)?;
    let main = folder.path().join("nginx.conf");
    let shown = folder.path().display();
    std::fs::write(
        &main,
        format!(
            "pid {shown}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{ access_log off; include {shown}/server.conf; }}\n"
        ),
    )?;
    passes(
        Command::new("nginx")
            .args(["-t", "-q", "-e", "stderr", "-c"])
            .arg(main),
    )
}

#[test]
fn composes_nginx_differs_in_its_addresses_alone() -> Result<()> {
    let read = |file: &str| -> Result<Vec<String>> {
        let text = std::fs::read_to_string(deploy(file))?;
        let lines = text.lines().skip_while(|line| line.starts_with('#'));
        Ok(lines.map(str::to_owned).collect())
    };
    let (shipped, composed) = (read("nginx/cattery.conf")?, read("compose/nginx.conf")?);
    ensure!(
        shipped.len() == composed.len(),
        "one of them has more lines"
    );
    let mut places = 0;
    for (one, other) in shipped
        .iter()
        .zip(&composed)
        .filter(|(one, other)| one != other)
    {
        let is_place =
            |line: &str| line.trim().starts_with("server ") || line.trim().starts_with("listen ");
        ensure!(is_place(one) && is_place(other), "{one:?} is {other:?}");
        places += 1;
    }
    ensure!(places == 3, "{places} addresses differ");
    Ok(())
}
