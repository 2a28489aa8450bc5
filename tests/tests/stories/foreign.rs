//! A client that shares no code with this project: what it mints is accepted, and each of its bad tokens is refused with
//! exactly the right code, at every face of the agent.

use std::{collections::BTreeMap, net::IpAddr};

use anyhow::{Context as _, Result, bail, ensure};
use cattery_proto::v1::{RequestFacts, VerifyRequest, verify_response};
use cattery_tests::{
    agent::{CONFIG, FORWARD_AUTH},
    api,
    cli::Cli,
    dev::Dev,
    http::{self, Response},
    python,
    random::seed,
    town::{Folder, Setting, Town, welcome},
};
use serde_json::Value;
use tonic::Code;

use crate::{block_on, next_second, say};

/// The least number of bad tokens that makes a story.
const ENOUGH: usize = 300;

#[test]
fn the_python_client_agrees_with_itself() -> Result<()> {
    python::run("test_cat1.py", &[], "").map(drop)
}

#[test]
fn the_command_line_gives_the_same_answers() -> Result<()> {
    let town = Town::new()?;
    let key = town.alice.ok(&["key", "export", "photos"], "")?;
    next_second()?;
    let socket = town.agent.socket.to_string_lossy().into_owned();
    let mut tally = Tally::default();
    let mut of_code: BTreeMap<String, usize> = BTreeMap::new();
    for case in cases(&key, seed()? & 0xffff_ffff)? {
        let count = of_code.entry(text(&case["want"])?.to_owned()).or_default();
        // A process for each case is slow, so most are left out; what is no address, a flag refuses.
        let source = case["facts"]["source_addr"].as_str();
        let is_address = source.is_none_or(|text| text.parse::<IpAddr>().is_ok());
        if *count == 5 || !is_address || !case["after"].is_null() {
            continue;
        }
        *count += 1;
        let mut args = vec!["verify".to_owned(), format!("--socket={socket}")];
        for (name, value) in case["facts"].as_object().into_iter().flatten() {
            let flag = name.replace('_', "-");
            match value {
                Value::String(value) => args.push(format!("--{flag}={value}")),
                Value::Object(context) => {
                    for (key, value) in context {
                        args.push(format!("--context={key}={}", text(value)?));
                    }
                }
                _ => {}
            }
        }
        let args: Vec<_> = args.iter().map(String::as_str).collect();
        let output = town.alice.run(&args, text(&case["text"])?)?;
        let want = text(&case["want"])?;
        let said = format!("{}{}", output.out, output.err);
        let (code, word) = match want {
            "ok" => (0, text(&case["principal"])?),
            code => (1, code),
        };
        let outcome = if output.code == code && said.contains(word) {
            Ok(())
        } else {
            Err(anyhow::anyhow!("{output:?}, not {want}"))
        };
        tally.add(&case, outcome)?;
    }
    tally.finish("cattery verify", 10)
}

#[test]
fn what_the_foreign_client_mints_is_good() -> Result<()> {
    let town = Town::new()?;
    let key = town.alice.ok(&["key", "export", "photos"], "")?;
    let token = python::run("client.py", &["mint"], &key)?;
    let answer = town.agent.forward_auth(token.trim())?;
    ensure!(
        answer.status == 200 && answer.header("x-cat-principal") == Some("user/alice"),
        "{answer:?}"
    );
    Ok(())
}

#[test]
fn the_foreign_client_narrows_binds_and_vouches() -> Result<()> {
    const TICKET: &str = "00112233445566778899aabbccddeeff";
    let town = Town::with(&Setting {
        agent: format!("{CONFIG}[verify]\nleeway_seconds = 0\n"),
        ..Setting::default()
    })?;
    let key = town.alice.ok(&["key", "export", "photos"], "")?;
    let others = ["carol", "mallory"].map(|name| Cli::new(town.folder(), name));
    for (home, name) in others.iter().zip(["carol", "mallory"]) {
        welcome(&town.admin, home, name, "photos")?;
    }
    next_second()?;
    let python = |args: &[&str], stdin: &str| {
        let printed = python::run("client.py", args, stdin)?;
        anyhow::Ok(printed.trim().to_owned())
    };
    let [carols, mallorys] = others.map(|home| {
        let key = home.ok(&["key", "export", "photos"], "")?;
        python(&["discharge", "--ticket", TICKET], &key)
    });
    let carols = carols?;
    let asks = format!("user/carol:{TICKET}");
    let narrow = [
        "attenuate",
        "--path-prefix",
        "/albums",
        "--third-party",
        &asks,
    ];
    let narrow = python(&narrow, &key)?;
    let bind = ["mint", "--once", "--bind", "GET", "photos.example"];
    let mint = |path: &str| python(&[&bind[..], &[path]].concat(), &narrow);
    let code = |path: &str, presentation: &str| {
        let answer = town.agent.forward_auth_of("GET", path, presentation)?;
        anyhow::Ok((answer.status, answer.body.trim().to_owned()))
    };
    let refused = (403, "caveat_failed".to_owned());

    let token = mint("/albums/7")?;
    ensure!(code("/albums/7", &token)? == refused, "nobody vouches");
    let by_another = format!("{token},{}", mallorys?);
    ensure!(
        code("/albums/7", &by_another)? == refused,
        "not who was asked"
    );
    let vouched = format!("{token},{carols}");
    ensure!(code("/albums/8", &vouched)? == refused, "another request");
    ensure!(code("/albums/7", &vouched)?.0 == 200);
    ensure!(code("/albums/7", &vouched)? == (401, "replayed".to_owned()));
    let outside = format!("{},{carols}", mint("/admin")?);
    ensure!(code("/admin", &outside)? == refused, "not below /albums");
    // A token that was used is not new when it is narrowed.
    let narrower = python(&["attenuate", "--method", "GET"], &token)?;
    let narrower = format!("{narrower},{carols}");
    ensure!(code("/albums/7", &narrower)? == (401, "replayed".to_owned()));
    let said = town.alice.ok(&["inspect"], &vouched)?;
    ensure!(said.contains("user/carol vouches"), "{said}");
    Ok(())
}

