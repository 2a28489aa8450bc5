//! `cattery grant explain`: which grant applies, and why the others do not.

use cattery_core::{Principal, ServiceName};
use cattery_proto::v1::{self, GrantStanding};
use serde::Serialize;

use super::{Context, Row, Session};
use crate::{exit::Done, out, plain::plain};

#[derive(Serialize)]
struct Explained {
    principal: String,
    service: String,
    /// Whether keys are issued.
    granted: bool,
    /// The closest grant first.
    considered: Vec<Considered>,
}

#[derive(Serialize)]
struct Considered {
    standing: &'static str,
    #[serde(flatten)]
    grant: Row,
}

pub(super) async fn run(
    principal: &Principal,
    service: &ServiceName,
    context: &Context,
) -> anyhow::Result<Done> {
    let mut session = Session::open(&context.home()?).await?;
    let request = v1::ExplainGrantRequest {
        principal: principal.as_str().to_owned(),
        service: service.as_str().to_owned(),
    };
    let answer = session.admin.explain_grant(request).await;
    let answer = answer
        .map_err(|status| session.refused(&status))?
        .into_inner();
    let considered: Vec<_> = answer.considered.into_iter().map(Considered::of).collect();
    let explained = Explained {
        principal: principal.as_str().to_owned(),
        service: service.as_str().to_owned(),
        granted: considered
            .first()
            .is_some_and(|first| first.standing == "applies"),
        considered,
    };
    context.out.show(&explained, describe)?;
    Ok(Done::Well)
}

fn describe(explained: &Explained) -> String {
    let (principal, service) = (plain(&explained.principal), plain(&explained.service));
    let Some(Considered { standing, grant }) = explained.considered.first() else {
        return format!(
            "{principal} gets no keys for {service}: no grant of theirs, or of a group that they are in, names it"
        );
    };
    let first = match *standing {
        "applies" => format!(
            "{principal} gets keys for {service} under the grant of {} for {}",
            plain(&grant.principal),
            plain(&grant.service)
        ),
        _ => format!(
            "{principal} gets no keys for {service}: the conditions of several groups for {} differ. A grant of their own decides: cattery grant add {principal} {service}",
            plain(&grant.service)
        ),
    };
    let rows = explained.considered.iter().map(|considered| {
        let [principal, service, caveats, lease, _] = considered.grant.cells();
        let why = considered.why().to_owned();
        [principal, service, caveats, lease, why]
    });
    let header = ["grant of", "for", "caveats", "greatest lease", "standing"];
    format!("{first}\n\n{}", out::table(header, rows))
}

impl Considered {
    fn of(considered: v1::ConsideredGrant) -> Self {
        Self {
            standing: match considered.standing() {
                GrantStanding::Applies => "applies",
                GrantStanding::Tied => "tied",
                GrantStanding::OwnFirst => "own-first",
                GrantStanding::ExactFirst => "exact-first",
                GrantStanding::LongerFirst => "longer-first",
                GrantStanding::Same => "same",
                GrantStanding::Unspecified => "unknown",
            },
            grant: Row::from(considered.grant.unwrap_or_default()),
        }
    }

    fn why(&self) -> &'static str {
        match self.standing {
            "applies" => "applies",
            "tied" => "tied: groups differ",
            "own-first" => "not used: there is an own one",
            "exact-first" => "not used: there is one for the service itself",
            "longer-first" => "not used: there is one with a longer prefix",
            "same" => "not used: another group has the same",
            _ => "unknown to this version",
        }
    }
}
