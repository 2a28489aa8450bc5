//! Operators and users who keep the authority busy. Each changes things of its own, and all of them fight over a few names.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use anyhow::{Result, ensure};
use cattery_proto::v1::{
    AddGrantRequest, AddServiceRequest, AddUserRequest, DisableUserRequest, RemoveGrantRequest,
    RevokeApiKeyRequest,
};
use cattery_tests::api::{Answer, Operator, User, in_doubt};
use rand::{RngExt as _, rngs::StdRng};
use tonic::Code;

use super::{
    Known, lock,
    model::{self, Thing},
};

/// Works until the authority is gone.
pub(super) async fn work(
    worker: u64,
    round: u64,
    dice: StdRng,
    operator: Operator,
    known: Known,
    stop: Arc<AtomicBool>,
) -> Result<()> {
    let alice = User::new(&lock(&known).api_key)?;
    let mut hand = Hand {
        prefix: format!("r{round}w{worker}"),
        round,
        operator,
        alice,
        known,
        services: Vec::new(),
        users: Vec::new(),
        api_keys: Vec::new(),
        grants: Vec::new(),
        dice,
    };
    let mut count = 0;
    while !stop.load(Ordering::Relaxed) {
        match hand.step(count).await? {
            Heard::Answer => count += 1,
            Heard::Nothing => break,
        }
    }
    Ok(())
}

/// Whether the authority answered.
enum Heard {
    Answer,
    Nothing,
}

struct Hand {
    prefix: String,
    round: u64,
    dice: StdRng,
    operator: Operator,
    alice: User,
    known: Known,
    services: Vec<String>,
    users: Vec<String>,
    /// Ids and users.
    api_keys: Vec<(String, String)>,
    grants: Vec<(String, String)>,
}

impl Hand {
    async fn step(&mut self, count: u64) -> Result<Heard> {
        let name = format!("{}-{count}", self.prefix);
        match self.dice.random_range(0..10) {
            0 => self.add_service(name).await,
            1 => self.add_user(name).await,
            2 => self.contend().await,
            3 if !self.users.is_empty() => self.disable_user().await,
            4 | 5 if !self.users.is_empty() => self.create_api_key().await,
            6 if !self.api_keys.is_empty() => self.revoke_api_key().await,
            7 if !self.grants.is_empty() => self.remove_grant().await,
            8 if !self.users.is_empty() && !self.services.is_empty() => self.add_grant().await,
            _ => self.lease().await,
        }
    }

    async fn add_service(&mut self, name: String) -> Result<Heard> {
        let thing = Thing::Service(name.clone());
        lock(&self.known).begin(thing.clone(), model::service(0));
        let request = AddServiceRequest { name: name.clone() };
        let answer = self.operator.admin.add_service(request).await;
        let heard = self.end(&thing, answer)?;
        self.services.push(name);
        Ok(heard)
    }

    async fn add_user(&mut self, name: String) -> Result<Heard> {
        let thing = Thing::User(name.clone());
        lock(&self.known).begin(thing.clone(), model::user("active", 0));
        let request = AddUserRequest { name: name.clone() };
        let answer = self.operator.admin.add_user(request).await;
        let heard = self.end(&thing, answer)?;
        self.users.push(name);
        Ok(heard)
    }

    /// All workers want the same few names: each name has one winner.
    async fn contend(&mut self) -> Result<Heard> {
        let name = format!("all-{}-{}", self.round, self.dice.random_range(0..6));
        let thing = Thing::Service(name.clone());
        {
            let mut model = lock(&self.known);
            if !model.is_certain(&thing) {
                model.begin(thing.clone(), model::service(0));
            }
        }
        let answer = self
            .operator
            .admin
            .add_service(AddServiceRequest { name: name.clone() })
            .await;
        match answer {
            Ok(_) => {
                let mut model = lock(&self.known);
                ensure!(model.won(name.clone()), "{name} was added twice");
                model.end(&thing);
                Ok(Heard::Answer)
            }
            Err(status) if status.code() == Code::AlreadyExists => {
                lock(&self.known).end(&thing);
                Ok(Heard::Answer)
            }
            // Somebody else changed the same thing at the same moment.
            Err(status) if status.code() == Code::Aborted => Ok(Heard::Answer),
            Err(status) if in_doubt(&status) => Ok(Heard::Nothing),
            Err(status) => Err(status.into()),
        }
    }

