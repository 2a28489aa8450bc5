//! The reference: what programs say of themselves, and a page that says the same. `CATTERY_BLESS=1` writes the pages anew.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use cattery_tests::{authority::Authority, cli::Cli, programs::Program, town::Folder};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Compares a page with what it should be, or writes it where somebody asks for that.
fn holds(page: &str, text: &str) -> Result<()> {
    let path = root().join("docs/reference").join(page);
    if std::env::var_os("CATTERY_BLESS").is_some() {
        return Ok(fs::write(path, text)?);
    }
    let found = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let differs = found.lines().zip(text.lines()).find(|(is, due)| is != due);
    ensure!(
        found == text,
        "docs/reference/{page} is not what the programs say (first: {differs:?}): CATTERY_BLESS=1 ./test reference"
    );
    Ok(())
}

/// Appends the help of a command, and of those below it.
fn describe(program: Program, path: &[String], page: &mut String) -> Result<()> {
    let mut command = program.command()?;
    command.args(path).arg("--help").env("NO_COLOR", "1");
    let output = command.output()?;
    let help = String::from_utf8(output.stdout)?;
    ensure!(output.status.success(), "{path:?}: {help}");
    let name = [&[program.name().to_owned()], path].concat().join(" ");
    let level = "#".repeat((2 + path.len()).min(4));
    writeln!(
        page,
        "{level} `{name}`\n\n```text\n{}\n```\n",
        help.trim_end()
    )?;
    for below in commands_in(&help) {
        describe(program, &[path, &[below]].concat(), page)?;
    }
    Ok(())
}

/// The names under `Commands:`.
fn commands_in(help: &str) -> Vec<String> {
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let listed = listed.take_while(|line| line.starts_with("  "));
    let own = listed.filter(|line| !line.starts_with("   "));
    let names = own.filter_map(|line| line.split_whitespace().next());
    let names = names.filter(|name| *name != "help");
    names.map(str::to_owned).collect()
}

#[test]
fn the_command_lines_are_told_as_they_are() -> Result<()> {
    let mut page = "# Command lines\n\nWhat `--help` says, of every command of the three programs. A test compares this page with them.\n\n".to_owned();
    for program in [Program::Cli, Program::Authority, Program::Agent] {
        describe(program, &[], &mut page)?;
    }
    ensure!(page.matches("```text").count() > 60, "{page}");
    holds("cli.md", &format!("{}\n", page.trim_end()))
}

#[test]
fn the_configuration_is_told_as_it_is() -> Result<()> {
    let folder = Folder::new()?;
    let admin = Cli::new(folder.path(), "admin");
    let authority = Authority::init(folder.path(), &admin)?;
    let written = fs::read_to_string(authority.dir.join("authority.toml"))?;
    let agent = fs::read_to_string(root().join("service-agent/agent.toml"))?;
    let page = format!(
        "{INTRODUCTION}\n## `agent.toml`\n\nEvery setting with its default; what has none is in a comment.\n\n```toml\n{}\n```\n\n\
         ## `authority.toml`\n\nAs `cattery init` writes it, for an authority on the embedded store. Names, addresses and paths are those of an example.\n\n```toml\n{}\n```\n",
        agent.trim_end(),
        usual(&written, &authority, folder.path())?.trim_end()
    );
    holds("configuration.md", &page)
}

const INTRODUCTION: &str = "\
# Configuration

Both programs read their file once, at the start; the agent reads `[log]` again on SIGHUP. A setting that is not known is refused, and so is a value out of its range. Without starting:

```sh
cattery-agent config check --dir DIR
cattery-authority config check --dir DIR
```

They exit with 0 where the file is good, 1 where it is not, and 64 where the command line makes no sense. A test compares this page with the files.
";

/// What differs from one run to the next, or from what people have, as an example.
fn usual(written: &str, authority: &Authority, folder: &Path) -> Result<String> {
    let line = |name: &str| {
        let mut lines = written.lines();
        let line = lines.find(|line| line.starts_with(&format!("{name} = ")));
        line.with_context(|| format!("{name} in {written}"))
    };
    let text = written
        .replace(
            line("cluster_id")?,
            "cluster_id = \"800e0d0adfe9420bac6f7b395a99c8b9\"",
        )
        .replace(&authority.addr.to_string(), "auth.example.org:7443")
        .replace("filter = \"trace\"", "filter = \"info\"");
    ensure!(!text.contains(&folder.display().to_string()), "{text}");
    Ok(text)
}

#[test]
fn shells_complete_all_three_programs() -> Result<()> {
    for program in [Program::Cli, Program::Authority, Program::Agent] {
        for shell in ["bash", "zsh", "fish"] {
            let mut command = program.command()?;
            let output = command.args(["completions", shell]).output()?;
            let script = String::from_utf8(output.stdout)?;
            let is_one = script.contains(program.name()) && script.contains("completions");
            ensure!(
                output.status.success() && is_one,
                "{program:?} {shell}: {script}"
            );
        }
    }
    // What bash is given, it can read.
    let mut command = Program::Agent.command()?;
    let script = command.args(["completions", "bash"]).output()?.stdout;
    let script = String::from_utf8(script)?;
    let read = std::process::Command::new("bash")
        .args(["-nc", &script])
        .output()?;
    ensure!(read.status.success(), "{read:?}");
    Ok(())
}
