//! What a token asks for: third-party caveats that no discharge answers yet.

use std::cell::RefCell;

use cattery_core::{
    Caveat, FormError, Scratch,
    inspect::{self, Inspected},
};

/// One discharge that a token asks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Demand {
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

impl Demand {
    pub(crate) fn asked(&self) -> Asked<'_> {
        Asked {
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
pub(crate) struct Asked<'a> {
    pub(crate) service: &'a str,
    pub(crate) principal: &'a str,
    pub(crate) ticket: &'a [u8],
    pub(crate) epoch: u32,
    pub(crate) generation: u32,
}

impl Asked<'_> {
    pub(crate) fn is(&self, demand: &Demand) -> bool {
        (self.ticket, self.principal, self.service)
            == (
                &demand.ticket[..],
                &demand.principal[..],
                &demand.service[..],
            )
            && (self.epoch, self.generation) == (demand.epoch, demand.generation)
    }

    pub(crate) fn to_owned(self) -> Demand {
        Demand {
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
pub fn demands(presentation: &str, now: u64) -> Result<Vec<Demand>, FormError> {
    let mut parts = inspect::parts(presentation);
    let mut demands: Vec<Demand> = Vec::new();
    each(parts.next().unwrap_or_default(), |asked| {
        if !demands.iter().any(|demand| asked.is(demand)) {
            demands.push(asked.to_owned());
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
            demands.retain(|demand| {
                (by.service, by.principal) != (&demand.service, &demand.principal)
                    || says.ticket != demand.ticket
            });
        }
    }
    Ok(demands)
}

/// Shows each third-party caveat of one token.
pub(crate) fn each(token: &str, mut show: impl FnMut(Asked<'_>)) -> Result<(), FormError> {
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
                show(Asked {
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
