//! `cattery group`: users who are granted something together.

mod member;
mod remove;

use cattery_authority::granting::GroupName;
use cattery_core::UserName;
use cattery_proto::v1;
use clap::Subcommand;
use serde::Serialize;

use super::{
    Context,
    ending::{Ended, Ending},
    grant,
};
use crate::{
    authority::Session,
    clock,
    exit::Done,
    out::{self, counted},
    plain::plain,
};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make a group
    #[command(after_help = "\
Example:
  cattery group add oncall
  cattery group member add oncall alice
  cattery grant add group/oncall 'photos-*'")]
    Add {
        /// The name, without `group/`: as a service's
        name: GroupName,
    },
    /// List all groups, or those of a user
    #[command(after_help = "\
Examples:
  cattery group list
  cattery group list --user alice")]
    List {
        /// Only those that this user is in
        #[arg(long, value_name = "NAME")]
        user: Option<UserName>,
    },
    /// Show who is in a group, and what it is granted
    #[command(after_help = "Example:\n  cattery group show oncall")]
    Show {
        /// The name, without `group/`
        name: GroupName,
    },
    /// End a group, and with it its grants and memberships
    #[command(after_help = "Example:\n  cattery group remove oncall --revoke --wait")]
    Remove {
        /// The name, without `group/`
        name: GroupName,
        /// Do not ask whether to go ahead
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        ending: Ending,
    },
    /// Who is in a group
    #[command(
        subcommand,
        after_help = "Example:\n  cattery group member add oncall alice"
    )]
    Member(member::Command),
}

#[derive(Serialize)]
struct Row {
    name: String,
    member_count: u32,
    grant_count: u32,
    created_at: u64,
}

#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    group: Row,
    members: Vec<Member>,
    grants: Vec<grant::Row>,
}

#[derive(Serialize)]
struct Member {
    user: String,
    added_at: u64,
}

pub(crate) async fn run(command: Command, context: &Context) -> anyhow::Result<Done> {
    match command {
        Command::Add { name } => add(name.as_str(), context).await,
        Command::List { user } => list(user.map(String::from).unwrap_or_default(), context).await,
        Command::Show { name } => show(name.as_str(), context).await,
        Command::Remove { name, yes, ending } => {
            remove::run(name.as_str(), yes, &ending, context).await
        }
        Command::Member(command) => member::run(command, context).await,
    }
}

async fn add(name: &str, context: &Context) -> anyhow::Result<Done> {
    let mut session = Session::open(&context.home()?).await?;
    let request = v1::AddGroupRequest {
        name: name.to_owned(),
    };
    let answer = session.admin.add_group(request).await;
    let group = answer
        .map_err(|status| session.refused(&status))?
        .into_inner()
        .group;
    let row = Row::from(group.unwrap_or_default());
    context.out.show(&row, |row| {
        let name = plain(&row.name);
        format!(
            "group/{name} is there; next: cattery group member add {name} USER, cattery grant add group/{name} SERVICE"
        )
    })?;
    Ok(Done::Well)
}

async fn list(user: String, context: &Context) -> anyhow::Result<Done> {
    let mut session = Session::open(&context.home()?).await?;
    let answer = session
        .admin
        .list_groups(v1::ListGroupsRequest { user })
        .await;
    let groups = answer
        .map_err(|status| session.refused(&status))?
        .into_inner()
        .groups;
    let rows: Vec<Row> = groups.into_iter().map(Row::from).collect();
    let header = ["name", "members", "grants", "created"];
    context.out.list(&rows, header, |row| {
        [
            row.name.clone(),
            row.member_count.to_string(),
            row.grant_count.to_string(),
            clock::cell(row.created_at),
        ]
    })?;
    Ok(Done::Well)
}

async fn show(name: &str, context: &Context) -> anyhow::Result<Done> {
    let mut session = Session::open(&context.home()?).await?;
    let request = v1::GetGroupRequest {
        name: name.to_owned(),
    };
    let answer = session.admin.get_group(request).await;
    let answer = answer
        .map_err(|status| session.refused(&status))?
        .into_inner();
    let members = answer.members.into_iter().map(|member| Member {
        user: member.user,
        added_at: member.added_at,
    });
    let shown = Shown {
        group: Row::from(answer.group.unwrap_or_default()),
        members: members.collect(),
        grants: answer.grants.into_iter().map(grant::Row::from).collect(),
    };
    context.out.show(&shown, |shown| {
        let members = shown.members.iter();
        let members = members.map(|member| {
            [
                format!("user/{}", member.user),
                clock::cell(member.added_at),
            ]
        });
        let more = match usize::try_from(shown.group.member_count) {
            Ok(count) if count > shown.members.len() => {
                format!("\nand {} more", count - shown.members.len())
            }
            _ => String::new(),
        };
        let grants = shown.grants.iter().map(grant::Row::cells);
        format!(
            "group/{}: {}, {}\n\n{}{more}\n\n{}",
            plain(&shown.group.name),
            counted(shown.group.member_count, "member"),
            counted(shown.group.grant_count, "grant"),
            out::table(["member", "since"], members),
            out::table(grant::HEADER, grants),
        )
    })?;
    Ok(Done::Well)
}

impl From<v1::Group> for Row {
    fn from(group: v1::Group) -> Self {
        Self {
            name: group.name,
            member_count: group.members,
            grant_count: group.grants,
            created_at: group.created_at,
        }
    }
}