#[test]
fn foreign_tokens_at_every_face() -> Result<()> {
    let town = Town::new()?;
    let key = town.alice.ok(&["key", "export", "photos"], "")?;
    ensure!(key.starts_with("catkey1_"), "key export prints a key");
    // Single-use tokens are good where they begin after the agent did.
    next_second()?;
    let seed = seed()? & 0xffff_ffff;
    forward_auth(&town, &key, seed)?;
    // Another seed: the agent has seen the first one's single-use tokens.
    block_on(verify(&town, &key, seed + 1))
}

#[test]
fn foreign_tokens_at_the_upstream_of_dev() -> Result<()> {
    let folder = Folder::new()?;
    let dev = Dev::start(folder.path())?;
    let mut alice = Cli::new(folder.path(), "alice");
    alice.home = dev.entry("home")?.into();
    let key = alice.ok(&["key", "export", "photos"], "")?;
    next_second()?;
    upstream(&dev, &key, seed()? & 0xffff_ffff)
}

/// The service sees the connection's address, so cases about addresses are not for it.
fn upstream(dev: &Dev, key: &str, seed: u64) -> Result<()> {
    let addr = dev.address("upstream")?;
    let mut tally = Tally::default();
    for case in cases(key, seed)? {
        let (name, facts) = (text(&case["name"])?, &case["facts"]);
        let path = facts["path"].as_str().unwrap_or_default();
        // RFC 9112, section 3.2: what a client cannot put into a request line never arrives as a path.
        let is_target = path.starts_with('/')
            && path
                .bytes()
                .all(|b| b.is_ascii_graphic() && !b"\"#<>\\^`{|}".contains(&b));
        let (Some(status), true) = (case["status"].as_u64(), is_target) else {
            continue;
        };
        if ["source_addr", "block ", "from "]
            .iter()
            .any(|word| name.contains(word))
        {
            continue;
        }
        let bearer = format!("Bearer {}", text(&case["text"])?);
        let headers = [
            ("authorization", bearer.as_bytes()),
            ("host", text(&facts["authority"])?.as_bytes()),
        ];
        let answer = http::send(addr, text(&facts["method"])?, path, &headers)?;
        let outcome = if status == 200 {
            let hello = format!("Hello {}\n", text(&case["principal"])?);
            // The body of an answer that is not chunked is all that follows the headers.
            if answer.status == 200 && answer.body == hello {
                Ok(())
            } else {
                Err(anyhow::anyhow!("{answer:?}"))
            }
        } else {
            check_http(&case, status, &answer)
        };
        tally.add(&case, outcome)?;
    }
    tally.finish("upstream", ENOUGH)
}

fn cases(key: &str, seed: u64) -> Result<Vec<Value>> {
    let text = python::run("client.py", &["cases", "--seed", &seed.to_string()], key)?;
    let mut lines = text.lines().map(serde_json::from_str::<Value>);
    let head = lines.next().context("a first line")??;
    say(&format!("foreign client: seed {}", head["seed"]));
    Ok(lines.collect::<Result<_, _>>()?)
}

fn forward_auth(town: &Town, key: &str, seed: u64) -> Result<()> {
    let addr = town.agent.http()?;
    let mut tally = Tally::default();
    for case in cases(key, seed)? {
        let Some(status) = case["status"].as_u64() else {
            continue;
        };
        let bearer = format!("Bearer {}", text(&case["text"])?);
        let facts = &case["facts"];
        let mut headers = vec![("authorization", bearer.as_bytes())];
        for (header, fact) in [
            ("x-forwarded-method", "method"),
            ("x-forwarded-host", "authority"),
            ("x-forwarded-uri", "path"),
            ("x-forwarded-for", "source_addr"),
        ] {
            if let Some(value) = facts[fact].as_str() {
                headers.push((header, value.as_bytes()));
            }
        }
        let answer = http::get(addr, FORWARD_AUTH, &headers)?;
        tally.add(&case, check_http(&case, status, &answer))?;
    }
    tally.finish("forward-auth", ENOUGH)
}

