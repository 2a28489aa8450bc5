//! The usual answers, written as they leave: nothing is copied first.

use cattery_core::Verified;
use prost::bytes::{BufMut, BytesMut};

use crate::decision::DecisionId;
use crate::verdict::Verdict;

/// Writes the `VerifyResponse` of a good token. `part` is room that is used again.
pub(super) fn put_caller(
    token: &Verified<'_>,
    decision: DecisionId,
    part: &mut BytesMut,
    into: &mut BytesMut,
) {
    let key = token.key_id();
    part.clear();
    put_unless_empty(part, 1, token.principal().as_bytes());
    put_bytes(part, 2, &token.token_id());
    let scopes = token.scopes();
    let is_scoped = scopes.is_some();
    for scope in scopes.into_iter().flatten() {
        put_bytes(part, 3, scope.as_bytes());
    }
    put_number(part, 4, is_scoped.into());
    put_unless_empty(part, 5, token.claims_type().as_bytes());
    put_unless_empty(part, 6, token.claims());
    put_number(part, 7, key.epoch.into());
    put_number(part, 8, token.not_after());
    put_bytes(part, 9, &key.lease_id);
    put_bytes(into, 1, part);
    put_bytes(into, 4, &decision.digits());
}

/// Writes the `VerifyResponse` of a token that is refused.
pub(super) fn put_denial(
    verdict: Verdict,
    decision: DecisionId,
    part: &mut BytesMut,
    into: &mut BytesMut,
) {
    part.clear();
    put_unless_empty(part, 1, verdict.code().as_bytes());
    put_number(part, 2, verdict.http_status().as_u16().into());
    put_bytes(into, 2, part);
    put_bytes(into, 4, &decision.digits());
}

fn put_unless_empty(into: &mut BytesMut, field: u8, value: &[u8]) {
    if !value.is_empty() {
        put_bytes(into, field, value);
    }
}

fn put_bytes(into: &mut BytesMut, field: u8, value: &[u8]) {
    into.put_u8(field << 3 | 2);
    put_varint(into, value.len() as u64);
    into.put_slice(value);
}

fn put_number(into: &mut BytesMut, field: u8, value: u64) {
    if value != 0 {
        into.put_u8(field << 3);
        put_varint(into, value);
    }
}

fn put_varint(into: &mut BytesMut, mut value: u64) {
    while let [low, ..] = value.to_le_bytes()
        && value >= 0x80
    {
        into.put_u8(low | 0x80);
        value >>= 7;
    }
    into.put_u8(value.to_le_bytes()[0]);
}

#[cfg(test)]
mod tests {
    use cattery_core::{
        Caveat, Code, KeyId, Keyring, NoRevocations, NoSingleUse, Policy, RequestFacts, Scratch,
        ServiceKey, TokenSpec, UserKey, Verifier,
    };
    use cattery_proto::v1;
    use prost::Message as _;
    use v1::verify_response::Result as Outcome;

    use super::*;
    use crate::grpc::verify::caller;

    const NOW: u64 = 1_790_000_000;

    fn written(put: impl Fn(&mut BytesMut, &mut BytesMut)) -> BytesMut {
        let (mut part, mut into) = (BytesMut::from("before"), BytesMut::new());
        put(&mut part, &mut into);
        into
    }

    fn by_prost(result: Outcome, decision: DecisionId) -> Vec<u8> {
        let answer = v1::VerifyResponse {
            result: Some(result),
            forwarded: Vec::new(),
            decision_id: decision.to_string(),
        };
        answer.encode_to_vec()
    }

    /// A good token's answer, from here and from prost.
    fn check(epoch: u32, claims_type: &str, claims: &[u8], caveats: &[Caveat<'_>]) {
        let service_key = ServiceKey::from_bytes(&[3; 32]);
        let id = KeyId {
            epoch,
            service: "photos",
            generation: 0,
            principal: "user/alice",
            version: 0,
            expires_at: NOW + 3_600,
            lease_id: [5; 8],
        };
        let key = UserKey::issue(&service_key, &id, &[]).unwrap();
        let spec = TokenSpec {
            not_before: NOW,
            not_after: NOW + 60,
            token_id: [6; 16],
            claims_type,
            claims,
            caveats,
        };
        let mut token = String::new();
        key.mint(&spec, &mut token).unwrap();
        let mut keys = Keyring::new();
        keys.insert(epoch, 0, Box::new(service_key));
        let verifier = Verifier {
            service: "photos",
            keys,
            revocations: NoRevocations,
            single_use: NoSingleUse,
            policy: Policy::default(),
        };
        let facts = RequestFacts {
            scope: Some("read"),
            ..RequestFacts::default()
        };
        let mut scratch = Scratch::new();
        let verified = verifier.verify(&token, &facts, NOW, &mut scratch).unwrap();
        let decision = DecisionId::new();
        let own = written(|part, into| put_caller(&verified, decision, part, into));
        assert_eq!(own, by_prost(Outcome::Caller(caller(&verified)), decision));
    }

    #[test]
    fn a_good_token_is_told_as_by_prost() {
        let scopes: [Caveat<'_>; 2] = ["scope=read,write,list", "scope=read,list"]
            .map(|text: &'static str| text.parse().unwrap());
        for epoch in [1, 127, 128, u32::MAX] {
            check(epoch, "", b"", &[]);
            check(epoch, "shop.Cart", &[7; 300], &scopes);
        }
    }

    #[test]
    fn a_refused_token_is_told_as_by_prost() {
        let codes = Code::ALL.map(Verdict::Denied);
        for verdict in codes.into_iter().chain([Verdict::Unavailable]) {
            let decision = DecisionId::new();
            let own = written(|part, into| put_denial(verdict, decision, part, into));
            assert_eq!(own, by_prost(Outcome::Denial(verdict.into()), decision));
        }
    }

    #[test]
    fn numbers_are_written_as_by_prost() {
        for bits in 0..64 {
            for value in [(1_u64 << bits) - 1, 1 << bits, u64::MAX >> bits] {
                let mut own = BytesMut::new();
                put_number(&mut own, 1, value);
                // For prost a number is a message that has it as its first field.
                assert_eq!(own, value.encode_to_vec());
            }
        }
    }
}
