//! What was handed out with `--revocable`, and for whom: kept in the home, so that it can be taken back alone.

use cattery_core::Caveat;
use serde::Serialize;

use super::{Context, revoke::What};
use crate::{
    clock,
    conditions::{self, Conditions},
    exit::{Done, Usage},
    home::{HandedOut, Home, UserFile},
    out,
    plain::plain,
    random,
};

/// Longest name of whom it is for, bytes.
const LONGEST: usize = 200;

/// For whom something is handed out.
///
/// # Errors
/// It is empty or too long.
pub(crate) fn parse_whom(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("say who it is for".to_owned()),
        text if text.len() > LONGEST => Err(format!("at most {LONGEST} bytes")),
        text => Ok(text.to_owned()),
    }
}

/// The conditions of what comes on standard input.
///
/// # Errors
/// They make no sense, or there is nothing to add.
pub(crate) fn conditions(
    flags: Conditions,
    is_revocable: bool,
) -> anyhow::Result<Vec<Caveat<'static>>> {
    let caveats = flags.caveats(conditions::What::Read)?;
    if caveats.is_empty() && !is_revocable {
        return Err(Usage(
            "nothing would become narrower: add a condition, like --path /albums or --caveat path=/albums, or --revocable"
                .to_owned(),
        )
        .into());
    }
    Ok(caveats)
}

/// A fresh condition by which one hand-out can be revoked, and its id.
///
/// # Errors
/// There is no randomness.
pub(crate) fn condition() -> anyhow::Result<(Caveat<'static>, [u8; 16])> {
    let id = random::id()?;
    Ok((Caveat::RevocationId { id }, id))
}

/// When something ends that would end then without these conditions.
pub(crate) fn ends(caveats: &[Caveat<'_>], end: u64) -> u64 {
    let ends = caveats.iter().filter_map(|caveat| match caveat {
        Caveat::TimeWindow { not_after, .. } if *not_after != 0 => Some(*not_after),
        _ => None,
    });
    ends.fold(end, u64::min)
}

/// Notes it, before anybody has it, and says how to take it back.
///
/// # Errors
/// It cannot be kept.
pub(crate) fn note(home: &Home, handed_out: HandedOut) -> anyhow::Result<()> {
    let user = home.user()?;
    let whom = plain(&handed_out.whom);
    let take_back = take_back(&handed_out, user.as_ref());
    let who = match own(&handed_out, user.as_ref()) {
        true => "take it back with",
        false => "an operator takes it back with",
    };
    let change = home.change()?;
    let now = clock::now();
    let mut all = home.handed_out()?;
    // There is nothing to take back of what has ended.
    all.retain(|former| former.expires_at > now);
    all.push(handed_out);
    change.keep_handed_out(&all)?;
    out::note(&format!("for {whom}; {who} `{take_back}`"));
    Ok(())
}

/// Notes what was taken back, as far as it was handed out from here.
///
/// # Errors
/// That cannot be kept.
pub(crate) fn taken_back(home: &Home, what: &[What]) -> anyhow::Result<()> {
    let ids: Vec<String> = what.iter().filter_map(What::handed_out_id).collect();
    let change = home.change()?;
    let mut all = home.handed_out()?;
    for one in &mut all {
        if ids.contains(&one.id) {
            one.taken_back_at = one.taken_back_at.or(Some(clock::now()));
        }
    }
    change.keep_handed_out(&all)
}

#[derive(Serialize)]
struct Row<'a> {
    #[serde(flatten)]
    handed_out: &'a HandedOut,
    /// The command that takes it back.
    take_back: String,
}

/// `cattery key handed-out`.
pub(crate) fn list(context: &Context) -> anyhow::Result<Done> {
    let now = clock::now();
    let home = context.home()?;
    let (all, user) = (home.handed_out()?, home.user()?);
    let rows: Vec<Row<'_>> = all
        .iter()
        .filter(|handed_out| handed_out.expires_at > now)
        .map(|handed_out| Row {
            handed_out,
            take_back: take_back(handed_out, user.as_ref()),
        })
        .collect();
    context.out.list(
        &rows,
        [
            "for",
            "what",
            "service",
            "principal",
            "state",
            "handed out",
            "ends",
            "id",
        ],
        |row| {
            let one = row.handed_out;
            [
                one.whom.clone(),
                one.kind.clone(),
                one.service.clone(),
                one.principal.clone(),
                match one.taken_back_at {
                    Some(_) => "taken back".to_owned(),
                    None => "active".to_owned(),
                },
                clock::cell(one.handed_out_at),
                clock::cell(one.expires_at),
                one.id.clone(),
            ]
        },
    )?;
    Ok(Done::Well)
}

/// Whether whoever is logged in here can take it back themselves.
fn own(handed_out: &HandedOut, user: Option<&UserFile>) -> bool {
    user.is_some_and(|user| user.principal == handed_out.principal)
}

fn take_back(handed_out: &HandedOut, user: Option<&UserFile>) -> String {
    let id = plain(&handed_out.id);
    match own(handed_out, user) {
        true => format!("cattery key take-back {id}"),
        false => format!(
            "cattery revoke --principal {} --handed-out {id}",
            plain(&handed_out.principal)
        ),
    }
}
