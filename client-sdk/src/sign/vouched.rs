//! Discharges beside the token (SPEC section 7).

use http::{HeaderValue, Request};
use zeroize::Zeroizing;

use super::{SignError, Signer};
use crate::{
    keys::Token,
    third_party::{ThirdParties, Unvouched},
};

impl Signer {
    /// Sends along the discharges that tokens ask for, those for services further on included. [`SignLayer`](super::SignLayer) waits for
    /// one that is not held yet, some seconds at most; without that layer a token fails until its discharges have come, in the background.
    #[must_use]
    pub fn vouched_by(mut self, third_parties: ThirdParties) -> Self {
        self.third_parties = Some(third_parties);
        self
    }

    /// A header's value: the scheme, the token, and the discharges that it asks for. Marked sensitive.
    pub(super) fn header(&self, scheme: &str, token: &Token) -> Result<HeaderValue, SignError> {
        let mut text = Zeroizing::new(format!("{scheme}{}", &**token));
        if let Some(third_parties) = &self.third_parties {
            third_parties.append_held(token, &mut text)?;
        }
        let mut value = HeaderValue::from_str(&text)?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// Waits for what the last attempt lacked, if it was discharges, so that another one makes sense.
    pub(super) async fn wait_for_discharges(&self, refused: SignError) -> Result<(), SignError> {
        match (&self.third_parties, refused) {
            (Some(third_parties), SignError::Unvouched(Unvouched::NotYet(lacking))) => {
                Ok(third_parties.wait_for(&lacking).await?)
            }
            (_, refused) => Err(refused),
        }
    }

    /// Signs, and waits once for discharges that are not held yet.
    pub(super) async fn sign_when_vouched<B>(
        &self,
        request: &mut Request<B>,
    ) -> Result<u64, SignError> {
        match self.sign_noting_round(request) {
            Err(refused) => {
                self.wait_for_discharges(refused).await?;
                self.sign_noting_round(request)
            }
            signed => signed,
        }
    }
}
