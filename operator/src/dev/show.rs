//! What runs where, and what to try.

use std::{env, path::PathBuf};

use serde::Serialize;

use super::town::{SERVICE, Town};
use crate::{commands::Context, shell::quoted};

#[derive(Serialize)]
struct Running {
    dir: PathBuf,
    kept: bool,
    home: PathBuf,
    authority: String,
    agent_socket: PathBuf,
    forward_auth: String,
    upstream: String,
    service: &'static str,
    user: String,
    operator: String,
    r#try: Vec<Try>,
}

/// A command that works when it is pasted into another shell.
#[derive(Serialize)]
struct Try {
    about: &'static str,
    command: String,
}

pub(super) fn running(town: &Town<'_>, context: &Context) -> anyhow::Result<()> {
    let home = town.home.dir().to_owned();
    let shown = Running {
        dir: town.place.dir().to_owned(),
        kept: town.place.is_kept(),
        authority: format!("https://{}", town.authority_addr()),
        agent_socket: town.socket().to_owned(),
        forward_auth: town.forward_auth(),
        upstream: format!("http://{}", town.upstream_addr()),
        service: SERVICE,
        user: town
            .home
            .user()?
            .map(|user| user.principal)
            .unwrap_or_default(),
        operator: town
            .home
            .operator()?
            .map(|operator| operator.subject)
            .unwrap_or_default(),
        r#try: suggestions(town),
        home,
    };
    context.out.show(&shown, describe)
}

fn describe(shown: &Running) -> String {
    let mut text = format!(
        "A whole cluster runs in this process:\n\n\
         \x20 authority     {}  (gRPC over TLS)\n\
         \x20 agent         {}  (gRPC), for service/{}\n\
         \x20 forward-auth  {}\n\
         \x20 service       {}  greets who calls it\n\
         \x20 home          {}  of {} and {}\n\n\
         Try in another shell:\n",
        shown.authority,
        shown.agent_socket.display(),
        shown.service,
        shown.forward_auth,
        shown.upstream,
        shown.home.display(),
        shown.user,
        shown.operator,
    );
    for Try { about, command } in &shown.r#try {
        text += &format!("\n  # {about}\n  {command}\n");
    }
    text += &match shown.kept {
        true => format!(
            "\nCtrl-C ends it. {} stays for the next time.\n",
            shown.dir.display()
        ),
        false => "\nCtrl-C ends it and leaves nothing behind.\n".to_owned(),
    };
    text
}

fn suggestions(town: &Town<'_>) -> Vec<Try> {
    let cattery = format!(
        "{} --home {}",
        program(),
        quoted(&town.home.dir().to_string_lossy())
    );
    let upstream = format!("http://{}", town.upstream_addr());
    let forward_auth = town.forward_auth();
    let try_ = |about, command| Try { about, command };
    vec![
        try_(
            "call the service as alice",
            format!(
                "curl -sS -H \"Authorization: Bearer $({cattery} mint {SERVICE})\" {upstream}/albums"
            ),
        ),
        try_(
            "a token for GET below /albums alone: here it is good,",
            format!(
                "curl -sS -H \"Authorization: Bearer $({cattery} mint {SERVICE} --method GET --path /albums)\" \
                 {upstream}/albums/7"
            ),
        ),
        try_(
            "and here it is refused, with 403",
            format!(
                "curl -sS -i -H \"Authorization: Bearer $({cattery} mint {SERVICE} --method GET --path /albums)\" \
                 {upstream}/private"
            ),
        ),
        try_(
            "no token at all: 401, and the header says why",
            format!("curl -sS -i {upstream}/albums"),
        ),
        try_(
            "what a proxy asks before it lets a request through",
            format!(
                "curl -sS -i -H \"Authorization: Bearer $({cattery} mint {SERVICE})\" -H 'X-Forwarded-Method: GET' \
                 -H 'X-Forwarded-Uri: /albums' {forward_auth}"
            ),
        ),
        try_(
            "ask the agent who signed a token",
            format!("{cattery} mint {SERVICE} | {cattery} verify"),
        ),
        try_(
            "read a token, narrowed after it was signed",
            format!(
                "{cattery} mint {SERVICE} | {cattery} token attenuate --scope photos.read | {cattery} inspect"
            ),
        ),
        try_(
            "take the key elsewhere, narrower; nobody is asked",
            format!(
                "{cattery} key export {SERVICE} | {cattery} key attenuate --method GET | {cattery} inspect"
            ),
        ),
        try_("who may call what", format!("{cattery} grant list")),
        try_("how it all does", format!("{cattery} status")),
        try_("check the audit log", format!("{cattery} audit verify")),
    ]
}

/// `cattery` where that is this program; otherwise its path.
fn program() -> String {
    let Ok(running) = env::current_exe() else {
        return "cattery".to_owned();
    };
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path)
        .map(|dir| dir.join("cattery"))
        .find(|file| file.is_file());
    let same = found
        .and_then(|file| file.canonicalize().ok())
        .is_some_and(|file| file == running);
    if same {
        "cattery".to_owned()
    } else {
        quoted(&running.to_string_lossy())
    }
}
