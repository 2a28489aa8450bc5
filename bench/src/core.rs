//! Verifying, minting and narrowing in one thread, over the floor of the same run: the compressions that SPEC asks for, times what one takes.

use std::hint::black_box;

use anyhow::Result;
use cattery_core::{
    KeyId, Keyring, NoRevocations, NoSingleUse, Policy, RequestFacts, RootKey, Scratch, TokenSpec,
    UserKey, Verifier,
};
use cattery_report::{Measured, Page, Work, interleave};
use sha2::block_api::compress256;

const NOW: u64 = 1_790_000_000;

pub(crate) fn measure(_smoke: bool) -> Result<Page> {
    let service_key = RootKey::from_bytes([7; 32]).service_key(&"photos".parse()?, 0);
    let id = KeyId {
        epoch: 1,
        service: "photos",
        generation: 0,
        principal: "user/alice",
        version: 0,
        expires_at: NOW + 3_600,
        lease_id: [1; 8],
    };
    let key = UserKey::issue(&service_key, &id, &[])?;
    let spec = TokenSpec {
        not_before: NOW,
        not_after: NOW + 300,
        token_id: [2; 16],
        ..TokenSpec::default()
    };
    let (mut token, mut minted) = (String::new(), String::new());
    key.mint(&spec, &mut token)?;
    let mut keys = Keyring::new();
    keys.insert(1, 0, Box::new(service_key));
    let verifier = Verifier {
        service: "photos",
        keys: &keys,
        revocations: NoRevocations,
        single_use: NoSingleUse,
        policy: Policy::default(),
    };
    let facts = RequestFacts::default();
    let mut scratch = Scratch::new();
    let mut state = [7; 8];
    let block = [[3; 64]];
    let took = interleave(vec![
        Work::new("one compression", || {
            compress256(black_box(&mut state), black_box(&block));
        }),
        Work::new("verify from text", || {
            let verified = verifier.verify(black_box(&token), &facts, NOW, &mut scratch);
            assert!(black_box(verified).is_ok());
        }),
        Work::new("mint", || {
            let done = key.mint(black_box(&spec), &mut minted);
            assert!(black_box(done).is_ok());
        }),
    ]);
    let l = took[0].1;
    let mut page = Page::new("The core", "");
    page.table(
        &["what", "ns", "compressions' worth"],
        took.iter().map(|(name, took): &(String, Measured)| {
            vec![
                name.clone(),
                format!("{took:.1}"),
                format!("{:.1}", took.over(&l)),
            ]
        }),
    );
    Ok(page)
}
