//! One connection at a time, to whichever member answers.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use etcd_client::{Client, Error, GetOptions};
use tokio::sync::OnceCell;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::super::{BootTime, StoreError};
use super::failure::{Failure, Unanswered};
use super::forward::Forward;
use super::keys::Keys;
use super::options::{EtcdOptions, EtcdTimeouts};

/// Between two rounds over all members.
const PAUSE: Duration = Duration::from_millis(100);
/// Fresh logins that may be refused in one call.
const LOGINS: usize = 2;

/// Whether a call may be made again when it may have had its effect already.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    Freely,
    /// And it is not to be sent at all from that moment on.
    Never(BootTime),
}

/// The members, and the connection in use.
pub(super) struct Connections {
    options: EtcdOptions,
    urls: Vec<String>,
    keys: Keys,
    current: Mutex<Arc<Connection>>,
    forward: Forward,
}

/// A connection to one member, made when it is first used.
pub(super) struct Connection {
    member: usize,
    client: OnceCell<Client>,
}

impl Connections {
    pub(super) fn new(options: EtcdOptions) -> Result<Self, StoreError> {
        let (urls, keys) = options.check()?;
        Ok(Self {
            options,
            urls,
            keys,
            current: Mutex::new(Connection::to(0)),
            forward: Forward::default(),
        })
    }

    pub(super) fn keys(&self) -> &Keys {
        &self.keys
    }

    pub(super) fn forward(&self) -> &Forward {
        &self.forward
    }

    pub(super) fn timeouts(&self) -> EtcdTimeouts {
        self.options.timeouts
    }

    /// The connection in use.
    pub(super) fn current(&self) -> Arc<Connection> {
        self.lock().clone()
    }

    /// Takes another member from now on, unless somebody did so already.
    pub(super) fn leave(&self, connection: &Arc<Connection>) {
        self.replace(connection, (connection.member + 1) % self.urls.len());
    }

    /// The client of a connection, once it has answered.
    pub(super) async fn client(&self, connection: &Connection) -> Result<Client, Failure> {
        let made = connection.client.get_or_try_init(|| self.open(connection));
        let limit = self.timeouts().attempt;
        match timeout(limit, made).await {
            Ok(made) => made.cloned(),
            Err(_) => Err(Failure::NotDone(self.silence(connection, limit))),
        }
    }

    /// Does `work` on the connection in use, or on one to another member, until one of them answers or the time is over.
    pub(super) async fn call<T, F>(
        &self,
        repeat: Repeat,
        work: impl Fn(&Client) -> F,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, Error>>,
    {
        self.call_for(repeat, work).await?.ok_or_else(|| {
            StoreError::Corrupt("etcd answered more than was ever stored in one place".into())
        })
    }

    /// As [`call`](Self::call); `None` where the answer is too long.
    pub(super) async fn call_for<T, F>(
        &self,
        repeat: Repeat,
        work: impl Fn(&Client) -> F,
    ) -> Result<Option<T>, StoreError>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let deadline = Instant::now() + self.timeouts().call;
        let (mut tried, mut logins) = (0, 0);
        loop {
            let connection = self.current();
            let failure = match self.attempt(&connection, repeat, deadline, &work).await {
                Ok(answer) => return Ok(Some(answer)),
                Err(failure) => failure,
            };
            let unanswered = match failure {
                Failure::Final(error) => return Err(error),
                Failure::TooLong => return Ok(None),
                Failure::LoggedOut(unanswered) => {
                    logins += 1;
                    self.replace(&connection, connection.member);
                    if logins > LOGINS {
                        return Err(unanswered.into());
                    }
                    unanswered
                }
                Failure::NotDone(unanswered) => {
                    self.leave(&connection);
                    unanswered
                }
                Failure::Unknown(unanswered) => {
                    self.leave(&connection);
                    if repeat != Repeat::Freely {
                        return Err(unanswered.into());
                    }
                    unanswered
                }
            };
            tracing::debug!(%unanswered, "etcd did not answer");
            tried += 1;
            if tried % self.urls.len() == 0 {
                sleep(PAUSE).await;
            }
            if Instant::now() >= deadline {
                return Err(unanswered.into());
            }
        }
    }

    async fn attempt<T, F>(
        &self,
        connection: &Connection,
        repeat: Repeat,
        deadline: Instant,
        work: &impl Fn(&Client) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let client = self.client(connection).await?;
        let began = Instant::now();
        let until = match repeat {
            Repeat::Never(too_late) if too_late.is_past() => {
                return Err(Failure::Final(StoreError::TooLate));
            }
            Repeat::Never(_) => deadline,
            Repeat::Freely => deadline.min(began + self.timeouts().attempt),
        };
        match timeout_at(until, work(&client)).await {
            Ok(answer) => answer.map_err(|error| self.failure(connection, &error)),
            Err(_) => Err(Failure::Unknown(self.silence(connection, until - began))),
        }
    }

    /// Connects and logs in, and asks for what only a member that hears from the others can answer.
    async fn open(&self, connection: &Connection) -> Result<Client, Failure> {
        let url = &self.urls[connection.member];
        let opened = async {
            let client = Client::connect([url], Some(self.options.connect())).await?;
            let probe = GetOptions::new().with_count_only();
            client
                .kv_client()
                .get(self.keys.full(""), Some(probe))
                .await?;
            Ok(client)
        };
        opened.await.map_err(|error| {
            match self.failure(connection, &error) {
                // Nothing was sent that changes anything.
                Failure::Unknown(unanswered) | Failure::LoggedOut(unanswered) => {
                    Failure::NotDone(unanswered)
                }
                other => other,
            }
        })
    }

    pub(super) fn failure(&self, connection: &Connection, error: &Error) -> Failure {
        Failure::of(&self.urls[connection.member], error)
    }

    fn silence(&self, connection: &Connection, waited: Duration) -> Unanswered {
        Unanswered {
            endpoint: self.urls[connection.member].clone(),
            problem: format!("no answer within {waited:?}"),
        }
    }

    fn replace(&self, connection: &Arc<Connection>, member: usize) {
        let mut current = self.lock();
        if Arc::ptr_eq(&current, connection) {
            *current = Connection::to(member);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Arc<Connection>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    fn to(member: usize) -> Arc<Self> {
        Arc::new(Self {
            member,
            client: OnceCell::new(),
        })
    }
}
