//! A backup, as it is read from the store.

use std::pin::Pin;
use std::time::Duration;

use cattery_proto::v1::BackupResponse;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use tracing::Instrument as _;

use crate::act::Act;
use crate::audit::Action;
use crate::backup::BackupWriter;
use crate::cluster::{Authority, Shared};
use crate::failure::Failure;

/// Bytes of one piece: well below what any client takes.
const PIECE: usize = 64 * 1024;
/// Pieces that wait for the network.
const QUEUE: usize = 2;
/// How long a client may leave a piece unread: the store keeps what it replaces meanwhile.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) type Pieces = Pin<Box<dyn Stream<Item = Result<BackupResponse, Status>> + Send>>;

/// Takes the store as it is now. What leaves is in the audit log before.
pub(super) async fn begin(authority: Shared, act: Act) -> Result<Pieces, Failure> {
    let Authority {
        backups, registry, ..
    } = &*authority;
    if backups.taking.try_lock().is_err() {
        return Err(busy());
    }
    let writer = BackupWriter::begin(&*backups.store, &backups.sealer, act.now()).await?;
    let subject = format!("cluster/{}", authority.cluster.cluster_id);
    let event = act
        .event(Action::BackupMade, subject)
        .field("revision", writer.header().revision.to_string());
    registry.audit().append(event).await?;
    let (pieces, queue) = mpsc::channel(QUEUE);
    let work = async move {
        if let Err(failure) = send(&authority, writer, &pieces).await {
            // Nobody who is gone needs to know.
            let _ = pieces.try_send(Err(failure.into_status(&act.request_id)));
        }
    };
    tokio::spawn(work.instrument(tracing::Span::current()));
    Ok(Box::pin(ReceiverStream::new(queue)))
}

async fn send(
    authority: &Authority,
    mut writer: BackupWriter,
    pieces: &mpsc::Sender<Result<BackupResponse, Status>>,
) -> Result<(), Failure> {
    let Ok(_alone) = authority.backups.taking.try_lock() else {
        return Err(busy());
    };
    while let Some(lines) = writer.next().await? {
        for piece in lines.chunks(PIECE) {
            let piece = piece.to_vec();
            let sent = pieces.send(Ok(BackupResponse { piece }));
            match timeout(PATIENCE, sent).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Ok(()),
                Err(_) => return Err(Failure::Refused("a piece was not read in time".into())),
            }
        }
    }
    Ok(())
}

fn busy() -> Failure {
    let why = "somebody is taking a backup already; try again when that is done";
    Failure::Refused(why.into())
}
