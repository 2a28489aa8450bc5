//! What the authority of these tests says on a stream.

use std::sync::Arc;

use cattery_proto::v1;
use cattery_sdk::sealing::{INFO_SERVICE_KEY, seal};
use tokio::sync::mpsc;
use tonic::{Result, Status, Streaming};

use crate::authority::{Beat, SERVICE, Script, Shared, root};
use crate::town::now;

/// One agent on one stream.
struct Listener {
    stream: u32,
    beat: u64,
    receiver: Vec<u8>,
    /// What it holds, as far as this stream knows, and the epochs of that.
    told: Option<v1::Position>,
    epochs: Vec<u32>,
    /// Whether there is more to tell already.
    more: bool,
}

/// Counts an open stream.
struct Open<'a>(&'a Shared);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.script.lock().unwrap().open -= 1;
    }
}

/// Answers beats and tells what is new, until one side has enough.
pub(crate) async fn converse(
    shared: Arc<Shared>,
    mut beats: Streaming<v1::FollowServiceKeysRequest>,
    answers: mpsc::Sender<Result<v1::FollowServiceKeysResponse>>,
) {
    let mut changes = shared.changes.subscribe();
    let stream = {
        let mut script = shared.script.lock().unwrap();
        script.open += 1;
        script.streams += 1;
        script.streams
    };
    let _open = Open(&shared);
    let mut listener = Listener {
        stream,
        beat: 0,
        receiver: Vec::new(),
        told: None,
        epochs: Vec::new(),
        more: false,
    };
    loop {
        let has_more = listener.more && !shared.script.lock().unwrap().holds_parts;
        let beat = tokio::select! {
            () = std::future::ready(()), if has_more => None,
            beat = beats.message() => match beat {
                Ok(Some(beat)) => Some(beat),
                Ok(None) | Err(_) => return,
            },
            _ = changes.changed() => None,
        };
        let answer = {
            let mut script = shared.script.lock().unwrap();
            match script.ended < stream {
                false => Some(Err(Status::unavailable("this authority stops"))),
                true => listener.answer(&shared, &mut script, beat).map(Ok),
            }
        };
        let Some(answer) = answer else { continue };
        let is_end = answer.is_err();
        if answers.send(answer).await.is_err() || is_end {
            return;
        }
    }
}

impl Listener {
    fn answer(
        &mut self,
        shared: &Shared,
        script: &mut Script,
        beat: Option<v1::FollowServiceKeysRequest>,
    ) -> Option<v1::FollowServiceKeysResponse> {
        let is_beat = beat.is_some();
        if let Some(beat) = beat {
            script.requests += 1;
            script.beats.push(Beat {
                stream: self.stream,
                request: beat.clone(),
            });
            if script.ignores_beats || (script.ignores_looks && beat.look) {
                return None;
            }
            if beat.beat == 1 {
                self.receiver = beat.receiver_public_key;
                self.told = beat.holds;
                if self.told == Some(position(script)) {
                    self.epochs = script.epochs.iter().map(|(epoch, ..)| *epoch).collect();
                }
            }
            self.beat = beat.beat;
        }
        if self.beat == 0 {
            return None;
        }
        let is_held = self.more && script.holds_parts;
        let is_new = self.told != Some(position(script)) && !is_held;
        let news = is_new.then(|| self.news(shared, script));
        (is_beat || is_new).then(|| v1::FollowServiceKeysResponse {
            beat: self.beat,
            server_time_ms: now().saturating_add_signed(script.ahead_seconds) * 1_000,
            beat_after_seconds: script.beat_after_seconds,
            news,
        })
    }

    fn news(&mut self, shared: &Shared, script: &mut Script) -> v1::ServiceNews {
        let since = match script.since.take() {
            Some(sequence) => Some(v1::Position {
                sequence,
                ..position(script)
            }),
            None => self.told.filter(|_| script.deltas || self.more),
        };
        let keys = script.epochs.iter().map(|(epoch, state, not_after)| {
            let key = root(*epoch).service_key(&SERVICE.parse().unwrap(), 0);
            let is_held = since.is_some() && self.epochs.contains(epoch);
            let sealed =
                (!is_held).then(|| seal(&self.receiver, INFO_SERVICE_KEY, key.expose()).unwrap());
            v1::ServiceKey {
                epoch: *epoch,
                generation: 0,
                state: (*state).into(),
                not_after: *not_after,
                sealed_key: sealed,
            }
        });
        let least_version = |(principal, version): &(&str, u32)| v1::LeastVersion {
            principal: (*principal).into(),
            version: *version,
        };
        let known = since.map_or(0, |since| since.sequence);
        let revoked = script.revoked.iter().filter(|(at, _)| *at > known);
        let part: Vec<_> = revoked.clone().take(script.part).cloned().collect();
        self.more = revoked.count() > part.len();
        let told = v1::Position {
            sequence: match part.last() {
                Some((at, _)) if self.more => *at,
                _ => script.sequence,
            },
            ..position(script)
        };
        let news = v1::ServiceNews {
            since,
            position: Some(told),
            as_of: Some(position(script)),
            service: SERVICE.into(),
            cluster: since.is_none().then(|| shared.cluster()),
            keys: keys.collect(),
            least_versions: script.least_versions.iter().map(least_version).collect(),
            revocation_key: match since {
                Some(_) => Vec::new(),
                None => script.revocation_key.clone(),
            },
            revoked_ids: part.into_iter().map(|(_, revoked)| revoked).collect(),
            more: self.more,
        };
        script.news += 1;
        self.told = Some(told);
        self.epochs = script.epochs.iter().map(|(epoch, ..)| *epoch).collect();
        news
    }
}

fn position(script: &Script) -> v1::Position {
    v1::Position {
        incarnation: script.incarnation,
        sequence: script.sequence,
    }
}
