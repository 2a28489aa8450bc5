//! Patience with an authority that was started a moment ago: its port refuses connections until it has one.

use std::{io, time::Duration};

use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};

/// More than a start takes.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(50);

/// Returns when one of the addresses no longer refuses connections, and after some seconds in any case: what is wrong
/// then, the call that follows says.
pub(crate) async fn wait_while_refused(addresses: &[String]) {
    let opened = async {
        while all_refuse(addresses).await {
            sleep(PAUSE).await;
        }
    };
    if timeout(PATIENCE, opened).await.is_err() {
        tracing::debug!("no authority opened within {} s", PATIENCE.as_secs());
    }
}

async fn all_refuse(addresses: &[String]) -> bool {
    for address in addresses {
        match TcpStream::connect(address).await {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
            _ => return false,
        }
    }
    !addresses.is_empty()
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpSocket;

    use super::*;

    #[tokio::test]
    async fn waits_for_the_one_that_opens() {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
        let addresses = vec![socket.local_addr().unwrap().to_string()];
        assert!(all_refuse(&addresses).await);
        let (_listener, ()) = tokio::join!(
            async {
                tokio::task::yield_now().await;
                socket.listen(1).unwrap()
            },
            wait_while_refused(&addresses)
        );
        assert!(!all_refuse(&addresses).await);
    }
}
