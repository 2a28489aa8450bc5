use cattery_authority::backup::BackupFile;
use cattery_proto::v1;

use crate::{authority::Session, home::Home};

/// Has an authority take it.
pub(super) async fn write(home: &Home, file: &mut BackupFile) -> anyhow::Result<()> {
    let mut session = Session::open(home).await?;
    let answer = session.admin.backup(v1::BackupRequest {}).await;
    let mut pieces = answer
        .map_err(|status| session.refused(&status))?
        .into_inner();
    loop {
        match pieces.message().await {
            Ok(Some(v1::BackupResponse { piece })) => file.write(&piece)?,
            Ok(None) => return Ok(()),
            Err(status) => return Err(session.refused(&status)),
        }
    }
}
