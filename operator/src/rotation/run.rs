//! A command that turns keys over, from its flags to its exit code.

use super::{
    course::{Aim, Course, Plan},
    drive::drive,
    explain,
    keys::Keys,
    preview::preview,
    schedule::Schedule,
    source::{Authorities, Source as _},
    stop::Stop,
};
use crate::{
    commands::Context,
    confirm,
    exit::Done,
    home::Home,
    out::{self, Live},
};

/// What the command line says beside the plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags {
    /// Change nothing.
    pub(crate) dry_run: bool,
    /// Do not ask.
    pub(crate) yes: bool,
    /// What has to be typed where somebody is asked.
    pub(crate) word: &'static str,
}

/// How things are.
///
/// # Errors
/// No authority answers.
pub(crate) async fn schedule(home: &Home, keys: Keys) -> anyhow::Result<Schedule> {
    Ok(Authorities::open(home, keys).await?.schedule().await?)
}

/// Carries a plan out, or says what it would do.
///
/// # Errors
/// No authority answers, or something that time does not mend.
pub(crate) async fn run(plan: Plan, flags: Flags, context: &Context) -> anyhow::Result<Done> {
    let asks = plan.aim == Aim::Replace && !flags.dry_run;
    if asks {
        confirm::check_possible(flags.yes)?;
    }
    let mut source = Authorities::open(&context.home()?, plan.keys.clone()).await?;
    let start = source.schedule().await?;
    if flags.dry_run || asks {
        let preview = preview(&mut source, plan.clone(), start.clone()).await?;
        if flags.dry_run || preview.refused.is_some() {
            return explain::show_preview(&preview, context.out);
        }
        out::lines(&explain::cost(&preview));
        if !confirm::go_ahead(flags.word, flags.yes)? {
            out::failure("nothing was done");
            return Ok(Done::Refused);
        }
    }
    let mut stop = Stop::on_signals()?;
    let course = Course::new(plan, &start);
    let mut live = Live::on_stderr();
    let ended = drive(&mut source, course, start, &mut live, &mut stop).await?;
    explain::show(&ended, context.out)
}
