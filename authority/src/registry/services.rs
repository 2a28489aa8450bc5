use cattery_core::ServiceName;
use cattery_core::epoch::Line;

use super::{Registry, Stored};
use crate::act::Act;
use crate::audit::Action;
use crate::failure::{Failure, shown};
use crate::records::{AgentRecord, NameState, ServiceRecord, key};
use crate::store::Transaction;

impl Registry {
    /// Registers a service. A name that was used before comes back with a higher generation, and without the agents and grants of
    /// before.
    pub(crate) async fn add_service(
        &self,
        act: &Act,
        name: &ServiceName,
    ) -> Result<ServiceRecord, Failure> {
        let key = key::service(name.as_str());
        let before = self.get::<ServiceRecord>(&key).await?;
        let next = |number: u32| {
            number.checked_add(1).ok_or_else(|| {
                Failure::Refused(format!("the name `{name}` is used up: choose another one"))
            })
        };
        // Disabling has raised the version already, and nothing was issued since.
        let (generation, version, registration) = match before.as_ref().map(|stored| &stored.record)
        {
            None => (0, 0, 0),
            Some(record) if record.state == NameState::Disabled => (
                next(record.keys.last)?,
                record.version,
                next(record.registration)?,
            ),
            Some(_) => {
                return Err(Failure::AlreadyExists(format!(
                    "there is a service `{name}` already"
                )));
            }
        };
        let feed = self.feed().await?;
        let record = ServiceRecord {
            name: name.as_str().to_owned(),
            keys: (&Line::first(generation, act.now())).into(),
            registration,
            version,
            state: NameState::Active,
            created_at: act.now(),
            changed: feed.next(),
        };
        let event = act
            .event(Action::ServiceAdded, format!("service/{name}"))
            .field("generation", generation.to_string());
        let transaction = feed
            .raise(Transaction::new())
            .rests_on_all_of(&key, before.as_ref())
            .save(&key, &record);
        self.change(act, event, transaction).await?;
        Ok(record)
    }

    /// A service that is in use.
    pub(crate) async fn service(&self, name: &str) -> Result<Stored<ServiceRecord>, Failure> {
        self.get::<ServiceRecord>(&key::service(name))
            .await?
            .filter(|stored| stored.record.state == NameState::Active)
            .ok_or_else(|| {
                let name = shown(name);
                Failure::NotFound(format!(
                    "there is no service `{name}`: add it with `cattery service add {name}`"
                ))
            })
    }

    /// All services that are in use, by name.
    pub(crate) async fn services(&self) -> Result<Vec<ServiceRecord>, Failure> {
        let all = self.list::<ServiceRecord>(key::SERVICES).await?;
        Ok(all
            .into_iter()
            .map(|stored| stored.record)
            .filter(|service| service.state == NameState::Active)
            .collect())
    }

    /// All agents of all services that have access.
    pub(crate) async fn agents(&self) -> Result<Vec<AgentRecord>, Failure> {
        let mut agents = self.all_agents().await?;
        agents.retain(AgentRecord::has_access);
        Ok(agents)
    }

    /// All agents that ever enrolled and are not forgotten yet.
    pub(crate) async fn all_agents(&self) -> Result<Vec<AgentRecord>, Failure> {
        let all = self.list::<AgentRecord>(key::AGENTS).await?;
        Ok(all.into_iter().map(|stored| stored.record).collect())
    }
}
