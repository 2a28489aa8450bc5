//! Tokens that are good only while somebody else says so.

mod place;
mod renewed;

use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use cattery_tests::{
    cli::one_clear_line,
    secrets::{Secret, find},
    wait,
};

use self::place::Place;

#[test]
fn a_token_is_good_while_the_approval_stands() -> Result<()> {
    let place = Place::new()?;
    let alice = &place.town.alice;
    let caveat = place.register(&["--service", "photos"])?;
    let mint = ["mint", "photos", "--ttl", "10m", "--caveat", &caveat];
    let token = alice.ok(&mint, "")?;
    ensure!(place.status(&token)? == 403, "nobody has vouched for it");
    let presented = place.vouched(alice, &token)?;
    ensure!(place.status(&presented)? == 200);
    let sentences = alice.ok(&["inspect"], &presented)?;
    ensure!(
        sentences.contains("A discharge with which service/iam vouches to photos"),
        "{sentences}"
    );
    // What has all it asks for needs nobody.
    ensure!(place.vouched(alice, &presented)? == presented);

    // Withdrawn, there is no new discharge, and the last one soon ends.
    place.approve(false);
    let refused = place.discharge(alice, &token)?;
    ensure!(refused.code == 1 && refused.out.is_empty(), "{refused:?}");
    let no = one_clear_line(&refused.err, &["service/iam does not vouch"])?;
    wait::until("the last discharge has ended", || {
        Ok((place.status(&presented)? == 403).then_some(()))
    })?;
    place.approve(true);
    let again = place.vouched(alice, &presented)?;
    ensure!(place.status(&again)? == 200);
    ensure!(
        again.matches(',').count() == 1,
        "the one that has ended is left away"
    );

    // A stranger hears the same of a ticket that is not theirs as of one that does not exist, and alice heard the same of a no.
    let (ticket, none) = (
        caveat.clone(),
        format!("third-party=service/iam:{}", "ab".repeat(32)),
    );
    for (who, caveat) in [(&place.bob, &ticket), (&place.bob, &none), (alice, &none)] {
        let token = who.ok(&["mint", "photos", "--caveat", caveat], "")?;
        let refused = place.discharge(who, &token)?;
        ensure!(refused.code == 1 && refused.out.is_empty(), "{refused:?}");
        ensure!(refused.err.trim() == no, "{} / {no}", refused.err);
    }

    // A key that alice hands to bob, with a ticket that is his: not even alice gets anything for it.
    let caveat = place.register(&["--service", "photos", "--for", "user/bob"])?;
    let key = alice.ok(&["key", "export", "photos"], "")?;
    let key = alice.ok(&["key", "attenuate", "--caveat", &caveat], &key)?;
    let key = cattery_core::UserKey::parse_text(&key).context("the narrower key")?;
    let token = cattery_tests::town::mint(&key)?;
    ensure!(place.discharge(alice, &token)?.code == 1);
    let presented = place.vouched(&place.bob, &token)?;
    ensure!(place.status(&presented)? == 200);

    let (_, discharge) = presented.split_once(",catd1_").context("a discharge")?;
    let bytes = URL_SAFE_NO_PAD.decode(discharge)?;
    let tag = Secret::new("the tag of a discharge", &bytes[bytes.len() - 32..]);
    let leaked = find(&place.town.logs(), &[tag])?;
    ensure!(leaked.is_empty(), "{leaked:?}");
    Ok(())
}

#[test]
fn what_is_no_word_of_a_third_party_is_worth_nothing() -> Result<()> {
    let place = Place::new()?;
    let alice = &place.town.alice;
    let caveat = place.register(&["--service", "photos"])?;
    let token = alice.ok(&["mint", "photos", "--caveat", &caveat], "")?;
    let presented = place.vouched(alice, &token)?;
    let (_, discharge) = presented.split_once(',').context("a discharge")?;

    // A discharge is no token.
    ensure!(place.status(discharge)? == 401);
    // Nor is it good for another ticket, or changed.
    let other = place.register(&["--service", "photos"])?;
    let other = alice.ok(&["mint", "photos", "--caveat", &other], "")?;
    ensure!(place.status(&format!("{other},{discharge}"))? == 403);
    let narrow = alice.ok(
        &["token", "attenuate", "--caveat", "method=POST"],
        discharge,
    )?;
    ensure!(place.status(&format!("{token},{narrow}"))? == 403);
    let mut forged = discharge.to_owned();
    let last = forged.pop().context("letters")?;
    forged.push(if last == 'A' { 'Q' } else { 'A' });
    ensure!(place.status(&format!("{token},{forged}"))? != 200);
    // alice's own key makes none that counts.
    let now = cattery_tests::town::now()?;
    let ticket = hex::decode(caveat.rsplit(':').next().context("a ticket")?)?;
    let spec = cattery_core::DischargeSpec {
        not_before: now,
        not_after: now + 60,
        ticket: &ticket,
        ..Default::default()
    };
    let mut own = String::new();
    place.town.key()?.discharge(&spec, &mut own)?;
    ensure!(place.status(&format!("{token},{own}"))? == 403);
    ensure!(place.status(&place.vouched(alice, &token)?)? == 200);

    // A third party whose own key is narrowed cannot vouch, and its log says why.
    let docs = place.register(&["--service", "docs"])?;
    let token = alice.ok(&["mint", "docs", "--caveat", &docs], "")?;
    let refused = place.discharge(alice, &token)?;
    one_clear_line(&refused.err, &["cannot vouch to this service"])?;

    // What a person gets wrong.
    let at = format!("service/iam={}", place.address);
    let photos = ["--service", "photos", "--at", &place.address];
    let register = ["third-party", "register", "iam", "--predicate"];
    let ca = ["--ca", place.ca()?];
    for (args, words) in [
        (
            [&register[..], &["moonshine"], &photos, &ca].concat(),
            &["moonshine", "means nothing here"][..],
        ),
        (
            [&register[..], &["approved"], &photos].concat(),
            &["--ca FILE"],
        ),
        (vec!["discharge", "--at", &at], &["--ca FILE"]),
        (
            [&["discharge", "--at", "service/iam=127.0.0.1:1"][..], &ca].concat(),
            &["service/iam", "cannot be reached", "refused"],
        ),
        (
            [&["discharge", "--at", "service/other=a.test:1"][..], &ca].concat(),
            &["service/iam", "--at"],
        ),
        (
            vec!["discharge", "--at", "a.test:1"],
            &["PRINCIPAL=ADDRESS"],
        ),
        (
            vec!["discharge", "--at", "service/iam=http://192.0.2.1:1"],
            &["192.0.2.1", "https"],
        ),
    ] {
        alice.refused(&args, &token, words)?;
    }
    Ok(())
}
