//! Conditions as flags, one for each kind of caveat. Values are read by the grammar of the text form; there is no other parser.

mod request;
mod when;

use std::path::PathBuf;

use cattery_core::{Caveat, CaveatTextError, PRESENTER_KEY, Principal};
use clap::{Args, builder::ValueParser};

use crate::{clock, exit::Usage, random};
use request::Target;
use when::When;

/// What commands that narrow something share. Each condition has to hold.
#[derive(Args)]
#[command(next_help_heading = "Conditions, each of which has to hold")]
pub(crate) struct Conditions {
    /// The request's scope is one of these
    #[arg(long, value_name = "SCOPE,…", value_parser = of("scope="))]
    scope: Option<Caveat<'static>>,
    /// The method is one of these; one that begins with / is a gRPC method, /pkg.Service/Method
    #[arg(long, value_name = "METHOD,…", value_parser = of("method="))]
    method: Option<Caveat<'static>>,
    /// The path is this one, or lies below it
    #[arg(long, value_name = "PREFIX", value_parser = of("path="))]
    path: Option<Caveat<'static>>,
    /// The client's address is in one of these blocks, like 192.0.2.0/24
    #[arg(long, value_name = "BLOCK,…", value_parser = of("addr="))]
    addr: Option<Caveat<'static>>,
    /// From then on: like 2026-01-31T12:00:00Z, Unix seconds, or a span from now like 2h
    #[arg(long, value_name = "TIME")]
    after: Option<When>,
    /// Until then, written in the same ways
    #[arg(long, value_name = "TIME")]
    until: Option<When>,
    /// The service's own context says so; any number of them
    #[arg(long, value_name = "KEY=VALUE", value_parser = of("context:"))]
    context: Vec<Caveat<'static>>,
    /// The client's certificate (DER) has this SHA-256
    #[arg(long, value_name = "HEX", value_parser = of("cert="))]
    client_cert: Option<Caveat<'static>>,
    /// The request is this one, like 'GET https://photos.example/albums?x=1'
    #[arg(long, value_name = "METHOD URL")]
    request: Option<Target>,
    /// The request's body is that of this file, too; - for standard input
    #[arg(long, value_name = "FILE", requires = "request")]
    body: Option<PathBuf>,
    /// PRINCIPAL vouches for this ticket with a discharge; any number of them
    #[arg(long, value_name = "PRINCIPAL:HEX", value_parser = of("third-party="))]
    third_party: Vec<Caveat<'static>>,
    /// For x-cat-forward: this service (service/NAME) presents it for you in its own calls, and nobody else can
    #[arg(long, value_name = "PRINCIPAL")]
    through: Option<Principal>,
    /// A condition as a text, like path=/albums; any number of them (`cattery mint --help` lists the forms)
    #[arg(long, value_name = "CAVEAT")]
    caveat: Vec<Caveat<'static>>,
    /// Each token is good for one use. An agent refuses such tokens for the first half minute: what was used before its start it does not know
    #[arg(long)]
    once: bool,
}

/// What is narrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// A token that is minted.
    Fresh,
    /// A key or a token that comes on standard input.
    Read,
    /// All keys that a grant or an API key gives.
    Keys,
}

impl Conditions {
    /// The caveats, in the order of the flags above, whatever the order on the command line.
    ///
    /// # Errors
    /// [`Usage`]: they can never hold, or make no sense for what is narrowed. A file cannot be read; there is no randomness.
    pub(crate) fn caveats(self, what: What) -> anyhow::Result<Vec<Caveat<'static>>> {
        let window = when::window(self.after, self.until, clock::now())?;
        let body = self.body.as_deref();
        let request = self.request.map(|target| target.caveat(body, what));
        let once = match self.once {
            true => Some(Caveat::SingleUse { id: random::id()? }),
            false => None,
        };
        let listed = [self.scope, self.method, self.path, self.addr, window];
        let caveats: Vec<_> = listed
            .into_iter()
            .flatten()
            .chain(self.context)
            .chain(self.client_cert)
            .chain(request.transpose()?)
            .chain(self.third_party)
            .chain(self.through.map(presented_by))
            .chain(self.caveat)
            .chain(once)
            .collect();
        let is_one_request = |caveat: &Caveat<'_>| matches!(caveat, Caveat::Request { .. });
        if what == What::Keys && caveats.iter().any(is_one_request) {
            return Err(Usage(
                "one request is too little for what gives keys again and again: bind a token or a key to it (`cattery mint --request`, \
                 `cattery key attenuate --request`)"
                    .to_owned(),
            )
            .into());
        }
        Ok(caveats)
    }
}

fn presented_by(presenter: Principal) -> Caveat<'static> {
    Caveat::Context {
        key: PRESENTER_KEY.into(),
        value: String::from(presenter).into(),
    }
}

/// A value that stands behind `word` in the text form.
fn of(word: &'static str) -> ValueParser {
    ValueParser::new(move |value: &str| {
        let caveat: Result<Caveat<'static>, CaveatTextError> = format!("{word}{value}").parse();
        caveat
    })
}
