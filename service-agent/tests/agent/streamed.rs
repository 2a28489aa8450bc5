//! `VerifyStream`: many questions on one stream.

use std::collections::BTreeSet;

use cattery_core::RevocableId;
use cattery_proto::v1;
use http::uri::PathAndQuery;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::client::Grpc;
use tonic::{Code, Request, Streaming};
use tonic_prost::ProstCodec;
use v1::EpochState::{Active, Draining};
use v1::verify_response::Result as Outcome;

use crate::authority::until;
use crate::town::{Town, mint, mint_as, now};

struct Stream {
    questions: mpsc::Sender<v1::VerifyRequest>,
    answers: Streaming<v1::VerifyResponse>,
}

impl Stream {
    async fn open(town: &Town) -> Self {
        let (questions, asked) = mpsc::channel(1_024);
        let mut client = town.client();
        let answers = client.verify_stream(ReceiverStream::new(asked)).await;
        Self {
            questions,
            answers: answers.unwrap().into_inner(),
        }
    }

    async fn send(&self, question: v1::VerifyRequest) {
        self.questions.send(question).await.unwrap();
    }

    async fn next(&mut self) -> v1::VerifyResponse {
        self.answers.message().await.unwrap().unwrap()
    }

    /// The principal, or the code.
    async fn ask(&mut self, token: &str) -> String {
        self.send(question(token)).await;
        said(self.next().await)
    }
}

fn question(token: &str) -> v1::VerifyRequest {
    v1::VerifyRequest {
        presentation: token.to_owned(),
        ..Default::default()
    }
}

/// One that is the asker's own mistake.
fn senseless() -> v1::VerifyRequest {
    v1::VerifyRequest {
        facts: Some(v1::RequestFacts {
            source_addr: Some("here".into()),
            ..Default::default()
        }),
        ..question(&mint(1))
    }
}

fn said(answer: v1::VerifyResponse) -> String {
    match answer.result.unwrap() {
        Outcome::Caller(caller) => caller.principal,
        Outcome::Denial(denial) => denial.code,
        Outcome::Invalid(why) => why,
    }
}

#[tokio::test]
async fn each_question_has_its_answer_in_its_place() {
    let town = Town::new(|_, _| {}).await;
    let stream = Stream::open(&town).await;
    let (questions, mut answers) = (stream.questions, stream.answers);
    let asking = tokio::spawn(async move {
        for number in 0..500 {
            let name = format!("user/u{number}");
            let asked = match number % 4 {
                0 | 1 => question(&mint_as(&name, 1, &[])),
                2 => question(&mint_as(&name, 9, &[])),
                _ => senseless(),
            };
            questions.send(asked).await.unwrap();
        }
    });
    let mut decisions = BTreeSet::new();
    for number in 0..500 {
        let answer = answers.message().await.unwrap().unwrap();
        let decision = answer.decision_id.clone();
        let said = said(answer);
        match number % 4 {
            0 | 1 => assert_eq!(said, format!("user/u{number}")),
            2 => assert_eq!(said, "unknown_epoch"),
            _ => {
                assert!(said.contains("facts.source_addr"), "{said}");
                assert_eq!(decision, "");
                continue;
            }
        }
        assert_eq!(decision.len(), 16);
        assert!(decisions.insert(decision), "an id came twice");
    }
    // The client has closed its side, and has all answers.
    asking.await.unwrap();
    assert!(answers.message().await.unwrap().is_none());
    let page = town.get("/metrics", &[]).await;
    for (verdict, count) in [("ok", 250), ("unknown_epoch", 125)] {
        let line = format!(
            "cattery_agent_verifications_total{{face=\"grpc\",verdict=\"{verdict}\"}} {count}\n"
        );
        assert!(page.body().contains(&line), "{line}{}", page.body());
    }
}

/// Some are answered together, and some alone.
#[tokio::test]
async fn what_few_questions_say_is_heard_in_its_place() {
    for is_shared in [false, true] {
        let town = Town::new(|config, _| config.single_use_shared = is_shared).await;
        let stream = Stream::open(&town).await;
        let (questions, mut answers) = (stream.questions, stream.answers);
        let narrowed = mint_as("user/alice", 1, &["context:tenant=blue"]);
        let in_tenant = |tenant: &str| v1::VerifyRequest {
            facts: Some(v1::RequestFacts {
                context: [("tenant".to_owned(), tenant.to_owned())].into(),
                ..Default::default()
            }),
            ..question(&narrowed)
        };
        let forwards = v1::VerifyRequest {
            forwarded: vec!["cat1_broken".to_owned()],
            ..question(&mint(1))
        };
        let kinds = [
            question(&mint(1)),
            in_tenant("blue"),
            question(&narrowed),
            in_tenant("red"),
            forwards,
        ];
        for number in 0..100 {
            let kind = number * number % 7 % kinds.len();
            questions.send(kinds[kind].clone()).await.unwrap();
        }
        drop(questions);
        for number in 0..100 {
            let kind = number * number % 7 % kinds.len();
            let answer = answers.message().await.unwrap().unwrap();
            assert_eq!(answer.forwarded.len(), usize::from(kind == 4));
            let expected = if [2, 3].contains(&kind) {
                "caveat_failed"
            } else {
                "user/alice"
            };
            assert_eq!(said(answer), expected, "{number}");
        }
        assert!(answers.message().await.unwrap().is_none());
    }
}

