use super::super::StoreError;

/// The keys of one cluster in an etcd that others use too.
#[derive(Clone)]
pub(super) struct Keys {
    prefix: String,
}

impl Keys {
    pub(super) fn below(prefix: &str) -> Result<Self, String> {
        let good = prefix.len() > 2
            && prefix.len() <= 256
            && prefix.starts_with('/')
            && prefix.ends_with('/')
            && prefix.bytes().all(|byte| byte.is_ascii_graphic());
        match good {
            true => Ok(Self {
                prefix: prefix.to_owned(),
            }),
            false => Err(format!(
                "`{}` has to begin and end with a slash, as /cattery/NAME/ does, without spaces",
                prefix.escape_debug()
            )),
        }
    }

    /// What etcd calls a key, or all those that begin with it.
    pub(super) fn full(&self, key: &str) -> Vec<u8> {
        [self.prefix.as_bytes(), key.as_bytes()].concat()
    }

    /// The first key behind all those that begin with a prefix. There is one, since no byte of ours is 0xff.
    pub(super) fn end(&self, prefix: &str) -> Vec<u8> {
        let mut end = self.full(prefix);
        if let Some(last) = end.last_mut() {
            *last += 1;
        }
        end
    }

    /// What we call a key of etcd.
    pub(super) fn own(&self, full: &[u8]) -> Result<String, StoreError> {
        let text = std::str::from_utf8(full).ok();
        let own = text.and_then(|text| text.strip_prefix(&self.prefix));
        own.map(str::to_owned).ok_or_else(|| {
            StoreError::Corrupt(format!(
                "etcd answered the key `{}`, which is none of {}",
                full.escape_ascii(),
                self.prefix
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_go_in_and_come_back() {
        let keys = Keys::below("/cattery/a/").unwrap();
        assert_eq!(keys.full("k"), b"/cattery/a/k");
        assert_eq!(keys.end("k/"), b"/cattery/a/k0");
        assert_eq!(keys.end(""), b"/cattery/a0");
        assert_eq!(keys.own(b"/cattery/a/k").unwrap(), "k");
        for other in [&b"/cattery/b/k"[..], b"/cattery/a", b"/cattery/a/\xff"] {
            assert!(matches!(keys.own(other), Err(StoreError::Corrupt(_))));
        }
        let last = keys.end("ж");
        assert!(last > keys.full("ж/\u{10ffff}") && last <= keys.full("з"));
    }

    #[test]
    fn a_prefix_is_a_folder() {
        for wrong in ["", "/", "//", "a/", "/a", "/a b/", "/\u{e9}/"] {
            assert!(Keys::below(wrong).is_err(), "{wrong}");
        }
        assert!(Keys::below(&format!("/{}/", "x".repeat(255))).is_err());
    }
}
