//! Tokens that a verified caller presents for others, each with a verdict of its own.

use std::time::Duration;

use cattery_core::{ForwardHeader, Verified};
use cattery_proto::v1;
use cattery_sdk::denial::PRESENTER_NOT_TRUSTED;
use http::StatusCode;
use tokio::time::{Instant, timeout_at};

use crate::agent::Agent;
use crate::decision::Question;
use crate::decision_log::Line;
use crate::verdict::Verdict;

/// What has to ask an authority is given up then, from the request's begin: the SDK waits for two seconds, and a caller is not to fail for
/// what somebody else's token needs.
const PATIENCE: Duration = Duration::from_millis(1_800);

/// Why a forwarded token is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ForwardRefused {
    /// The configuration does not name who presents it.
    NotTrusted,
    /// As any other token.
    Token(Verdict),
}

/// What came of one forwarded token.
pub(crate) type Forwarded<T> = Result<T, ForwardRefused>;

impl Agent {
    /// Verifies a caller's token and then, one by one, those that the caller presents for others. Of each that is good it gives what
    /// `keep` makes of it.
    ///
    /// # Errors
    /// What the caller may be told of the own token; then nothing else was looked at.
    pub(crate) async fn verify_all<T>(
        &self,
        question: &Question<'_>,
        presentation: &str,
        header: Option<&ForwardHeader<'_>>,
        keep: impl Fn(&Verified<'_>) -> T,
    ) -> Result<(T, Vec<Forwarded<T>>), Verdict> {
        let header = header.map(|header| (header, Instant::now() + PATIENCE));
        let keep_caller = |token: Verified<'_>| {
            let presents =
                header.map(|(header, until)| (header, until, token.principal().to_owned()));
            (keep(&token), presents)
        };
        let verified = self.verify(question, None, presentation, keep_caller);
        let (caller, presents) = verified.await?;
        let forwarded = match presents {
            None => Vec::new(),
            // In a box for the same reason as what spends.
            Some((header, until, presenter)) => {
                let presentations = header.presentations();
                let verified =
                    self.verify_forwarded(question, presentations, until, &presenter, &keep);
                Box::pin(verified).await
            }
        };
        Ok((caller, forwarded))
    }

    async fn verify_forwarded<'a, T>(
        &self,
        question: &Question<'_>,
        presentations: impl Iterator<Item = &'a str>,
        until: Instant,
        presenter: &str,
        keep: &impl Fn(&Verified<'_>) -> T,
    ) -> Vec<Forwarded<T>> {
        let is_trusted = self.takes_forwarded_from(question, presenter);
        let mut forwarded = Vec::new();
        for presentation in presentations {
            if !is_trusted {
                forwarded.push(Err(ForwardRefused::NotTrusted));
                continue;
            }
            let verified = self.verify(question, Some(presenter), presentation, |token| {
                keep(&token)
            });
            let verified = timeout_at(until, verified).await;
            let verified = verified.unwrap_or(Err(Verdict::Unavailable));
            forwarded.push(verified.map_err(ForwardRefused::Token));
        }
        forwarded
    }

    fn takes_forwarded_from(&self, question: &Question<'_>, presenter: &str) -> bool {
        let mut trusted = self.config.forward_from.iter();
        let is_trusted = trusted.any(|principal| principal.as_str() == presenter);
        if !is_trusted {
            let line = Line {
                verdict: PRESENTER_NOT_TRUSTED,
                detail: Some(&"`[forward] from` does not name the presenter"),
                presenter: Some(presenter),
                ..Line::default()
            };
            self.log_refused(Some(question), &line);
        }
        is_trusted
    }
}

impl ForwardRefused {
    /// A code of the protocol, `unavailable` or `presenter_not_trusted`.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::NotTrusted => PRESENTER_NOT_TRUSTED,
            Self::Token(verdict) => verdict.code(),
        }
    }
}

impl From<ForwardRefused> for v1::Denial {
    fn from(refused: ForwardRefused) -> Self {
        let status = match refused {
            ForwardRefused::NotTrusted => StatusCode::FORBIDDEN,
            ForwardRefused::Token(verdict) => verdict.http_status(),
        };
        Self {
            code: refused.code().to_owned(),
            http_status: status.as_u16().into(),
        }
    }
}
