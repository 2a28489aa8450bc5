//! `cattery verify`: ask an agent whether a token is good for a request.

mod shown;

use std::{
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use cattery_proto::v1::{self, verify_response};
use clap::Args as ClapArgs;

use super::Context;
use crate::{
    agent,
    exit::Done,
    input,
    out::{self, Format},
};
use shown::{Refused, Shown};

#[derive(ClapArgs)]
#[command(after_help = "\
What a flag does not say is not known, and a condition that needs it fails.

Examples:
  cattery mint photos | cattery verify
  cattery mint photos --caveat path=/albums | cattery verify --method GET --path /albums/7
  cattery verify --socket /run/cattery/photos.sock --scope photos.read --output json < token
  cattery verify --socket /run/cattery/backend.sock --forward alice.tokens < frontend.token")]
pub(crate) struct Args {
    /// The agent's Unix socket [default: that of --home, $CATTERY_AGENT_SOCKET, or the one this home knows]
    #[arg(long, visible_alias = "agent", value_name = "PATH")]
    socket: Option<PathBuf>,
    /// The request's method, like GET
    #[arg(long)]
    method: Option<String>,
    /// The request's host, as sent
    #[arg(long, value_name = "HOST[:PORT]")]
    authority: Option<String>,
    /// The request's path, with its query
    #[arg(long)]
    path: Option<String>,
    /// The client's address
    #[arg(long, value_name = "ADDRESS")]
    source_addr: Option<IpAddr>,
    /// The scope that the request needs
    #[arg(long)]
    scope: Option<String>,
    /// SHA-256 of the client's certificate, in hexadecimal
    #[arg(long, value_name = "HEX", value_parser = sha256)]
    client_cert_sha256: Option<[u8; 32]>,
    /// SHA-256 of the request's body, in hexadecimal
    #[arg(long, value_name = "HEX", value_parser = sha256)]
    body_sha256: Option<[u8; 32]>,
    /// An entry of the service's own context; any number of them
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    context: Vec<(String, String)>,
    /// What came in x-cat-forward, a line for each header. One token that is refused makes the exit code 1
    #[arg(long, value_name = "FILE")]
    forward: Option<PathBuf>,
}

pub(crate) async fn run(mut args: Args, context: &Context) -> anyhow::Result<Done> {
    let socket = agent::socket(args.socket.take(), context)?
        .context("no agent is known here: give --socket PATH, or set CATTERY_AGENT_SOCKET")?;
    let forwarded = args.forward.as_deref().map(lines).transpose()?;
    let facts = facts(args);
    let presentation = input::read("a token (cat1_…)")?;
    // Only the line's end is not the token's: every other byte is for the agent to judge.
    let Ok(presentation) = std::str::from_utf8(&presentation) else {
        return refused(
            context,
            v1::Denial {
                code: "malformed".to_owned(),
                http_status: 401,
            },
        );
    };
    let mut agent = agent::connect(&socket).await?;
    let request = v1::VerifyRequest {
        presentation: presentation.trim_end_matches(['\r', '\n']).to_owned(),
        facts: Some(facts),
        forwarded: forwarded.unwrap_or_default(),
        ..Default::default()
    };
    let answer = agent.verify(request).await;
    let answer = answer.map_err(|status| agent::refused(&socket, &status))?;
    let answer = answer.into_inner();
    match answer.result {
        Some(verify_response::Result::Caller(caller)) => {
            let shown = Shown::new(caller, answer.forwarded);
            context.out.show(&shown, Shown::describe)?;
            Ok(if shown.refuses_any() {
                Done::Refused
            } else {
                Done::Well
            })
        }
        Some(verify_response::Result::Denial(denial)) => refused(context, denial),
        // `invalid` is for streams alone.
        Some(verify_response::Result::Invalid(_)) | None => {
            bail!("the agent at {} gave no answer", socket.display())
        }
    }
}

fn facts(args: Args) -> v1::RequestFacts {
    v1::RequestFacts {
        method: args.method,
        authority: args.authority,
        path_and_query: args.path,
        source_addr: args.source_addr.map(|address| address.to_string()),
        client_cert_sha256: args.client_cert_sha256.map(Vec::from),
        scope: args.scope,
        body_sha256: args.body_sha256.map(Vec::from),
        context: args.context.into_iter().collect(),
    }
}

/// A secret while its tokens are good: it comes in a file.
fn lines(path: &Path) -> anyhow::Result<Vec<String>> {
    let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    if text.is_empty() {
        bail!("there is nothing in {}", path.display());
    }
    let text = String::from_utf8_lossy(&text); // what is no text is no token either
    Ok(text.lines().map(str::to_owned).collect())
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text
        .split_once('=')
        .ok_or("an entry of the context is written KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

fn sha256(text: &str) -> Result<[u8; 32], String> {
    let mut digest = [0; 32];
    hex::decode_to_slice(text, &mut digest)
        .map_err(|_| "a SHA-256 is 64 hexadecimal digits".to_owned())?;
    Ok(digest)
}

fn refused(context: &Context, denial: v1::Denial) -> anyhow::Result<Done> {
    let shown = Refused::from(denial);
    match context.out {
        Format::Human => out::failure(&shown.words()),
        Format::Json => {
            context.out.show(&shown, |_| String::new())?;
        }
    }
    Ok(Done::Refused)
}
