//! A program that needs a third party's word for each call: the SDK gets it, renews it, and stops when it is withdrawn.

use std::convert::Infallible;

use anyhow::{Context as _, Result, ensure};
use cattery_core::Caveat;
use cattery_proto::v1::{RequestFacts, VerifyRequest, agent_client::AgentClient, verify_response};
use cattery_sdk::{
    Client, ConnectOptions, Credentials, MintOptions,
    portable::ApiKey,
    sign::{Forward, SignLayer, Signer},
    third_party::{Address, ThirdParties, Wanted},
};
use cattery_tests::{api, wait};
use http::{Request, Response, header::AUTHORIZATION};
use tonic::transport::Channel;
use tower::{Layer as _, ServiceExt as _};

use super::place::Place;

#[test]
fn a_program_goes_on_while_it_is_vouched_for_and_no_longer() -> Result<()> {
    let place = Place::new()?;
    place.runtime.block_on(async {
        let credentials = Credentials::ApiKey(ApiKey::parse(&place.town.api_key)?);
        let client = Client::connect(credentials, ConnectOptions::default()).await?;
        let ca = std::fs::read(&place.ca)?;
        let third_parties = ThirdParties::new(client.clone())
            .at("service/iam", &Address::parse(&place.address, Some(&ca))?)?;
        let wanted = Wanted {
            predicate: "approved".to_owned(),
            principal: None,
            service: "photos".to_owned(),
            not_after: None,
        };
        let ticket = third_parties.register("service/iam", &wanted).await?;
        let signer = Signer::new(client.clone(), "photos")
            .options(narrowed(ticket.caveat()))
            .vouched_by(third_parties.clone());
        let agent = api::agent(&place.town.agent.socket)?;
        let layer = SignLayer::new(signer);
        let call = || layer.layer(upstream(agent.clone())).oneshot(request());

        // Many at once are one question, which the first of them waits for.
        let calls = futures(call).await?;
        ensure!(calls.iter().all(|code| code.is_empty()), "{calls:?}");
        let asked = place.asked();
        ensure!(asked < 10, "{asked} questions for 20 calls");
        // Renewed before it ends: well past the life of the first one, no call fails.
        let first = cattery_tests::town::now()?;
        wait::until_async("two lives of a discharge", || async {
            let answer = call().await.map_err(|error| anyhow::anyhow!("{error}"))?;
            ensure!(answer.body().is_empty(), "refused: {}", answer.body());
            Ok((cattery_tests::town::now()? > first + 4).then_some(()))
        })
        .await?;

        place.approve(false);
        let refused = wait::until_async("calls are not sent any more", || async {
            Ok(call().await.err().map(|error| error.to_string()))
        })
        .await?;
        ensure!(refused.contains("service/iam does not vouch"), "{refused}");
        place.approve(true);
        wait::until_async("calls are sent again", || async {
            Ok(call().await.is_ok().then_some(()))
        })
        .await?;

        // Tokens for services further on carry their discharges, too.
        let photos = Forward::new("photos").options(narrowed(ticket.caveat()));
        let signer = Signer::new(client.clone(), "docs")
            .forward(photos)
            .vouched_by(third_parties.clone());
        let forwarded =
            wait::until_async("it has come", || async { Ok(signer.forwarded().ok()) }).await?;
        let carried: Vec<_> = forwarded.iter().flat_map(|value| value.to_str()).collect();
        ensure!(matches!(carried[..], [one] if one.contains(",catd1_")));

        // Where nothing can wait, the first attempt has it fetched, and a later one has it.
        let apart = ThirdParties::new(client.clone())
            .at("service/iam", &Address::parse(&place.address, Some(&ca))?)?;
        let signer = Signer::new(client.clone(), "photos")
            .options(narrowed(ticket.caveat()))
            .vouched_by(apart);
        let early = signer
            .authorization()
            .err()
            .context("nothing is held yet")?;
        ensure!(
            early.to_string().contains("service/iam has not vouched"),
            "{early}"
        );
        let header =
            wait::until_async("it has come", || async { Ok(signer.authorization().ok()) }).await?;
        let bearer = header.to_str()?.trim_start_matches("Bearer ");
        ensure!(code(agent.clone(), bearer).await?.is_empty());

        // A token that came from elsewhere is vouched for as well.
        let token = client.mint("photos", &narrowed(ticket.caveat()))?;
        let presented = third_parties.present(&token).await?;
        ensure!(code(agent.clone(), &presented).await?.is_empty());
        // Whose third party nobody knows where to find does not go out.
        let other = Caveat::ThirdParty {
            principal: "service/other".into(),
            ticket: vec![7; 32].into(),
        };
        let token = client.mint("photos", &narrowed(other))?;
        let unknown = third_parties
            .present(&token)
            .await
            .err()
            .context("nobody")?;
        ensure!(unknown.to_string().contains("service/other"), "{unknown}");
        Ok(())
    })
}

fn narrowed(caveat: Caveat<'static>) -> MintOptions {
    MintOptions {
        caveats: vec![caveat],
        ..MintOptions::default()
    }
}

fn request() -> Request<String> {
    Request::get("http://photos.test/albums")
        .body(String::new())
        .unwrap_or_default()
}

async fn futures<F>(call: impl Fn() -> F) -> Result<Vec<String>>
where
    F: Future<Output = Result<Response<String>, tower::BoxError>> + Send + 'static,
{
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..20 {
        calls.spawn(call());
    }
    let mut codes = Vec::new();
    while let Some(call) = calls.join_next().await {
        let answer = call?.map_err(|error| anyhow::anyhow!("{error}"))?;
        codes.push(answer.into_body());
    }
    Ok(codes)
}

/// Asks the agent about what came in; the body is the code of its refusal.
fn upstream(
    agent: AgentClient<Channel>,
) -> impl tower::Service<Request<String>, Response = Response<String>, Error = Infallible, Future: Send>
+ Clone
+ Send
+ 'static {
    tower::service_fn(move |request: Request<String>| {
        let agent = agent.clone();
        async move {
            let bearer = request.headers().get(AUTHORIZATION);
            let bearer = bearer.and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
            let code = code(agent, bearer.unwrap_or_default()).await;
            Ok(Response::new(
                code.unwrap_or_else(|error| error.to_string()),
            ))
        }
    })
}

async fn code(mut agent: AgentClient<Channel>, presentation: &str) -> Result<String> {
    let facts = RequestFacts {
        method: Some("GET".to_owned()),
        authority: Some("photos.test".to_owned()),
        path_and_query: Some("/albums".to_owned()),
        ..RequestFacts::default()
    };
    let request = VerifyRequest {
        presentation: presentation.to_owned(),
        facts: Some(facts),
        ..VerifyRequest::default()
    };
    Ok(match agent.verify(request).await?.into_inner().result {
        Some(verify_response::Result::Caller(_)) => String::new(),
        Some(verify_response::Result::Denial(denial)) => denial.code,
        Some(verify_response::Result::Invalid(why)) => why,
        None => "nothing".to_owned(),
    })
}
