//! The cluster, as the operator of this home sees it: every authority of its list, and what the authorities say.

use std::time::Duration;

use cattery_proto::v1::{self, admin_client::AdminClient};
use cattery_sdk::connect::Connector;
use tokio::{task::JoinSet, time::timeout};
use tonic::{Response, Status};

use super::{finding::Finding, moments, reach};
use crate::{
    authority::explain,
    clock,
    home::{Home, OperatorFile},
    out::counted,
    plain::plain,
};

const PATIENCE: Duration = Duration::from_secs(8);
/// An agent beats twice a minute, and the authority keeps that to the minute.
const SILENT: u64 = 300;
const LOGIN: &str =
    "ask another admin for `cattery operator add NAME`, and `cattery login` with its join token";

/// What the cluster told, and what was found.
pub(super) struct Cluster {
    pub(super) findings: Vec<Finding>,
    /// The active epoch, where an authority said which.
    pub(super) active_epoch: Option<u32>,
}

/// Looks at the home, at each authority, and at what the first that answers says of the cluster.
pub(super) async fn check(home: &Home) -> Cluster {
    let mut findings = Vec::new();
    let operator = match home.operator() {
        Ok(Some(operator)) => operator,
        Ok(None) => {
            return Cluster {
                findings,
                active_epoch: None,
            };
        }
        Err(why) => {
            findings.push(Finding::error(
                "home",
                home.dir().display(),
                format!("{why:#}"),
                "correct that, or name the right folder with --home",
            ));
            return Cluster {
                findings,
                active_epoch: None,
            };
        }
    };
    let subject = format!("the certificate of {}", operator.subject);
    findings.push(moments::certificate_by_hand(
        &subject,
        operator.not_after,
        clock::now(),
        LOGIN,
    ));
    let Some(bundle) = operator.cluster.bundle_der() else {
        findings.push(Finding::error(
            "home",
            home.dir().display(),
            "a stored CA certificate is damaged",
            LOGIN,
        ));
        return Cluster {
            findings,
            active_epoch: None,
        };
    };
    let mut looks = JoinSet::new();
    for address in operator.cluster.addresses.clone() {
        let bundle = bundle.clone();
        looks.spawn(async move { reach::check(&address, &bundle).await });
    }
    findings.extend(looks.join_all().await.into_iter().flatten());
    let told = match timeout(PATIENCE, ask(&operator)).await {
        Ok(told) => told,
        Err(_) => Err("no authority answered in time".to_owned()),
    };
    match told {
        Ok(told) => {
            findings.extend(judge(&told));
            Cluster {
                findings,
                active_epoch: Some(told.status.active_epoch),
            }
        }
        Err(why) => {
            findings.push(Finding::error(
                "cluster",
                "the cluster",
                why,
                "start with what is wrong with the authorities and the certificate, above or below",
            ));
            Cluster {
                findings,
                active_epoch: None,
            }
        }
    }
}

struct Told {
    status: v1::GetClusterStatusResponse,
    agents: v1::ListAgentsResponse,
}

/// Without renewing the certificate on the way: doctor changes nothing.
async fn ask(operator: &OperatorFile) -> Result<Told, String> {
    let identity = operator.identity().map_err(|why| format!("{why:#}"))?;
    let connector = operator.cluster.connector(&[], Some(&identity));
    let connector = connector.map_err(|why| format!("{why:#}"))?;
    let mut admin = AdminClient::new(connector.channel());
    let status = admin
        .get_cluster_status(v1::GetClusterStatusRequest {})
        .await;
    let status = answer(&connector, status)?;
    let agents = admin.list_agents(v1::ListAgentsRequest::default()).await;
    let agents = answer(&connector, agents)?;
    Ok(Told { status, agents })
}

fn answer<T>(connector: &Connector, answer: Result<Response<T>, Status>) -> Result<T, String> {
    answer
        .map(Response::into_inner)
        .map_err(|status| format!("{:#}", explain(connector, &status)))
}

