//! What the agent keeps on disk, in a directory of its own with mode 0700.
//!
//! | file | what |
//! | --- | --- |
//! | `identity.key` | the private key, PKCS #8, mode 0600; made before the join token is spent, so that a lost answer can be asked for again |
//! | `identity.json` | the certificate, which authorities to trust, and where they are |
//! | `seen.json` | the newest position and epoch that this agent has seen |
//! | `lock` | locked while an agent runs |
//! | `agent.sock.lock` | locked while an agent takes the socket beside it; beside a socket that is elsewhere, too |
//! | `agent.addr` | where HTTP listens, for programs that look for it |

mod dir;
mod enrolment;
mod identity;
mod mark;

pub use dir::StateError;
pub(crate) use dir::{DirLock, StateDir, write_atomically};
pub use enrolment::Enrolment;
pub use identity::BadIdentity;
pub(crate) use identity::{Enrolled, KEY, load_key, make_key};
pub(crate) use mark::Mark;
