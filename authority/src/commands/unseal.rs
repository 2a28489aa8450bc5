use std::io;

use anyhow::Context as _;
use cattery_authority::app::socket_path;
use cattery_authority::seal::passphrase_from_standard_input;
use cattery_proto::v1::UnsealRequest;
use cattery_proto::v1::unseal_client::UnsealClient;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::transport::Endpoint;

use super::Place;

pub(crate) const PROMPT: &str = "Passphrase: ";

/// Opens the authority that runs in a directory.
pub(crate) async fn unseal(place: &Place) -> anyhow::Result<()> {
    let path = socket_path(&place.dir);
    let stream = UnixStream::connect(&path).await.with_context(|| {
        format!(
            "no authority that takes a passphrase runs in {}: start it with `cattery-authority run --dir {}`",
            place.dir.display(),
            place.dir.display()
        )
    })?;
    let mut stream = Some(stream);
    let connector = tower::service_fn(move |_| {
        let stream = stream.take().map(TokioIo::new);
        std::future::ready(stream.ok_or(io::Error::from(io::ErrorKind::NotConnected)))
    });
    // Only fills `:authority`: the stream is the one above.
    let channel = Endpoint::from_static("http://authority.cattery.internal")
        .connect_with_connector(connector)
        .await?;
    let mut passphrase = passphrase_from_standard_input(PROMPT)?;
    let request = UnsealRequest {
        passphrase: std::mem::take(&mut *passphrase),
    };
    match UnsealClient::new(channel).unseal(request).await {
        Ok(_) => Ok(()),
        Err(status) => anyhow::bail!("{}", status.message()),
    }
}