fn check_http(case: &Value, status: u64, answer: &Response) -> Result<()> {
    ensure!(
        u64::from(answer.status) == status,
        "status {}, not {status}: {answer:?}",
        answer.status
    );
    let want = text(&case["want"])?;
    if want == "ok" {
        let principal = answer.header("x-cat-principal");
        ensure!(
            principal == case["principal"].as_str(),
            "x-cat-principal is {principal:?}"
        );
        return Ok(());
    }
    ensure!(
        answer.header("x-cat-principal").is_none(),
        "a refusal names a principal"
    );
    if status == 503 {
        // No challenge: another token would fare no better.
        ensure!(
            answer.body.trim() == want,
            "the body says {:?}",
            answer.body
        );
        return Ok(());
    }
    let said = answer.header("www-authenticate").unwrap_or_default();
    ensure!(
        said.contains(&format!("\"{want}\"")),
        "WWW-Authenticate says {said:?}, not {want}"
    );
    Ok(())
}

async fn verify(town: &Town, key: &str, seed: u64) -> Result<()> {
    let mut agent = api::agent(&town.agent.socket)?;
    let mut tally = Tally::default();
    for case in cases(key, seed)? {
        let request = VerifyRequest {
            presentation: text(&case["text"])?.to_owned(),
            facts: Some(facts(&case["facts"])?),
            ..Default::default()
        };
        let source = case["facts"]["source_addr"].as_str();
        let is_address = source.is_none_or(|text| text.parse::<IpAddr>().is_ok());
        match agent.verify(request).await {
            // The service that asks has to know what an address is: this is its mistake, and no answer about the token.
            Err(status) if status.code() == Code::InvalidArgument && !is_address => {
                ensure!(case["want"] != "ok", "{}: {status}", case["name"]);
            }
            Err(status) => tally.add(&case, Err(status.into()))?,
            Ok(answer) => {
                let result = answer.into_inner().result;
                let result = result.context("an answer has a result")?;
                tally.add(&case, check_grpc(&case, &result))?;
            }
        }
    }
    tally.finish("Verify", ENOUGH)
}

fn check_grpc(case: &Value, result: &verify_response::Result) -> Result<()> {
    let want = text(&case["want"])?;
    match result {
        verify_response::Result::Denial(denial) => {
            ensure!(denial.code == want, "{}, not {want}", denial.code);
        }
        verify_response::Result::Invalid(why) => bail!("{why}, where {want} was due"),
        verify_response::Result::Caller(caller) => {
            ensure!(want == "ok", "accepted, where {want} was due");
            let said = [
                ("principal", caller.principal.clone()),
                ("lease_id", hex::encode(&caller.lease_id)),
                ("token_id", hex::encode(&caller.token_id)),
                ("claims_type", caller.claims_type.clone()),
                ("claims", hex::encode(&caller.claims)),
            ];
            for (name, value) in said {
                ensure!(case[name] == value.as_str(), "{name} is {value}");
            }
            ensure!(case["epoch"] == caller.epoch, "epoch is {}", caller.epoch);
        }
    }
    Ok(())
}

fn facts(facts: &Value) -> Result<RequestFacts> {
    let get = |name: &str| facts[name].as_str().map(str::to_owned);
    let bytes = |name: &str| get(name).map(hex::decode).transpose();
    let context = facts["context"].as_object().into_iter().flatten();
    Ok(RequestFacts {
        method: get("method"),
        authority: get("authority"),
        path_and_query: get("path"),
        source_addr: get("source_addr"),
        client_cert_sha256: bytes("client_cert_sha256")?,
        scope: get("scope"),
        body_sha256: bytes("body_sha256")?,
        context: context
            .map(|(key, value)| Ok((key.clone(), text(value)?.to_owned())))
            .collect::<Result<_>>()?,
    })
}

/// What came out, by code; and all that was wrong, so that one run tells everything.
#[derive(Default)]
struct Tally {
    right: BTreeMap<String, usize>,
    wrong: Vec<String>,
}

impl Tally {
    fn add(&mut self, case: &Value, outcome: Result<()>) -> Result<()> {
        let want = text(&case["want"])?;
        match outcome {
            Ok(()) => {
                *self.right.entry(want.to_owned()).or_default() += 1;
            }
            Err(why) => self.wrong.push(format!("{}: {why}", case["name"])),
        }
        Ok(())
    }

    fn finish(self, face: &str, enough: usize) -> Result<()> {
        let good = self.right.get("ok").copied().unwrap_or_default();
        let bad = self.right.values().sum::<usize>() - good;
        say(&format!(
            "{face}: {good} accepted, {bad} refused with the right code, {} wrong: {:?}",
            self.wrong.len(),
            self.right
        ));
        if !self.wrong.is_empty() {
            bail!("{face}:\n{}", self.wrong.join("\n"));
        }
        ensure!(
            bad >= enough && good >= enough / 6,
            "too few cases: {good} and {bad}"
        );
        Ok(())
    }
}

fn text(value: &Value) -> Result<&str> {
    value.as_str().context("a text")
}
