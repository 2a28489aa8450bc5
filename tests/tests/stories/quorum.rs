//! etcd without a majority: what is held goes on, what would change something says so and resumes by itself.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use cattery_core::UserKey;
use cattery_proto::v1::{ChangeKeyScheduleRequest, GetStatusRequest, KeyCommand};
use cattery_tests::{
    agent::{Agent, CONFIG},
    api::{self, Operator, User},
    authority::Authority,
    cli::Cli,
    etcd::{Etcd, Version},
    ports,
    town::{self, Folder, mint},
    wait,
};
use tonic::Code;

use crate::{block_on, say};

/// Within seconds: whoever waits for longer thinks that it hangs.
const SECONDS: Duration = Duration::from_secs(15);

#[test]
fn without_a_majority_verifying_goes_on_and_issuing_says_why_not() -> Result<()> {
    block_on(async {
        let folder = Folder::new()?;
        let mut etcd = Etcd::cluster(Version::V3_5, folder.path(), 3).await?;
        let admin = Cli::new(folder.path(), "admin");
        let endpoints = etcd.endpoints().join(",");
        let args = ["--store-etcd", &endpoints];
        let mut authority = Authority::init_at(folder.path(), &admin, ports::free()?, &args, "")?;
        authority.start()?;
        let mut agent = Agent::new(folder.path(), "agent", CONFIG)?;
        agent.start(Some(&town::admit(&admin, "photos")?))?;
        let alice = Cli::new(folder.path(), "alice");
        let api_key = town::welcome(&admin, &alice, "alice", "photos")?;
        let mut user = User::new(&api_key)?;
        let key: UserKey = user.key("photos").await?.context("a grant")?;
        let mut operator = Operator::of_home(&admin.home)?;

        etcd.kill(0)?;
        etcd.kill(1)?;
        let began = Instant::now();
        let issued = user.key("photos").await;
        let refused = issued.err().context("a key without a majority")?;
        ensure!(refused.code() == Code::Unavailable, "{refused:?}");
        ensure!(refused.message().contains("try again"), "{refused:?}");
        let request = || ChangeKeyScheduleRequest {
            command: KeyCommand::Activate.into(),
            ..Default::default()
        };
        let rotated = operator.admin.change_key_schedule(request()).await;
        let refused = rotated.err().context("a rotation without a majority")?;
        ensure!(refused.code() == Code::Unavailable, "{refused:?}");
        let took = began.elapsed();
        ensure!(took < SECONDS, "two refusals took {took:?}");
        say(&format!(
            "without a majority: {:?}, after {took:?} for two",
            refused.message()
        ));
        // What people see, on one line.
        admin.refused(&["epoch", "rotate"], "", &["cannot"])?;

        for _ in 0..200 {
            let answer = agent.forward_auth(&mint(&key)?)?;
            ensure!(answer.status == 200, "{answer:?}");
        }
        let status = api::agent(&agent.socket)?
            .get_status(GetStatusRequest {})
            .await?
            .into_inner();
        ensure!(status.ready, "{status:?}");

        etcd.spawn(0)?;
        etcd.answers().await?;
        wait::until_async("issuing resumes", || {
            let mut user = user.clone();
            async move { Ok(user.key("photos").await.ok().flatten()) }
        })
        .await?;
        wait::until_async("rotation resumes", || {
            let mut operator = operator.clone();
            async move {
                let answer = operator.admin.change_key_schedule(request()).await;
                Ok(answer.ok().filter(|answer| answer.get_ref().done).map(drop))
            }
        })
        .await?;
        ensure!(agent.forward_auth(&mint(&key)?)?.status == 200);
        Ok(())
    })
}
