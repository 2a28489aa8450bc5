//! The usual question, read where it lies: nothing of it is copied.

use crate::facts::{BadFact, Facts, Sent};

/// A `VerifyRequest` without what few of them have: forwarded presentations, and a context of the service's own.
#[derive(Debug, Default)]
pub(super) struct Usual<'a> {
    pub(super) presentation: &'a str,
    facts: Sent<'a>,
    pub(super) request_id: &'a str,
    pub(super) traceparent: &'a str,
}

impl<'a> Usual<'a> {
    /// `None`: something else is in it, or it cannot be read. Otherwise it says what it says to everybody: of a field that comes again the last
    /// value counts, and facts that come again go on.
    pub(super) fn read(message: &'a [u8]) -> Option<Self> {
        let mut read = Self::default();
        for field in Fields(message) {
            let Field { number, value } = field?;
            match number {
                1 => read.presentation = text(value)?,
                2 => read_facts(value, &mut read.facts)?,
                4 => read.request_id = text(value)?,
                5 => read.traceparent = text(value)?,
                _ => return None,
            }
        }
        Some(read)
    }

    pub(super) fn facts(&self) -> Result<Facts<'a>, BadFact> {
        self.facts.check()
    }
}

fn read_facts<'a>(message: &'a [u8], facts: &mut Sent<'a>) -> Option<()> {
    for field in Fields(message) {
        let Field { number, value } = field?;
        match number {
            1 => facts.method = Some(text(value)?),
            2 => facts.authority = Some(text(value)?),
            3 => facts.path_and_query = Some(text(value)?),
            4 => facts.source_addr = Some(text(value)?),
            5 => facts.client_cert_sha256 = Some(value),
            6 => facts.scope = Some(text(value)?),
            7 => facts.body_sha256 = Some(value),
            _ => return None,
        }
    }
    Some(())
}

fn text(value: &[u8]) -> Option<&str> {
    str::from_utf8(value).ok()
}

/// The fields of a message, as long as each has a length. The last one is `None` where one has not, or is cut off.
struct Fields<'a>(&'a [u8]);

struct Field<'a> {
    number: u8,
    value: &'a [u8],
}

impl<'a> Iterator for Fields<'a> {
    type Item = Option<Field<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        let (key, rest) = self.0.split_first()?;
        let field = field(*key, rest);
        self.0 = field.as_ref().map_or(&[], |(_, rest)| rest);
        Some(field.map(|(field, _)| field))
    }
}

/// A field and what is behind it.
fn field(key: u8, rest: &[u8]) -> Option<(Field<'_>, &[u8])> {
    let (number, kind) = (key >> 3, key & 7);
    if kind != HAS_LENGTH || number > GREATEST {
        return None;
    }
    let (len, rest) = length(rest)?;
    let (value, rest) = rest.split_at_checked(len)?;
    Some((Field { number, value }, rest))
}

/// How many bytes follow. One that takes more than three bytes to say is larger than any message here may be.
fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut len = 0;
    for (index, byte) in bytes.iter().enumerate().take(3) {
        len |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((len, bytes.get(index + 1..)?));
        }
    }
    None
}

/// A field's value begins with its length.
const HAS_LENGTH: u8 = 2;
/// The keys of greater numbers take more than a byte.
const GREATEST: u8 = 15;

#[cfg(test)]
mod tests {
    use cattery_proto::v1;
    use prost::Message as _;

    use super::*;
    use crate::facts::from_message;

    /// Whatever it reads is what prost reads. Whether it was read.
    fn is_read_as_by_prost(bytes: &[u8]) -> bool {
        let Some(read) = Usual::read(bytes) else {
            return false;
        };
        let sent = v1::VerifyRequest::decode(bytes).unwrap();
        let own = (read.presentation, read.request_id, read.traceparent);
        let theirs = (
            &sent.presentation[..],
            &sent.request_id[..],
            &sent.traceparent[..],
        );
        assert_eq!(own, theirs);
        let facts = sent.facts.unwrap_or_default();
        assert_eq!(read.facts(), from_message(&facts));
        assert!(sent.forwarded.is_empty() && facts.context.is_empty());
        true
    }

    fn questions() -> Vec<v1::VerifyRequest> {
        let plain = v1::VerifyRequest {
            presentation: "cat1_AAAA".into(),
            ..Default::default()
        };
        let with_facts = |facts| v1::VerifyRequest {
            facts: Some(facts),
            ..plain.clone()
        };
        let some = v1::RequestFacts {
            method: Some("GET".into()),
            authority: Some(String::new()),
            path_and_query: Some("/é?x=1".into()),
            ..Default::default()
        };
        let all = v1::RequestFacts {
            source_addr: Some("2001:db8::1".into()),
            client_cert_sha256: Some(vec![1; 32]),
            scope: Some("read".into()),
            body_sha256: Some(vec![2; 32]),
            ..some.clone()
        };
        let bad = v1::RequestFacts {
            body_sha256: Some(vec![2; 31]),
            ..some.clone()
        };
        let long = v1::RequestFacts {
            path_and_query: Some("/".repeat(40_000)),
            ..some.clone()
        };
        vec![
            v1::VerifyRequest::default(),
            plain.clone(),
            with_facts(v1::RequestFacts::default()),
            with_facts(some),
            with_facts(bad),
            with_facts(long),
            v1::VerifyRequest {
                request_id: "id".into(),
                traceparent: "00-1-2-3".into(),
                ..with_facts(all)
            },
        ]
    }

    #[test]
    fn what_is_usual_is_read_as_by_prost() {
        for question in questions() {
            assert!(is_read_as_by_prost(&question.encode_to_vec()));
        }
    }

    #[test]
    fn fields_that_come_again_are_read_as_by_prost() {
        let messages: Vec<_> = questions()
            .iter()
            .map(v1::VerifyRequest::encode_to_vec)
            .collect();
        for first in &messages {
            for second in &messages {
                assert!(is_read_as_by_prost(&[&first[..], second].concat()));
            }
        }
    }

    #[test]
    fn what_is_damaged_is_read_as_by_prost_or_not_at_all() {
        for question in questions() {
            let whole = question.encode_to_vec();
            if whole.len() > 1_000 {
                continue;
            }
            for at in 0..whole.len() {
                is_read_as_by_prost(&whole[..at]);
                for bit in 0..8 {
                    let mut damaged = whole.clone();
                    damaged[at] ^= 1 << bit;
                    is_read_as_by_prost(&damaged);
                }
            }
        }
    }

    #[test]
    fn what_few_have_is_left_to_others() {
        let question = questions().pop().unwrap();
        let forwards = v1::VerifyRequest {
            forwarded: vec![String::new()],
            ..question.clone()
        };
        let mut context = question;
        let facts = context.facts.as_mut().unwrap();
        facts.context = [("tenant".to_owned(), "blue".to_owned())].into();
        for question in [forwards, context] {
            assert!(Usual::read(&question.encode_to_vec()).is_none());
        }
        assert!(Usual::read(&[0x82, 0x01, 0]).is_none(), "field 16");
        assert!(Usual::read(&[0x0a, 1, 0xff]).is_none(), "no UTF-8");
    }
}