#[tokio::test]
async fn what_changes_shows_on_a_stream_that_is_open() {
    let town = Town::new(|_, _| {}).await;
    let mut stream = Stream::open(&town).await;
    let bob = mint_as("user/bob", 1, &[]);
    assert_eq!(stream.ask(&mint(1)).await, "user/alice");
    assert_eq!(stream.ask(&bob).await, "user/bob");
    town.authority.change(|script| {
        script.deltas = true;
        script.revoke("user/bob", &RevocableId::Lease([5; 8]));
    });
    until("it is revoked", async || {
        stream.ask(&bob).await == "revoked"
    })
    .await;
    assert_eq!(stream.ask(&mint(1)).await, "user/alice");
    town.authority.change(|script| {
        script.epochs = vec![(1, Draining, now() + 600), (2, Active, 0)];
    });
    until("the next epoch is there", async || {
        stream.ask(&mint(2)).await == "user/alice"
    })
    .await;
    town.authority.change(|script| {
        script.epochs = vec![(2, Active, 0)];
    });
    until("the one before is gone", async || {
        stream.ask(&mint(1)).await == "retired_epoch"
    })
    .await;
}

#[tokio::test]
async fn a_question_that_is_too_large_ends_its_own_stream() {
    let town = Town::new(|_, _| {}).await;
    let (mut stream, mut other) = (Stream::open(&town).await, Stream::open(&town).await);
    stream.send(question(&mint(1))).await;
    stream.send(question(&"a".repeat(300_000))).await;
    assert_eq!(said(stream.next().await), "user/alice");
    let ended = stream.answers.message().await.unwrap_err();
    let alone = town.client().verify(question(&"a".repeat(300_000))).await;
    assert_eq!(ended.code(), alone.unwrap_err().code());
    assert_eq!(ended.code(), Code::OutOfRange);
    assert_eq!(other.ask(&mint(1)).await, "user/alice");
}

#[tokio::test]
async fn what_is_no_question_ends_its_stream_as_it_ends_a_call() {
    let town = Town::new(|_, _| {}).await;
    // Its second field is a number, where a question has a message.
    let no_question = || v1::Denial {
        code: String::new(),
        http_status: 401,
    };
    let codec = ProstCodec::<v1::Denial, v1::VerifyResponse>::default;
    let mut client = Grpc::new(town.channel());
    client.ready().await.unwrap();
    let path = PathAndQuery::from_static("/cattery.v1.Agent/Verify");
    let alone = Request::new(no_question());
    let alone = client.unary(alone, path, codec()).await.unwrap_err();
    client.ready().await.unwrap();
    let path = PathAndQuery::from_static("/cattery.v1.Agent/VerifyStream");
    let asked = Request::new(tokio_stream::once(no_question()));
    let answers = client.streaming(asked, path, codec()).await.unwrap();
    let ended = answers.into_inner().message().await.unwrap_err();
    assert_eq!(ended.code(), Code::Internal);
    assert_eq!(
        (ended.code(), ended.message()),
        (alone.code(), alone.message())
    );
}

#[tokio::test]
async fn streams_end_when_the_agent_stops() {
    let mut town = Town::new(|_, _| {}).await;
    let (mut busy, mut idle) = (Stream::open(&town).await, Stream::open(&town).await);
    assert_eq!(idle.ask(&mint(1)).await, "user/alice");
    let (questions, token) = (busy.questions.clone(), mint(1));
    // One that never pauses.
    let asking =
        tokio::spawn(async move { while questions.send(question(&token)).await.is_ok() {} });
    assert_eq!(said(busy.next().await), "user/alice");
    let answered = tokio::spawn(async move {
        loop {
            match busy.answers.message().await {
                Ok(Some(answer)) => assert_eq!(said(answer), "user/alice"),
                ended => return ended.unwrap_err().code(),
            }
        }
    });
    town.stop().await;
    assert_eq!(answered.await.unwrap(), Code::Unavailable);
    asking.await.unwrap();
    let ended = idle.answers.message().await.unwrap_err();
    assert_eq!(ended.code(), Code::Unavailable);
    assert!(ended.message().contains("stops"), "{ended}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_streams_share_one_memory_of_single_uses() {
    let town = Town::new(|config, _| config.leeway_seconds = 0).await;
    let mut first = Stream::open(&town).await;
    let single_use = |id: u8| {
        let caveat = format!("once={}", hex::encode([id; 16]));
        mint_as("user/alice", 1, &[&caveat])
    };
    // Those from the second in which the memory began are refused.
    let mut id = 100;
    until("one is accepted", async || {
        id += 1;
        first.ask(&single_use(id)).await == "user/alice"
    })
    .await;
    let token = single_use(1);
    let mut streams = JoinSet::new();
    for _ in 0..64 {
        let (mut stream, token) = (Stream::open(&town).await, token.clone());
        streams.spawn(async move {
            let mut wins = 0;
            for _ in 0..20 {
                assert_eq!(stream.ask(&mint(1)).await, "user/alice");
                match &stream.ask(&token).await[..] {
                    "user/alice" => wins += 1,
                    other => assert_eq!(other, "replayed"),
                }
            }
            wins
        });
    }
    assert_eq!(streams.join_all().await.into_iter().sum::<i32>(), 1);
}
