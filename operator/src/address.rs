//! HOST:PORT, as `cattery init` takes it.

use std::net::IpAddr;

use cattery_authority::config::DEFAULT_LISTEN;

/// An address that others connect to, or that an authority listens on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    text: String,
    /// The host, where it is a number.
    ip: Option<IpAddr>,
    port: u16,
}

impl Address {
    /// Reads it. Port 0 is none: it would be another one after every start, and everybody keeps this one.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let refused =
            || "an address is HOST:PORT, as in auth.example.org:7443 or [::1]:7443".to_owned();
        let (host, port) = text.rsplit_once(':').ok_or_else(refused)?;
        let port: u16 = port.parse().map_err(|_| refused())?;
        let ip = match host.strip_prefix('[') {
            Some(rest) => {
                let ip = rest.strip_suffix(']').and_then(|ip| ip.parse().ok());
                Some(IpAddr::V6(ip.ok_or_else(refused)?))
            }
            None => host.parse().ok(),
        };
        let is_name = |c: char| !c.is_whitespace() && !c.is_control() && !"/:[]@".contains(c);
        if host.is_empty() || (ip.is_none() && !host.chars().all(is_name)) {
            return Err(refused());
        }
        if ip.is_some_and(|ip| ip.is_ipv6()) && !host.starts_with('[') {
            return Err(refused());
        }
        if port == 0 {
            return Err("nobody can find port 0 again: choose another port".to_owned());
        }
        Ok(Self {
            text: text.to_owned(),
            ip,
            port,
        })
    }

    /// Reads one that others are to connect to.
    pub(crate) fn parse_reachable(text: &str) -> Result<Self, String> {
        let address = Self::parse(text)?;
        if address.is_unspecified() {
            return Err("nobody can connect to this: give the address that others use".to_owned());
        }
        Ok(address)
    }

    /// Whether it stands for all addresses of a machine, and is none to connect to.
    pub(crate) fn is_unspecified(&self) -> bool {
        self.ip.is_some_and(|ip| ip.is_unspecified())
    }

    /// Where to listen for those who use `address`: one that is this machine's alone stays so.
    pub(crate) fn listen_for(address: Option<&Self>) -> String {
        match address {
            None => DEFAULT_LISTEN.to_owned(),
            Some(Self {
                ip: Some(ip), text, ..
            }) if ip.is_loopback() => text.clone(),
            Some(Self { text, port, .. }) if text.starts_with("localhost:") => {
                format!("127.0.0.1:{port}")
            }
            Some(Self {
                ip: Some(IpAddr::V6(_)),
                port,
                ..
            }) => format!("[::]:{port}"),
            Some(Self { port, .. }) => format!("0.0.0.0:{port}"),
        }
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_can_connect_to_is_refused() {
        for bad in [
            "host",
            "host:",
            ":7443",
            "host:port",
            "host:70000",
            "::1:7443",
            "[::1]",
            "[host]:7443",
            "http://host:7443",
            "a b:7443",
            "host:0",
        ] {
            assert!(Address::parse(bad).is_err(), "{bad}");
        }
        for all in ["0.0.0.0:7443", "[::]:7443"] {
            assert!(Address::parse(all).unwrap().is_unspecified());
            assert!(Address::parse_reachable(all).is_err(), "{all}");
        }
    }

    #[test]
    fn it_listens_where_its_address_is() {
        for (address, listen) in [
            ("auth.example.org:7443", "0.0.0.0:7443"),
            ("192.0.2.1:7443", "0.0.0.0:7443"),
            ("[2001:db8::1]:7443", "[::]:7443"),
            ("[::1]:7443", "[::1]:7443"),
            ("127.0.0.2:7443", "127.0.0.2:7443"),
            ("localhost:7443", "127.0.0.1:7443"),
        ] {
            let address = Address::parse(address).unwrap();
            assert_eq!(Address::listen_for(Some(&address)), listen);
        }
        assert_eq!(Address::listen_for(None), DEFAULT_LISTEN);
    }
}
