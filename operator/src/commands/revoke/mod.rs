//! `cattery revoke`: takes back one token, one handed-out key or one lease.

mod done;
mod what;

use cattery_core::Principal;
use cattery_proto::v1;
use clap::Args as ClapArgs;

use super::Context;
use crate::{authority::Session, exit::Done, input, reach};

pub(super) use what::{Hex, What};

#[derive(ClapArgs)]
#[command(after_help = "\
Without an ID, reads what is to be revoked from standard input: a token (that one token), or a user key
(where it was handed out with a condition `revocation`, that key and what comes of it; otherwise its lease).

Examples:
  cattery revoke < stolen.token
  cattery revoke --whole-lease --wait < stolen.token   the key that signed it, too, and all else signed with it
  cattery revoke --principal user/alice --token 5f0c6d0e9a8b7c6d5e4f3a2b1c0d9e8f
Who loses what they hold, and gets no other: cattery user disable, cattery user api-key revoke")]
pub(crate) struct Args {
    /// Whose the IDs are: `user/NAME` or `service/NAME`
    #[arg(long)]
    principal: Option<Principal>,
    /// A token's ID, 32 hexadecimal digits; any number of them
    #[arg(long, value_name = "ID", requires = "principal")]
    token: Vec<Hex<16>>,
    /// The ID of a condition `revocation`, 32 hexadecimal digits; any number of them
    #[arg(long, value_name = "ID", requires = "principal")]
    handed_out: Vec<Hex<16>>,
    /// A lease's ID, 16 hexadecimal digits; any number of them
    #[arg(long, value_name = "ID", requires = "principal")]
    lease: Vec<Hex<8>>,
    /// The lease that the text on standard input comes from, and so all that was ever signed with it
    #[arg(long, conflicts_with = "principal")]
    whole_lease: bool,
    /// Wait until every live agent refuses it
    #[arg(long)]
    wait: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> anyhow::Result<Done> {
    let home = context.home()?;
    let what = match args.principal {
        Some(principal) => What::ids(&principal, &args.lease, &args.token, &args.handed_out)?,
        None => {
            let text = input::read_text("a token (cat1_…) or a user key (catkey1_…)")?;
            vec![What::of_text(&text, args.whole_lease)?]
        }
    };
    let mut session = Session::open_to_all(&home).await?;
    revoke(&mut session, what, args.wait, context).await
}

/// Asks for it, waits for the agents if that is wanted, and says what came of it. Whatever an authority that failed did, asking the next
/// one changes nothing of it.
///
/// # Errors
/// No authority did it, or it is not known how far it has come.
pub(super) async fn revoke(
    session: &mut Session,
    what: Vec<What>,
    wait: bool,
    context: &Context,
) -> anyhow::Result<Done> {
    let request = v1::RevokeRequest {
        revocations: what.iter().map(What::request).collect(),
        wait,
    };
    let answer = reach::ask(session, async |admin| admin.revoke(request.clone()).await).await?;
    let position = answer.position.unwrap_or_default();
    let reach = match wait {
        true => Some(reach::wait(session, position).await?),
        false => None,
    };
    done::show(what, position, reach, context)
}
