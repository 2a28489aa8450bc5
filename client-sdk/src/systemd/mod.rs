//! What a program that systemd runs has to do with it: take over sockets, read credentials, say how it is. All of it does nothing
//! elsewhere.

mod credential;
mod notify;
mod sockets;

pub use credential::is_private;
pub use notify::{keep_telling, stopping};
pub use sockets::{HandedError, HandedSockets};
