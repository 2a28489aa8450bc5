use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::follower::Follower;
use cattery_authority::app::{App, Running, StartError};
use cattery_authority::config::{Config, StoreSettings};
use cattery_authority::init::{InitOptions, InitUnseal, initialize};
use cattery_proto::v1::admin_client::AdminClient;
use cattery_proto::v1::enrollment_client::EnrollmentClient;
use cattery_proto::v1::user_keys_client::UserKeysClient;
use cattery_proto::v1::*;
use cattery_sdk::connect::Connector;
use cattery_sdk::identity::KeyPair;
use cattery_sdk::portable::{ApiKey as ApiKeyText, JoinToken};
use cattery_sdk::sealing::{INFO_API_KEY, INFO_JOIN_TOKEN, INFO_USER_KEY, ReceiverKey};
use cattery_sdk::tls::{Identity as Client, Trust};
use tempfile::TempDir;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use zeroize::Zeroizing;

pub(crate) const PASSPHRASE: &str = "correct horse battery staple";

pub(crate) fn passphrase() -> Zeroizing<String> {
    Zeroizing::new(PASSPHRASE.to_owned())
}

pub(crate) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

/// Returns when it is that time.
pub(crate) async fn wait_until(time: u64) {
    while now() < time {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// Returns when the schedule is as it should be.
pub(crate) async fn settled(
    cluster: &Cluster,
    service: &str,
    is_so: impl Fn(&KeySchedule) -> bool,
) -> KeySchedule {
    loop {
        let schedule = cluster.schedule(service).await;
        if is_so(&schedule) {
            return schedule;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// A cluster with one authority, which runs, and its first admin `root`.
pub(crate) struct Cluster {
    pub(crate) dir: TempDir,
    pub(crate) running: Option<Running>,
    pub(crate) root: Client,
    /// What that is made of.
    root_parts: (Vec<u8>, Arc<KeyPair>),
    pub(crate) bundle: Vec<Vec<u8>>,
}

/// Someone with a certificate.
pub(crate) struct Enrolled {
    pub(crate) client: Client,
    pub(crate) identity: Identity,
}

impl Cluster {
    pub(crate) async fn start() -> Self {
        let mut cluster = Self::made(|dir| InitUnseal::KeyFile(dir.join("unseal.key"))).await;
        cluster.restart().await;
        cluster
    }

    /// Not started.
    pub(crate) async fn made(unseal: impl FnOnce(&Path) -> InitUnseal) -> Self {
        Self::made_of(StoreSettings::Embedded, now(), unseal).await
    }

    /// The same, some time ago (Unix seconds).
    pub(crate) async fn made_at(now: u64, unseal: impl FnOnce(&Path) -> InitUnseal) -> Self {
        Self::made_of(StoreSettings::Embedded, now, unseal).await
    }

    /// Not started, in a store of any kind.
    pub(crate) async fn made_in(
        store: StoreSettings,
        unseal: impl FnOnce(&Path) -> InitUnseal,
    ) -> Self {
        Self::made_of(store, now(), unseal).await
    }

    async fn made_of(
        store: StoreSettings,
        now: u64,
        unseal: impl FnOnce(&Path) -> InitUnseal,
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let options = InitOptions {
            store,
            dir: dir.path().join("authority"),
            trust_domain: "example.org".into(),
            listen: "127.0.0.1:0".into(),
            addresses: Vec::new(),
            unseal: unseal(dir.path()),
            operator: "root".into(),
            operator_csr: key.csr().unwrap(),
            now,
        };
        let operator = initialize(options).await.unwrap().operator;
        Self {
            dir,
            running: None,
            root: Client::new(operator.certificate.clone(), key.pkcs8()),
            root_parts: (operator.certificate, Arc::new(key)),
            bundle: operator.cluster.unwrap().trust_bundle,
        }
    }

    /// The place of another cluster, with the same operator and key file.
    pub(crate) fn elsewhere(&self) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let key_file = "unseal.key";
        std::fs::copy(self.dir.path().join(key_file), dir.path().join(key_file)).unwrap();
        let (certificate, key) = &self.root_parts;
        Self {
            dir,
            running: None,
            root: Client::new(certificate.clone(), key.pkcs8()),
            root_parts: self.root_parts.clone(),
            bundle: self.bundle.clone(),
        }
    }

    pub(crate) fn config(&self) -> Config {
        Config::load(&self.authority_dir()).unwrap()
    }

    pub(crate) fn authority_dir(&self) -> std::path::PathBuf {
        self.dir.path().join("authority")
    }

    pub(crate) async fn restart(&mut self) {
        self.restart_with(self.config()).await.unwrap();
    }

    pub(crate) async fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.shutdown().await;
        }
    }

    pub(crate) async fn restart_with(&mut self, config: Config) -> Result<(), StartError> {
        self.stop().await;
        self.running = Some(App::start(config, None).await?);
        Ok(())
    }

    pub(crate) fn address(&self) -> String {
        self.running.as_ref().unwrap().local_addr().to_string()
    }

    pub(crate) fn channel(&self, client: Option<&Client>) -> Channel {
        let trust = Trust::Bundle(self.bundle.clone());
        Connector::new(vec![self.address()], &trust, client)
            .unwrap()
            .channel()
    }

    pub(crate) fn admin(&self) -> AdminClient<Channel> {
        self.admin_as(&self.root)
    }

    pub(crate) fn admin_as(&self, client: &Client) -> AdminClient<Channel> {
        AdminClient::new(self.channel(Some(client)))
    }

    pub(crate) async fn add_service(&self, name: &str) -> Service {
        let request = AddServiceRequest { name: name.into() };
        let answer = self.admin().add_service(request).await.unwrap();
        answer.into_inner().service.unwrap()
    }

    pub(crate) async fn add_user(&self, name: &str) -> User {
        let request = AddUserRequest { name: name.into() };
        let answer = self.admin().add_user(request).await.unwrap();
        answer.into_inner().user.unwrap()
    }

    pub(crate) async fn join_token(&self, service: &str) -> JoinToken {
        self.join_token_for(service, 0).await.unwrap()
    }

    pub(crate) async fn join_token_for(
        &self,
        service: &str,
        ttl_seconds: u64,
    ) -> Result<JoinToken, Status> {
        let receiver = ReceiverKey::generate().unwrap();
        let request = CreateJoinTokenRequest {
            service: service.into(),
            ttl_seconds,
            receiver_public_key: receiver.public_key(),
        };
        let answer = self.admin().create_join_token(request).await?.into_inner();
        let text = receiver
            .open(INFO_JOIN_TOKEN, &answer.sealed_join_token.unwrap())
            .unwrap();
        Ok(JoinToken::parse(std::str::from_utf8(&text).unwrap()).unwrap())
    }

    pub(crate) async fn invite(&self, name: &str, role: &str) -> Result<JoinToken, Status> {
        let receiver = ReceiverKey::generate().unwrap();
        let request = AddOperatorRequest {
            name: name.into(),
            role: role.into(),
            receiver_public_key: receiver.public_key(),
        };
        let answer = self.admin().add_operator(request).await?.into_inner();
        let text = receiver
            .open(INFO_JOIN_TOKEN, &answer.sealed_join_token.unwrap())
            .unwrap();
        Ok(JoinToken::parse(std::str::from_utf8(&text).unwrap()).unwrap())
    }

    /// As a newcomer does it: trusting nothing but the join token.
    pub(crate) async fn enroll(
        &self,
        token: &JoinToken,
        key: &KeyPair,
    ) -> Result<Enrolled, Status> {
        let trust = Trust::Fingerprint(token.ca_sha256);
        let channel = Connector::new(vec![self.address()], &trust, None)
            .unwrap()
            .channel();
        let request = EnrollRequest {
            join_token_id: token.id.to_vec(),
            join_token_secret: token.secret.to_vec(),
            csr: key.csr().unwrap(),
        };
        let answer = EnrollmentClient::new(channel).enroll(request).await?;
        let identity = answer.into_inner().identity.unwrap();
        Ok(Enrolled {
            client: Client::new(identity.certificate.clone(), key.pkcs8()),
            identity,
        })
    }

    /// An agent of a service, which is made if it is missing.
    pub(crate) async fn agent(&self, service: &str) -> Enrolled {
        let request = AddServiceRequest {
            name: service.into(),
        };
        let _ = self.admin().add_service(request).await;
        let token = self.join_token(service).await;
        let key = KeyPair::generate().unwrap();
        self.enroll(&token, &key).await.unwrap()
    }

    pub(crate) async fn operator(&self, name: &str, role: &str) -> Enrolled {
        let token = self.invite(name, role).await.unwrap();
        let key = KeyPair::generate().unwrap();
        self.enroll(&token, &key).await.unwrap()
    }

    /// The keys of the service whose certificate this is, as an agent that has none yet gets them: (epoch, generation, key).
    pub(crate) async fn service_keys(
        &self,
        client: &Client,
    ) -> Result<(ServiceNews, Vec<(u32, u32, Vec<u8>)>), Status> {
        let mut follower = self.follow(client, None).await?;
        let news = follower.next().await?.news.unwrap();
        let keys = follower.open(&news);
        Ok((news, keys))
    }

    /// The life of the cluster's keys, or a service's.
    pub(crate) async fn schedule(&self, service: &str) -> KeySchedule {
        let service = service.to_owned();
        let request = GetKeyScheduleRequest { service };
        let answer = self.admin().get_key_schedule(request).await.unwrap();
        answer.into_inner().schedule.unwrap()
    }

    /// A step in that life.
    pub(crate) async fn step(
        &self,
        service: &str,
        command: KeyCommand,
        force: bool,
    ) -> ChangeKeyScheduleResponse {
        let request = ChangeKeyScheduleRequest {
            service: service.to_owned(),
            command: command.into(),
            force,
            ..Default::default()
        };
        let answer = self.admin().change_key_schedule(request).await.unwrap();
        answer.into_inner()
    }

    /// The CAs.
    pub(crate) async fn cas(&self) -> CaSchedule {
        let answer = self.admin().get_cas(GetCasRequest {}).await.unwrap();
        answer.into_inner().schedule.unwrap()
    }

    /// A step in their life.
    pub(crate) async fn step_ca(&self, command: KeyCommand, force: bool) -> ChangeCasResponse {
        let command = command.into();
        let request = ChangeCasRequest { command, force };
        let answer = self.admin().change_cas(request).await.unwrap();
        answer.into_inner()
    }

    /// A stream of an agent that holds all up to a place.
    pub(crate) async fn follow(
        &self,
        client: &Client,
        holds: Option<Position>,
    ) -> Result<Follower, Status> {
        Follower::start(self.channel(Some(client)), holds).await
    }

    pub(crate) async fn api_key(&self, user: &str) -> (ApiKey, ApiKeyText) {
        self.api_key_for(user, 0).await
    }

    pub(crate) async fn api_key_for(&self, user: &str, ttl_seconds: u64) -> (ApiKey, ApiKeyText) {
        let made = self.narrow_api_key(user, ttl_seconds, Vec::new()).await;
        made.unwrap()
    }

    pub(crate) async fn narrow_api_key(
        &self,
        user: &str,
        ttl_seconds: u64,
        caveats: Vec<Vec<u8>>,
    ) -> Result<(ApiKey, ApiKeyText), Status> {
        let receiver = ReceiverKey::generate().unwrap();
        let request = CreateApiKeyRequest {
            user: user.into(),
            ttl_seconds,
            receiver_public_key: receiver.public_key(),
            caveats,
        };
        let answer = self.admin().create_api_key(request).await?.into_inner();
        let text = receiver
            .open(INFO_API_KEY, &answer.sealed_api_key.unwrap())
            .unwrap();
        let text = ApiKeyText::parse(std::str::from_utf8(&text).unwrap()).unwrap();
        Ok((answer.api_key.unwrap(), text))
    }

    pub(crate) async fn grant(
        &self,
        principal: &str,
        service: &str,
        caveats: &[&str],
        max_lease_seconds: u64,
    ) -> Result<Grant, Status> {
        let request = AddGrantRequest {
            principal: principal.into(),
            service: service.into(),
            caveats: caveats.iter().map(|text| caveat(text)).collect(),
            max_lease_seconds,
        };
        let answer = self.admin().add_grant(request).await?;
        Ok(answer.into_inner().grant.unwrap())
    }

    /// User keys by API key.
    pub(crate) async fn user_keys(
        &self,
        api_key: &ApiKeyText,
        services: &[&str],
        lease_seconds: u64,
    ) -> Result<Vec<(String, Option<cattery_core::UserKey>)>, Status> {
        self.user_keys_at(&self.address(), api_key, services, lease_seconds)
            .await
    }

    /// As [`user_keys`](Self::user_keys), of an authority that runs elsewhere.
    pub(crate) async fn user_keys_at(
        &self,
        address: &str,
        api_key: &ApiKeyText,
        services: &[&str],
        lease_seconds: u64,
    ) -> Result<Vec<(String, Option<cattery_core::UserKey>)>, Status> {
        let trust = Trust::Fingerprint(api_key.ca_sha256);
        let connector = Connector::new(vec![address.to_owned()], &trust, None).unwrap();
        let (request, receiver) = key_request(services, lease_seconds);
        let mut request = Request::new(request);
        let bearer = format!("Bearer {}", *api_key.to_text());
        request
            .metadata_mut()
            .insert("authorization", bearer.parse().unwrap());
        let mut calls = UserKeysClient::new(connector.channel());
        let answer = calls.issue_user_keys(request).await?.into_inner();
        Ok(opened(answer, &receiver))
    }

    /// User keys of a service as a client.
    pub(crate) async fn client_keys(
        &self,
        client: &Client,
        services: &[&str],
    ) -> Result<Vec<(String, Option<cattery_core::UserKey>)>, Status> {
        let (request, receiver) = key_request(services, 0);
        let mut calls = UserKeysClient::new(self.channel(Some(client)));
        let answer = calls.issue_user_keys(request).await?.into_inner();
        Ok(opened(answer, &receiver))
    }

    /// All audit records, as JSON.
    pub(crate) fn audit(&self) -> Vec<serde_json::Value> {
        let config = self.config();
        let name = format!("{}.log", config.authority_id);
        let log = config.dir.join("audit").join(name);
        let text = std::fs::read_to_string(log).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// How many records of an action there are, intents included.
    pub(crate) fn audited(&self, action: &str) -> usize {
        let records = self.audit();
        records.iter().filter(|r| r["action"] == action).count()
    }
}

fn key_request(services: &[&str], lease_seconds: u64) -> (IssueUserKeysRequest, ReceiverKey) {
    let receiver = ReceiverKey::generate().unwrap();
    let request = IssueUserKeysRequest {
        services: services.iter().map(|name| (*name).to_owned()).collect(),
        receiver_public_key: receiver.public_key(),
        lease_seconds,
    };
    (request, receiver)
}

fn opened(
    answer: IssueUserKeysResponse,
    receiver: &ReceiverKey,
) -> Vec<(String, Option<cattery_core::UserKey>)> {
    let open = |key: IssuedKey| match key.result.unwrap() {
        issued_key::Result::SealedUserKey(sealed) => {
            let bytes = receiver.open(INFO_USER_KEY, &sealed).unwrap();
            let user_key = cattery_core::UserKey::parse_bytes(&bytes).unwrap();
            (key.service, Some(user_key))
        }
        issued_key::Result::Refusal(_) => (key.service, None),
    };
    answer.keys.into_iter().map(open).collect()
}

pub(crate) fn caveat(text: &str) -> Vec<u8> {
    let caveat: cattery_core::Caveat<'static> = text.parse().unwrap();
    let mut out = Vec::new();
    caveat.encode(&mut out).unwrap();
    out
}

/// The error of a call that has to be refused, and its message's words.
#[track_caller]
pub(crate) fn refused<T>(result: Result<T, Status>, code: Code, words: &str) {
    match result {
        Ok(_) => panic!("was let through"),
        Err(status) => {
            assert_eq!(status.code(), code, "{status:?}");
            assert!(status.message().contains(words), "{status:?}");
            assert!(!status.message().contains('\n'), "{status:?}");
        }
    }
}
