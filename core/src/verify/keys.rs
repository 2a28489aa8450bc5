//! The service keys that a verifier holds (SPEC section 5, step 3).

use crate::key_id::KeyId;
use crate::key_tree::{ServiceKey, TokenState};

/// What a verifier has for an epoch and a generation.
pub enum Found<'k> {
    /// This key.
    Key(&'k ServiceKey),
    /// None, and newer than any held: refresh in the background.
    UnknownEpoch,
    /// None, and the epoch is not newer than those held.
    RetiredEpoch,
    /// None, and the epoch is held with a newer generation.
    Revoked,
}

/// Holds the service keys of the live epochs.
pub trait Keys {
    /// Step 3 for one token.
    fn find(&self, epoch: u32, generation: u32) -> Found<'_>;

    /// The state of the user key that `id` names, where somebody keeps it: the four compressions that rebuild it are left out then. It is asked
    /// for once [`find`](Self::find) has the service key, and has to be that key's [`user_state`](ServiceKey::user_state) for all that the id
    /// says.
    fn user_state(&self, id: &KeyId<'_>) -> Option<&TokenState> {
        let _ = id;
        None
    }
}

impl<T: Keys + ?Sized> Keys for &T {
    fn find(&self, epoch: u32, generation: u32) -> Found<'_> {
        (**self).find(epoch, generation)
    }

    fn user_state(&self, id: &KeyId<'_>) -> Option<&TokenState> {
        (**self).user_state(id)
    }
}

/// A handful of service keys. `K` is a place that keeps one: a box, or a locked page. It is moved about and must not be
/// the key itself, of which a move leaves the bytes behind.
pub struct Keyring<K = Box<ServiceKey>> {
    /// Ascending by (epoch, generation), no pair twice.
    held: Vec<(u32, u32, K)>,
}

impl<K> Default for Keyring<K> {
    fn default() -> Self {
        Self { held: Vec::new() }
    }
}

impl<K: AsRef<ServiceKey>> Keyring<K> {
    /// One without keys: every epoch is unknown to it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the key of this epoch and generation, or replaces it and returns the former one.
    pub fn insert(&mut self, epoch: u32, generation: u32, key: K) -> Option<K> {
        match self
            .held
            .binary_search_by_key(&(epoch, generation), |(e, g, _)| (*e, *g))
        {
            Ok(at) => self
                .held
                .get_mut(at)
                .map(|(_, _, held)| std::mem::replace(held, key)),
            Err(at) => {
                self.held.insert(at, (epoch, generation, key));
                None
            }
        }
    }

    /// Drops the key of this epoch and generation.
    pub fn remove(&mut self, epoch: u32, generation: u32) -> Option<K> {
        let at = self
            .held
            .binary_search_by_key(&(epoch, generation), |(e, g, _)| (*e, *g))
            .ok()?;
        Some(self.held.remove(at).2)
    }

    /// The pairs of epoch and generation that are held, ascending.
    pub fn held(&self) -> impl Iterator<Item = (u32, u32)> {
        self.held
            .iter()
            .map(|(epoch, generation, _)| (*epoch, *generation))
    }

    /// Whether no key is held.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }
}

impl<K: AsRef<ServiceKey>> Keys for Keyring<K> {
    fn find(&self, epoch: u32, generation: u32) -> Found<'_> {
        let mut newest_generation = None;
        for (held_epoch, held_generation, key) in &self.held {
            if *held_epoch == epoch {
                if *held_generation == generation {
                    return Found::Key(key.as_ref());
                }
                newest_generation = Some(*held_generation);
            }
        }
        match newest_generation {
            Some(newest) if generation > newest => Found::UnknownEpoch,
            Some(_) => Found::Revoked,
            None if self
                .held
                .last()
                .is_none_or(|(newest, _, _)| epoch > *newest) =>
            {
                Found::UnknownEpoch
            }
            None => Found::RetiredEpoch,
        }
    }
}