    async fn disable_user(&mut self) -> Result<Heard> {
        let name = take(&mut self.dice, &mut self.users);
        self.api_keys.retain(|(_, user)| *user != name);
        lock(&self.known).begin_disabling(&name);
        let request = DisableUserRequest { name: name.clone() };
        let answer = self.operator.admin.disable_user(request).await;
        match answer {
            Ok(_) => {
                lock(&self.known).end_disabling(&name);
                Ok(Heard::Answer)
            }
            Err(status) if in_doubt(&status) => Ok(Heard::Nothing),
            Err(status) => Err(status.into()),
        }
    }

    async fn create_api_key(&mut self) -> Result<Heard> {
        let user = self.users[self.dice.random_range(0..self.users.len())].clone();
        lock(&self.known).begin_api_key(&user);
        match self.operator.api_key(&user).await {
            Ok((id, text)) => {
                self.api_keys.push((id.clone(), user.clone()));
                lock(&self.known).end_api_key(&user, id, text);
                Ok(Heard::Answer)
            }
            Err(status) if in_doubt(&status) => Ok(Heard::Nothing),
            Err(status) => Err(status.into()),
        }
    }

    async fn revoke_api_key(&mut self) -> Result<Heard> {
        let (id, _) = take(&mut self.dice, &mut self.api_keys);
        let thing = Thing::ApiKey(id.clone());
        lock(&self.known).begin_revoking(&thing);
        let request = RevokeApiKeyRequest { id, wait: false };
        let answer = self.operator.admin.revoke_api_key(request).await;
        self.end(&thing, answer)
    }

    async fn add_grant(&mut self) -> Result<Heard> {
        let user = &self.users[self.dice.random_range(0..self.users.len())];
        let service = &self.services[self.dice.random_range(0..self.services.len())];
        let pair = (format!("user/{user}"), service.clone());
        if self.grants.contains(&pair) {
            return Ok(Heard::Answer);
        }
        let lease = self.dice.random_range(60..3600);
        let thing = Thing::Grant(pair.0.clone(), pair.1.clone());
        lock(&self.known).begin(thing.clone(), model::grant(&[], lease));
        let request = AddGrantRequest {
            principal: pair.0.clone(),
            service: pair.1.clone(),
            caveats: Vec::new(),
            max_lease_seconds: lease,
        };
        let answer = self.operator.admin.add_grant(request).await;
        self.grants.push(pair);
        self.end(&thing, answer)
    }

    async fn remove_grant(&mut self) -> Result<Heard> {
        let (principal, service) = take(&mut self.dice, &mut self.grants);
        let thing = Thing::Grant(principal.clone(), service.clone());
        lock(&self.known).begin(thing.clone(), None);
        let request = RemoveGrantRequest {
            principal,
            service,
            ending: None,
        };
        let answer = self.operator.admin.remove_grant(request).await;
        self.end(&thing, answer)
    }

    async fn lease(&mut self) -> Result<Heard> {
        match self.alice.key("photos").await {
            Ok(Some(key)) => {
                lock(&self.known).leased(key.id().lease_id)?;
                Ok(Heard::Answer)
            }
            Ok(None) => anyhow::bail!("alice is refused a key that a grant allows"),
            Err(status) if in_doubt(&status) => Ok(Heard::Nothing),
            Err(status) => Err(status.into()),
        }
    }

    fn end<T>(&self, thing: &Thing, answer: Answer<T>) -> Result<Heard> {
        match answer {
            Ok(_) => {
                lock(&self.known).end(thing);
                Ok(Heard::Answer)
            }
            Err(status) if in_doubt(&status) => Ok(Heard::Nothing),
            Err(status) => Err(anyhow::Error::from(status).context(format!("{thing:?}"))),
        }
    }
}

fn take<T>(dice: &mut StdRng, from: &mut Vec<T>) -> T {
    from.swap_remove(dice.random_range(0..from.len()))
}
