//! Deciding on several requests at once, where that waits for nobody: the core verifies many tokens in less time than one after the other.

use cattery_core::{self as core, Verified, Verifier};

use crate::agent::Agent;
use crate::clock::Moment;
use crate::decide::SCRATCH;
use crate::decision::{Face, Question};
use crate::meters::Verdicts;
use crate::verdict::Verdict;

/// A question and the token that it is about.
pub(crate) type Asked<'a> = (Question<'a>, &'a str);

impl Agent {
    /// Whether this is decided on at once: no authority is asked whether the token was used, and no collector waits for a span.
    pub(crate) fn waits_for_nobody(&self, question: &Question<'_>) -> bool {
        !self.config.single_use_shared && !question.is_traced()
    }

    /// Decides as [`decide`](Self::decide) does, on callers' own tokens and in order, on questions that came `now` at this face. `answer` is
    /// called for each of them.
    pub(crate) fn decide_many(
        &self,
        now: Moment,
        face: Face,
        asked: &[Asked<'_>],
        mut answer: impl FnMut(&Question<'_>, Result<&Verified<'_>, Verdict>),
    ) {
        let mut decided = Vec::with_capacity(asked.len());
        let mut questions = asked.iter().map(|(question, _)| question);
        self.verify_many(now, asked, |token| {
            let Some(question) = questions.next() else {
                return;
            };
            decided.push((question, Verdicts(token.map(|_| ()))));
            answer(question, token);
        });
        self.conclude_many(now, face, &decided);
    }

    /// Gives what comes of each token, in order.
    fn verify_many(
        &self,
        now: Moment,
        asked: &[Asked<'_>],
        mut give: impl FnMut(Result<&Verified<'_>, Verdict>),
    ) {
        let keys = self.keys.load();
        let keys = match self.usable(keys.as_ref(), now) {
            Ok(keys) => keys,
            Err(verdict) => {
                for (question, _) in asked {
                    self.log_unexplained(question, verdict);
                    give(Err(verdict));
                }
                return;
            }
        };
        let verifier = Verifier {
            service: self.service.as_str(),
            keys: keys.at(now.wall, self.config.leeway_seconds),
            revocations: keys,
            single_use: self.once.at(now),
            policy: self.policy(),
        };
        let facts: Vec<_> = asked.iter().map(|(of, _)| of.facts.as_core()).collect();
        let asked_of_core = asked.iter().zip(&facts);
        let asked_of_core: Vec<_> = asked_of_core
            .map(|((_, presentation), facts)| core::Question {
                presentation,
                presenter: None,
                facts,
            })
            .collect();
        let mut refused = Vec::new();
        SCRATCH.with_borrow_mut(|scratch| {
            verifier.verify_many(&asked_of_core, now.wall, scratch, |index, verified| {
                let Some((question, _)) = asked.get(index) else {
                    return;
                };
                match verified {
                    Ok(token) => {
                        if self.decision_log.has_all() {
                            let (principal, id) = (token.principal(), token.token_id());
                            self.log_accepted(question, principal, id, None);
                        }
                        give(Ok(&token));
                    }
                    Err(denied) => {
                        self.log_denied(question, &denied, None);
                        refused.push((index, denied.code));
                        let verdict = self.refuse(denied.code);
                        if verdict == Verdict::Unavailable {
                            self.log_unexplained(question, verdict);
                        }
                        give(Err(verdict));
                    }
                }
            });
            for (index, code) in refused {
                let Some(of) = asked_of_core.get(index) else {
                    continue;
                };
                self.look_at_clocks(keys, code, now, None, of.presentation, of.facts, scratch);
            }
        });
    }
}