fn judge(told: &Told) -> Vec<Finding> {
    let status = &told.status;
    let mut findings = Vec::new();
    let authority = plain(&status.authority_id);
    findings.push(if status.leader.is_empty() {
        Finding::error(
            "leader",
            "the cluster",
            "no authority leads, so nothing rotates and nothing is cleared away",
            "if that lasts for more than half a minute, the store is what to mend: the authorities' logs say why",
        )
    } else {
        let leader = plain(&status.leader);
        let alive = u64::try_from(status.authorities.len()).unwrap_or(u64::MAX);
        let are = if alive == 1 { "authority is" } else { "authorities are" };
        Finding::ok("leader", "the cluster", format!("{leader} leads; {alive} {are} alive"))
    });
    findings.push(if status.rotation_overdue {
        Finding::error(
            "rotation",
            "the rotation of root keys",
            "is overdue",
            "`cattery epoch list` names the agents that lack the next key: bring them back, or evict them (docs/operating.md)",
        )
    } else {
        Finding::ok(
            "rotation",
            "the rotation of root keys",
            format!("is not overdue; epoch {} is active", status.active_epoch),
        )
    });
    let now = told.agents.server_time;
    let ends = format!("the certificate of {authority}");
    let remedy = "it renews by itself: the log of that authority says why it did not";
    findings.push(moments::certificate(
        &ends,
        status.certificate_not_after,
        now,
        remedy,
    ));
    let remedy = "its successor comes by itself: `cattery ca show` says what it waits for";
    findings.push(moments::certificate(
        "the CA",
        status.ca_not_after,
        now,
        remedy,
    ));
    findings.extend(status.warnings.iter().map(|warning| {
        Finding::warning(
            "warning",
            &authority,
            plain(warning),
            "see docs/operating.md",
        )
    }));
    let active = told
        .agents
        .agents
        .iter()
        .filter(|agent| agent.state == "active");
    let lagging: Vec<_> = active
        .clone()
        .filter_map(|agent| lags(agent, status.active_epoch, now))
        .collect();
    if lagging.is_empty() {
        let count = u64::try_from(active.count()).unwrap_or(u64::MAX);
        findings.push(Finding::ok(
            "agents",
            counted(count, "agent"),
            "none lags behind",
        ));
    }
    findings.extend(lagging);
    findings
}

/// An agent that does not have what the cluster has. `now` is the authority's clock.
fn lags(agent: &v1::AgentInfo, active_epoch: u32, now: u64) -> Option<Finding> {
    let (id, service) = (plain(&agent.agent_id), plain(&agent.service));
    let subject = format!("agent {id} of {service}");
    let remedy = "on its machine: `cattery doctor --agent-dir DIR`; if it is gone for good, `cattery agent evict`";
    if agent.last_contact == 0 {
        let found = "has enrolled, and was never heard of since";
        return Some(Finding::warning("agents", subject, found, remedy));
    }
    let heard = clock::relative(agent.last_contact, now);
    if agent.live_until < now {
        let found = format!(
            "is away: it was last heard of {heard}, its outage budget has ended, and it verifies nothing"
        );
        return Some(Finding::warning("agents", subject, found, remedy));
    }
    if agent.holds_epoch < active_epoch {
        let found = format!(
            "lags: it holds epoch {}, and {active_epoch} is active; last heard of {heard}",
            agent.holds_epoch
        );
        return Some(Finding::error("agents", subject, found, remedy));
    }
    if now.saturating_sub(agent.last_contact) > SILENT {
        let found =
            format!("is silent: it was last heard of {heard}, and goes on with what it holds");
        return Some(Finding::warning("agents", subject, found, remedy));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::State;

    #[test]
    fn agents_lag_by_what_they_hold_and_by_silence() {
        let state = |last_contact, live_until, holds_epoch| {
            let agent = v1::AgentInfo {
                last_contact,
                live_until,
                holds_epoch,
                ..Default::default()
            };
            lags(&agent, 3, 10_000).map(|finding| finding.state())
        };
        assert_eq!(state(9_990, 20_000, 3), None);
        assert_eq!(state(9_990, 20_000, 4), None);
        assert_eq!(state(9_990, 20_000, 2), Some(State::Error));
        assert_eq!(state(9_600, 20_000, 3), Some(State::Warning));
        assert_eq!(state(9_000, 9_999, 2), Some(State::Warning));
        assert_eq!(state(0, 0, 0), Some(State::Warning));
    }

    #[test]
    fn nobody_who_leads_and_a_late_rotation_are_errors() {
        let told = Told {
            status: v1::GetClusterStatusResponse {
                rotation_overdue: true,
                certificate_not_after: 2_000,
                ca_not_after: 900,
                ..Default::default()
            },
            agents: v1::ListAgentsResponse {
                agents: Vec::new(),
                server_time: 1_000,
            },
        };
        let states: Vec<_> = judge(&told).iter().map(Finding::state).collect();
        use State::{Error, Ok};
        assert_eq!(states, [Error, Error, Ok, Error, Ok]);
    }
}
