//! A watch that goes on: when its connection breaks, it is made anew from the last revision that was told.

use std::sync::Arc;
use std::time::Duration;

use etcd_client::{Event, EventType, WatchOptions, WatchResponse, WatchStream};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tonic::async_trait;

use super::super::{Change, Changes, Revision, StoreError, Watch, WatchError, WatchSource};
use super::connection::{Connection, Connections};
use super::failure::Failure;
use super::revision;

/// Transactions that wait for whoever watches; etcd keeps the rest.
const QUEUE: usize = 64;
/// What a watch that catches up may be sent at once, bytes. More is listed anew.
const LONGEST: usize = 64 * 1024 * 1024;
/// Between two connections that fail.
const PAUSE: Duration = Duration::from_millis(200);
/// Refusals in a row, each on a connection of its own, after which nothing else is expected.
const REFUSALS: usize = 3;

/// Watches in a task of its own until the watch is dropped.
pub(super) fn start(connections: Arc<Connections>, prefix: &str, after: Revision) -> Watch {
    let (told, queue) = mpsc::channel(QUEUE);
    let follower = Follower {
        connections,
        prefix: prefix.to_owned(),
        after,
        told: told.clone(),
    };
    tokio::spawn(async move {
        tokio::select! {
            error = follower.run() => {
                // Nobody is there to be told.
                let _ = told.send(Err(error)).await;
            }
            () = told.closed() => {}
        }
    });
    Watch::new(Queue(queue))
}

struct Queue(mpsc::Receiver<Result<Changes, WatchError>>);

#[async_trait]
impl WatchSource for Queue {
    async fn next(&mut self) -> Result<Changes, WatchError> {
        self.0.recv().await.unwrap_or_else(|| {
            let ended = "the watch has ended: begin another one";
            Err(WatchError::Lost(StoreError::Unavailable(ended.into())))
        })
    }
}

struct Follower {
    connections: Arc<Connections>,
    prefix: String,
    /// All changes up to here are told.
    after: Revision,
    told: mpsc::Sender<Result<Changes, WatchError>>,
}

/// Why a stream ended.
enum End {
    /// Another one may go on.
    Broken(String),
    Refused(StoreError),
    Over(WatchError),
}

impl Follower {
    async fn run(mut self) -> WatchError {
        let mut refusals = 0;
        loop {
            let connection = self.connections.current();
            let before = self.after;
            let end = match self.open(&connection).await {
                Ok(stream) => self.follow(stream, &connection).await,
                Err(end) => end,
            };
            if self.after != before {
                refusals = 0;
            }
            match end {
                End::Over(error) => return error,
                End::Refused(error) => {
                    refusals += 1;
                    if refusals == REFUSALS {
                        return WatchError::Lost(error);
                    }
                }
                End::Broken(problem) => {
                    tracing::info!(problem, "watching etcd on another connection");
                }
            }
            self.connections.leave(&connection);
            sleep(PAUSE).await;
        }
    }

    async fn open(&self, connection: &Connection) -> Result<WatchStream, End> {
        let client = self.connections.client(connection).await;
        let client = client.map_err(End::from)?;
        let keys = self.connections.keys();
        let from = i64::try_from(self.after.saturating_add(1)).unwrap_or(i64::MAX);
        let options = WatchOptions::new()
            .with_range(keys.end(&self.prefix))
            .with_start_revision(from);
        let mut watches = client.watch_client().max_decoding_message_size(LONGEST);
        let opened = watches.watch(keys.full(&self.prefix), Some(options));
        match timeout(self.connections.timeouts().attempt, opened).await {
            Ok(opened) => opened.map_err(|error| self.end(connection, &error)),
            Err(_) => Err(End::Broken("a watch was not answered".into())),
        }
    }

    async fn follow(&mut self, mut stream: WatchStream, connection: &Connection) -> End {
        loop {
            let response = match stream.message().await {
                Ok(Some(response)) => response,
                Ok(None) => return End::Broken("etcd ended the watch".into()),
                Err(error) => return self.end(connection, &error),
            };
            if response.compact_revision() != 0 {
                return End::Over(WatchError::Compacted);
            }
            if response.canceled() {
                return cancelled(response.cancel_reason());
            }
            if let Err(end) = self.tell(&response).await {
                return end;
            }
        }
    }

    /// etcd sends all of a revision in one response.
    async fn tell(&mut self, response: &WatchResponse) -> Result<(), End> {
        let events = response.events();
        let of = |event: &Event| event.kv().map_or(0, |kv| revision(kv.mod_revision()));
        for some in events.chunk_by(|one, next| of(one) == of(next)) {
            let Some(revision) = some.first().map(of).filter(|at| *at > self.after) else {
                continue;
            };
            let changes: Result<Vec<_>, _> = some.iter().filter_map(|e| self.change(e)).collect();
            let changes = changes.map_err(|error| End::Over(WatchError::Lost(error)))?;
            if self
                .told
                .send(Ok(Changes { revision, changes }))
                .await
                .is_err()
            {
                return Err(End::Broken("nobody watches any more".into()));
            }
            self.after = revision;
        }
        Ok(())
    }

    fn change(&self, event: &Event) -> Option<Result<Change, StoreError>> {
        let found = event.kv()?;
        let keys = self.connections.keys();
        Some(match event.event_type() {
            EventType::Put => super::page::entry(keys, found.clone()).map(Change::Put),
            EventType::Delete => keys.own(found.key()).map(|key| Change::Deleted { key }),
        })
    }

    fn end(&self, connection: &Connection, error: &etcd_client::Error) -> End {
        self.connections.failure(connection, error).into()
    }
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Final(error) => Self::Refused(error),
            Failure::TooLong => Self::Over(WatchError::Compacted),
            Failure::NotDone(unanswered)
            | Failure::LoggedOut(unanswered)
            | Failure::Unknown(unanswered) => Self::Broken(unanswered.to_string()),
        }
    }
}

/// A login that ran out is refused with the same words as a role without the right.
fn cancelled(reason: &str) -> End {
    if reason.contains("permission denied") {
        let status = tonic::Status::permission_denied(reason);
        return Failure::of("", &etcd_client::Error::GRpcStatus(status)).into();
    }
    End::Broken(format!("etcd cancelled the watch: {reason}"))
}
