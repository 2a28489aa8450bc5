//! Several presentations at a time: the hashes of their key chains are done side by side, each of the other steps for one after the other.

use super::code::Code;
use super::denied::{Denied, Part, Reason};
use super::keys::Keys;
use super::open::Start;
use super::presented::{Presentation, Scratch};
use super::revocations::Revocations;
use super::single_use::SingleUse;
use super::verified::Verified;
use super::verifier::Verifier;
use crate::chains::{Chain, LANES, tags};
use crate::form::FormError;
use crate::request::{Given, RequestFacts};

/// One of many presentations, and what it is presented for.
#[derive(Clone, Copy)]
pub struct Question<'q> {
    /// The presentation.
    pub presentation: &'q str,
    /// As for [`Verifier::verify_by`].
    pub presenter: Option<&'q str>,
    /// The request.
    pub facts: &'q RequestFacts<'q>,
}

/// Fewer are faster one after the other.
const FEWEST: usize = 4;

impl<K: Keys, R: Revocations, S: SingleUse> Verifier<'_, K, R, S> {
    /// Verifies all of them at `now` (Unix seconds): the same answers as [`verify_by`](Self::verify_by) gives for one after the other, in less
    /// time. `answer` is called for each in order, with its index. Nothing is allocated.
    pub fn verify_many(
        &self,
        questions: &[Question<'_>],
        now: u64,
        scratch: &mut Scratch,
        mut answer: impl FnMut(usize, Result<Verified<'_>, Denied<'_>>),
    ) {
        let mut rest = questions;
        let mut index = 0;
        while let Some(first) = rest.first() {
            let mut answer = |result: Result<Verified<'_>, Denied<'_>>| {
                answer(index, result);
                index += 1;
            };
            let done = if rest.len() < FEWEST {
                answer(self.verify_by(
                    first.presenter,
                    first.presentation,
                    first.facts,
                    now,
                    scratch,
                ));
                1
            } else {
                self.verify_some(rest, now, scratch, answer)
            };
            rest = rest.get(done..).unwrap_or_default();
        }
    }

    /// As many of the first ones as there are lanes and room for. At least one.
    fn verify_some(
        &self,
        questions: &[Question<'_>],
        now: u64,
        scratch: &mut Scratch,
        mut answer: impl FnMut(Result<Verified<'_>, Denied<'_>>),
    ) -> usize {
        let mut room = scratch.buffer();
        let mut read: [Result<Presentation<'_>, (Part, FormError)>; LANES] =
            [const { Err((Part::Presentation, FormError::TooLong)) }; LANES];
        let mut count = 0;
        for (question, slot) in questions.iter().zip(&mut read) {
            let text = question.presentation;
            // No text is shorter than what it decodes to. The first one has all the room there ever is.
            if count > 0 && text.len() > room.len() {
                break;
            }
            // Where this fails, there is no room left, and the rest waits for the next call.
            *slot = Presentation::read(text, &mut room);
            count += 1;
        }
        // The answer of each so far: its lane, or why it is refused.
        let mut lane_of = [const { Err((Code::BadTag, Reason::Tag)) }; LANES];
        let mut chains: [Option<Chain<'_>>; LANES] = [const { None }; LANES];
        let mut lanes = 0;
        for (presented, lane) in read[..count].iter().zip(&mut lane_of) {
            let Ok(presented) = presented else { continue };
            let token = &presented.token;
            *lane = self.find_key(&token.key_id).map(|start| {
                let (start, user) = match start {
                    Start::Service(key) => (key.keyed_state(), Some(&token.key_id)),
                    Start::User(state) => (state.keyed_state(), None),
                };
                chains[lanes] = Some(Chain { start, user, token });
                lanes += 1;
                lanes - 1
            });
        }
        let tags = tags(&chains);
        let asked = read[..count].iter().zip(questions);
        for ((presented, question), lane) in asked.zip(&lane_of) {
            let presented = match presented {
                Ok(presented) => presented,
                Err(error) => {
                    answer(Err(Denied::malformed(*error)));
                    continue;
                }
            };
            let token = &presented.token;
            let first = lane.and_then(|lane| match tags.of(lane) {
                Some((first, last)) if last.matches(token.tag) => Ok(first),
                _ => Err((Code::BadTag, Reason::Tag)),
            });
            let given = Given {
                facts: question.facts,
                presenter: question.presenter,
            };
            answer(match first {
                Ok(first) => self.verify_authentic(presented, &first, given, now),
                Err((code, reason)) => Err(Denied {
                    code,
                    reason,
                    key_id: Some(token.key_id),
                    token_id: None,
                }),
            });
        }
        count
    }
}
