//! What a token asks for: third-party caveats that no discharge answers yet.

use std::cell::RefCell;

use cattery_core::{
    Caveat, FormError, Scratch,
    inspect::{self, Inspected},
};
use zeroize::Zeroizing;

/// One discharge that a token asks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Needed {
    /// The service that the token is for.
    pub service: String,
    /// Who has to vouch.
    pub principal: String,
    /// What for.
    pub ticket: Vec<u8>,
    /// The epoch of the token's key: an older key of the third party's may be retired already.
    pub epoch: u32,
    /// The generation of the token's key.
    pub generation: u32,
}

impl Needed {
    pub(crate) fn borrowed(&self) -> NeededRef<'_> {
        NeededRef {
            service: &self.service,
            principal: &self.principal,
            ticket: &self.ticket,
            epoch: self.epoch,
            generation: self.generation,
        }
    }
}

/// The same, borrowed from a token.
#[derive(Clone, Copy)]
pub(crate) struct NeededRef<'a> {
    pub(crate) service: &'a str,
    pub(crate) principal: &'a str,
    pub(crate) ticket: &'a [u8],
    pub(crate) epoch: u32,
    pub(crate) generation: u32,
}

impl NeededRef<'_> {
    pub(crate) fn is(&self, needed: &Needed) -> bool {
        (self.ticket, self.principal, self.service)
            == (
                &needed.ticket[..],
                &needed.principal[..],
                &needed.service[..],
            )
            && (self.epoch, self.generation) == (needed.epoch, needed.generation)
    }

    pub(crate) fn to_owned(self) -> Needed {
        Needed {
            service: self.service.to_owned(),
            principal: self.principal.to_owned(),
            ticket: self.ticket.to_vec(),
            epoch: self.epoch,
            generation: self.generation,
        }
    }
}

/// The discharges that a presentation (a token, and what stands behind it) lacks at `now`, Unix seconds. Nothing is verified: whoever
/// wrote the token says so.
///
/// # Errors
/// It is malformed, or no token.
pub fn needed(presentation: &str, now: u64) -> Result<Vec<Needed>, FormError> {
    let mut parts = inspect::parts(presentation);
    let mut needed: Vec<Needed> = Vec::new();
    each(parts.next().unwrap_or_default(), |asked| {
        if !needed.iter().any(|needed| asked.is(needed)) {
            needed.push(asked.to_owned());
        }
    })?;
    let mut scratch = Scratch::new();
    for part in parts {
        let Inspected::Discharge(discharge) = inspect::parse(part, &mut scratch)? else {
            return Err(FormError::Prefix("catd1_"));
        };
        let by = discharge.unverified_key_id();
        let Ok(says) = discharge.unverified_discharge() else {
            continue;
        };
        if says.not_after > now {
            needed.retain(|needed| {
                (by.service, by.principal) != (&needed.service, &needed.principal)
                    || says.ticket != needed.ticket
            });
        }
    }
    Ok(needed)
}

/// The same presentation without the discharges that have ended at `now`, Unix seconds: there is room for four alone.
///
/// # Errors
/// It is malformed.
pub fn without_ended(presentation: &str, now: u64) -> Result<Zeroizing<String>, FormError> {
    let mut parts = inspect::parts(presentation);
    let token = parts.next().unwrap_or_default();
    let mut kept = Zeroizing::new(String::with_capacity(presentation.len()));
    kept.push_str(token);
    let mut scratch = Scratch::new();
    for part in parts {
        let has_ended = match inspect::parse(part, &mut scratch)? {
            Inspected::Discharge(discharge) => discharge
                .unverified_discharge()
                .is_ok_and(|says| says.not_after <= now),
            _ => return Err(FormError::Prefix("catd1_")),
        };
        if !has_ended {
            kept.push(',');
            kept.push_str(part);
        }
    }
    Ok(kept)
}

/// Shows each third-party caveat of one token.
pub(crate) fn each(token: &str, mut show: impl FnMut(NeededRef<'_>)) -> Result<(), FormError> {
    with_scratch(|scratch| {
        let Inspected::Token(token) = inspect::parse(token, scratch)? else {
            return Err(FormError::Prefix("cat1_"));
        };
        let id = token.unverified_key_id();
        let caveats = token
            .unverified_key_caveats()
            .chain(token.unverified_caveats());
        for caveat in caveats.flatten() {
            if let Caveat::ThirdParty { principal, ticket } = &caveat {
                show(NeededRef {
                    service: id.service,
                    principal,
                    ticket,
                    epoch: id.epoch,
                    generation: id.generation,
                });
            }
        }
        Ok(())
    })
}

/// Signing looks at every token: that allocates nothing.
fn with_scratch<T>(work: impl FnOnce(&mut Scratch) -> T) -> T {
    thread_local! {
        static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::new());
    }
    SCRATCH.with(|scratch| match scratch.try_borrow_mut() {
        Ok(mut scratch) => work(&mut scratch),
        Err(_) => work(&mut Scratch::new()),
    })
}
