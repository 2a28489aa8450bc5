//! What an agent holds. Keys are opened for real, and thrown away: nobody signs here.

use cattery_proto::v1;
use cattery_sdk::sealing::{INFO_SERVICE_KEY, ReceiverKey};

/// Bytes of a service key.
const KEY: usize = 32;

/// Which keys an agent opened, and up to which position.
#[derive(Default)]
pub(super) struct Held {
    pub(super) position: Option<v1::Position>,
    keys: Vec<(u32, u32)>,
}

impl Held {
    /// The newest epoch of which there is a key.
    pub(super) fn newest(&self) -> Option<u32> {
        self.keys.iter().map(|(epoch, _)| *epoch).max()
    }

    /// Takes news of a service.
    ///
    /// # Errors
    /// What is wrong with it: there is nothing that trying again would better.
    pub(super) fn take(
        &mut self,
        news: &v1::ServiceNews,
        service: &str,
        receiver: &ReceiverKey,
    ) -> Result<(), String> {
        if news.service != service {
            return Err("news of another service".to_owned());
        }
        let mut keys = Vec::with_capacity(news.keys.len());
        for key in &news.keys {
            let number = (key.epoch, key.generation);
            match &key.sealed_key {
                Some(sealed) => {
                    let opened = receiver.open(INFO_SERVICE_KEY, sealed);
                    let opened = opened.map_err(|error| error.to_string())?;
                    if opened.len() != KEY {
                        return Err("a key of a wrong length".to_owned());
                    }
                }
                None if self.keys.contains(&number) => {}
                None => return Err("news without a key that is not held".to_owned()),
            }
            keys.push(number);
        }
        self.position = news.position;
        self.keys = keys;
        Ok(())
    }
}
