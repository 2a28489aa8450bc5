//! `cattery dev`.

use clap::Args as ClapArgs;

use crate::{commands::Context, exit::Done};

#[derive(ClapArgs)]
pub(crate) struct Args {}

pub(crate) async fn run(_: Args, _: &Context) -> anyhow::Result<Done> {
    anyhow::bail!("not yet")
}
