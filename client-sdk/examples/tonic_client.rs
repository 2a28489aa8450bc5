//! A tonic client that signs every call, with the API key on standard input.
//!
//! ```text
//! cargo run -p cattery-sdk --example tonic_client -- photos http://127.0.0.1:50051 < api-key
//! ```

use std::io::Read as _;

use anyhow::Context as _;
use cattery_sdk::{
    Client, ConnectOptions, Credentials,
    portable::ApiKey,
    sign::{SignLayer, Signer},
};
use tonic::transport::{Endpoint, Uri};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tower::ServiceBuilder;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let (Some(service), Some(uri)) = (args.next(), args.next()) else {
        anyhow::bail!("usage: tonic_client SERVICE URI < API_KEY");
    };
    let mut text = zeroize::Zeroizing::new(String::new());
    std::io::stdin().read_to_string(&mut text)?;
    let credentials = Credentials::ApiKey(ApiKey::parse(&text)?);
    let options = ConnectOptions {
        services: vec![service.clone()],
        ..ConnectOptions::default()
    };
    let client = Client::connect(credentials, options).await?;

    // Each token is good for one path at one authority, which the channel adds behind the layer.
    let uri: Uri = uri.parse()?;
    let authority = uri
        .authority()
        .context("the URI names no server: http://HOST:PORT")?;
    let signer = Signer::new(client, service)
        .bound_to_request() // an error where it cannot be
        .authority(authority.as_str());
    let channel = ServiceBuilder::new()
        .layer(SignLayer::new(signer).replay_buffered(64 * 1024))
        .service(Endpoint::from(uri.clone()).connect().await?);

    let answer = HealthClient::new(channel)
        .check(HealthCheckRequest::default())
        .await?;
    #[allow(clippy::print_stdout)] // it is what this program is for
    {
        println!("{:?}", answer.into_inner().status());
    }
    Ok(())
}
