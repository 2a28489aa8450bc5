//! Bound tokens over real HTTP: what is signed is what the server sees.

use std::{error::Error, net::SocketAddr};

use axum::{Router, routing::any};
use bytes::Bytes;
use cattery_sdk::{
    sign::{SignError, SignLayer, Signer},
    verify::{Verifier, VerifyLayer},
};
use http::{Request, header::HOST};
use http_body_util::Empty;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::net::TcpListener;
use tower::{BoxError, Layer as _, ServiceExt as _};

use crate::{agent::Agent, authority::Authority, client::connect};

async fn serve(agent: &Agent) -> SocketAddr {
    let verifier = Verifier::in_process("photos", &agent.socket).await.unwrap();
    let app = Router::new().fallback(any(|| async {}));
    let app = app.layer(VerifyLayer::new(verifier));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

async fn get(
    signer: &Signer,
    http2: bool,
    uri: String,
    host: Option<&str>,
) -> Result<u16, BoxError> {
    let client = Client::builder(TokioExecutor::new())
        .http2_only(http2)
        .build_http();
    let mut request = Request::get(uri);
    if let Some(host) = host {
        request = request.header(HOST, host);
    }
    let request = request.body(Empty::<Bytes>::new())?;
    let response = SignLayer::new(signer.clone())
        .layer(client)
        .oneshot(request)
        .await?;
    Ok(response.status().as_u16())
}

fn sign_error(result: Result<u16, BoxError>) -> SignError {
    *result.unwrap_err().downcast().unwrap()
}

#[tokio::test]
async fn what_is_signed_is_what_is_sent() -> Result<(), Box<dyn Error + Send + Sync>> {
    let authority = Authority::start().await;
    let agent = Agent::start();
    let address = serve(&agent).await;
    let default = Signer::new(connect(&authority).await, "photos");
    let signer = default.clone().bound_to_request();
    for http2 in [false, true] {
        let named = address.to_string();
        for (uri, host) in [
            (format!("http://{address}/albums?x=1"), None),
            (format!("http://{address}"), None),
            (format!("http://{address}?x=1"), None),
            (format!("http://me:secret@{address}/albums"), None),
            (format!("http://{address}/albums"), Some(named.as_str())),
        ] {
            let status = get(&signer, http2, uri.clone(), host).await?;
            assert_eq!(status, 200, "{uri} over HTTP/2: {http2}");
        }
        let by_address = format!("http://{address}/albums");
        let refused = get(&signer, http2, by_address.clone(), Some("photos.test")).await;
        assert!(matches!(
            sign_error(refused),
            SignError::TwoAuthorities { .. }
        ));
        // Without a name to bind to, it is a bearer token.
        let status = get(&default, http2, by_address.clone(), Some("photos.test")).await?;
        assert_eq!(status, 200);
        // Over HTTP/1 Host is all that a server sees; over HTTP/2 two names are none.
        let told = signer.clone().authority("photos.test");
        let status = get(&told, http2, by_address.clone(), Some("photos.test")).await?;
        assert_eq!(status, if http2 { 403 } else { 200 });

        let elsewhere = signer.clone().only_to("photos.test");
        let refused = get(&elsewhere, http2, by_address.clone(), None).await;
        assert!(matches!(sign_error(refused), SignError::Elsewhere(_)));
        let here = signer.clone().only_to(named);
        assert_eq!(get(&here, http2, by_address, None).await?, 200);
    }
    Ok(())
}
