/// A set of numbers below 8.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Numbers(u8);

impl Numbers {
    pub(crate) fn of(numbers: impl IntoIterator<Item = u32>) -> Self {
        Self(numbers.into_iter().fold(0, |bits, it| bits | 1 << it))
    }
    pub(crate) fn up_to(last: u8) -> Self {
        Self::of(1..=last.into())
    }
    pub(crate) fn has(self, number: u8) -> bool {
        self.0 & 1 << number != 0
    }
    pub(crate) fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
    pub(crate) fn except(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
    pub(crate) fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
    pub(crate) fn each(self) -> impl DoubleEndedIterator<Item = u8> {
        (0..8).filter(move |number| self.has(*number))
    }
}

impl std::fmt::Debug for Numbers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.each()).finish()
    }
}
