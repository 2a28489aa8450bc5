//! A real authority and a real agent, and the bare server beside them.

use std::{
    env,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};
use cattery_bench::{Cluster, Store};
use cattery_proto::{
    envoy::service::auth::v3::authorization_client::AuthorizationClient,
    v1::agent_client::AgentClient,
};
use cattery_tests::{
    agent::Agent,
    api::User,
    cli::Cli,
    process::Process,
    town::{admit, welcome},
    wait,
};
use prost::Message as _;
use tonic::transport::{Channel, Endpoint};

use super::{CONNECTIONS, answers::Answers, bare, http, questions::Questions};

/// All of it, in a folder that goes when it does.
pub(crate) struct Place {
    pub(crate) questions: Questions,
    sides: [Side; 2],
    by_core: Side,
    sizes: Sizes,
    user: User,
    agent: Agent,
    _bare: Process,
    pub(crate) cluster: Cluster,
}

/// One of the two servers, and connections to it.
pub(crate) struct Side {
    channels: Vec<Channel>,
    pub(crate) http: PathBuf,
}

/// In bytes.
#[derive(Clone, Copy)]
pub(crate) struct Sizes {
    pub(crate) token: usize,
    pub(crate) verify: usize,
    pub(crate) verified: usize,
    pub(crate) check: usize,
    pub(crate) checked: usize,
}

impl Place {
    /// Starts it.
    ///
    /// # Errors
    /// Where a step fails.
    pub(crate) async fn start() -> Result<Self> {
        let cluster = Cluster::start(Store::Embedded).await?;
        let (folder, admin) = (cluster.folder(), &cluster.admin);
        let http = folder.join("agent-http.sock");
        let config = format!("http = \"127.0.0.1:0\"\nhttp_socket = {http:?}\n");
        let mut agent = Agent::new(folder, "agent", &config)?;
        agent.start(Some(&admit(admin, "photos")?))?;
        let alice = Cli::new(folder, "alice");
        let mut user = User::new(&welcome(admin, &alice, "alice", "photos")?)?;
        let questions = ask_for(&mut user).await?;
        let agents = Side::new(&agent.socket, &http)?;
        let answers = agents.answers(&questions).await?;
        answers.write(folder)?;
        let (bare, [bares, by_core]) = start_bare(folder)?;
        Ok(Self {
            sizes: Sizes::of(&questions, &answers),
            questions,
            sides: [agents, bares],
            by_core,
            user,
            agent,
            _bare: bare,
            cluster,
        })
    }

    /// The agent, and the bare server.
    pub(crate) fn sides(&self) -> [&Side; 2] {
        self.sides.each_ref()
    }

    /// The bare server with a thread for each core, and as it is by default.
    pub(crate) fn layouts(&self) -> [&Side; 2] {
        [&self.by_core, &self.sides[1]]
    }

    pub(crate) fn sizes(&self) -> Sizes {
        self.sizes
    }

    /// The agent's process id.
    ///
    /// # Errors
    /// It does not run.
    pub(crate) fn agent_id(&self) -> Result<u32> {
        let process = self.agent.process.as_ref();
        Ok(process.context("the agent runs")?.id())
    }

    /// Has everybody ask with tokens of a key that is fetched now.
    ///
    /// # Errors
    /// There is none.
    pub(crate) async fn renew(&mut self) -> Result<()> {
        self.questions = ask_for(&mut self.user).await?;
        Ok(())
    }
}

async fn ask_for(user: &mut User) -> Result<Questions> {
    let key = user.key("photos").await?.context("a grant")?;
    Questions::new(&key)
}

fn start_bare(folder: &Path) -> Result<(Process, [Side; 2])> {
    let mut command = Command::new(env::current_exe()?);
    command.arg("bare").arg(folder);
    let logs = folder.join("logs");
    let mut process = Process::start("bare", command, &logs, None)?;
    let sockets = [bare::GRPC, bare::HTTP, bare::BY_CORE].map(|name| folder.join(name));
    wait::until("the bare server listens", || {
        process.expect_running()?;
        let listens = sockets
            .iter()
            .all(|socket| UnixStream::connect(socket).is_ok());
        Ok(listens.then_some(()))
    })?;
    let [grpc, http, by_core] = sockets;
    let sides = [Side::new(&grpc, &http)?, Side::new(&by_core, &http)?];
    Ok((process, sides))
}

impl Side {
    fn new(grpc: &Path, http: &Path) -> Result<Self> {
        let channel = || {
            let path = grpc.to_str().context("a socket's path in UTF-8")?;
            Ok(Endpoint::from_shared(format!("unix://{path}"))?.connect_lazy())
        };
        Ok(Self {
            channels: (0..CONNECTIONS).map(|_| channel()).collect::<Result<_>>()?,
            http: http.to_owned(),
        })
    }

    /// The connection of the asker with this number.
    pub(crate) fn channel(&self, number: usize) -> Channel {
        self.channels[number % self.channels.len()].clone()
    }

    async fn answers(&self, questions: &Questions) -> Result<Answers> {
        let (verify, check) = (questions.verify[0].clone(), questions.check[0].clone());
        let mut agent = AgentClient::new(self.channel(0));
        let mut ext_authz = AuthorizationClient::new(self.channel(0));
        let mut connection = http::open(&self.http).await?;
        let authorized = http::ask(&mut connection, questions.auth[0].clone()).await?;
        Ok(Answers {
            verified: agent.verify(verify).await?.into_inner(),
            checked: ext_authz.check(check).await?.into_inner(),
            authorized: authorized.headers().clone(),
        })
    }
}

impl Sizes {
    fn of(questions: &Questions, answers: &Answers) -> Self {
        Self {
            token: questions.verify[0].presentation.len(),
            verify: questions.verify[0].encoded_len(),
            verified: answers.verified.encoded_len(),
            check: questions.check[0].encoded_len(),
            checked: answers.checked.encoded_len(),
        }
    }
}
