//! Labels whose values are all known.

/// One label: an enum.
pub trait Label: Copy + 'static {
    /// The label's name.
    const NAME: &'static str;

    /// Every value, each at its [`index`](Self::index).
    fn all() -> Vec<Self>;

    /// Where it is among all.
    fn index(self) -> usize;

    /// As Prometheus is told.
    fn as_str(self) -> &'static str;
}

/// Makes an enum without fields a [`Label`]: its type, the label's name, and each value in order with its word.
///
/// ```
/// #[derive(Clone, Copy)]
/// enum Cat {
///     Tabby,
///     Tuxedo,
/// }
/// cattery_meters::label!(Cat, "cat", Tabby => "tabby", Tuxedo => "tuxedo");
/// ```
#[macro_export]
macro_rules! label {
    ($type:ident, $name:literal, $($value:ident => $word:literal),+ $(,)?) => {
        impl $crate::Label for $type {
            const NAME: &'static str = $name;

            fn all() -> Vec<Self> {
                vec![$(Self::$value),+]
            }

            fn index(self) -> usize {
                self as usize
            }

            fn as_str(self) -> &'static str {
                match self {
                    $(Self::$value => $word),+
                }
            }
        }
    };
}

/// The labels of one metric: one, or a pair.
pub trait Labels: Copy + 'static {
    /// Every combination, each at its [`index`](Self::index).
    fn all() -> Vec<Self>;

    /// Where it is among all. `others` is how many values the second label has, if there is one.
    fn index(self, others: usize) -> usize;

    /// How many values the second label has; 1 where there is none.
    fn others() -> usize;

    /// Names and values.
    fn pairs(self) -> Vec<(&'static str, &'static str)>;
}

impl<A: Label> Labels for A {
    fn all() -> Vec<Self> {
        A::all()
    }

    fn index(self, _: usize) -> usize {
        Label::index(self)
    }

    fn others() -> usize {
        1
    }

    fn pairs(self) -> Vec<(&'static str, &'static str)> {
        vec![(A::NAME, self.as_str())]
    }
}

/// A pair.
impl<A: Label, B: Label> Labels for (A, B) {
    fn all() -> Vec<Self> {
        let seconds = B::all();
        let firsts = A::all().into_iter();
        firsts
            .flat_map(|first| seconds.iter().map(move |second| (first, *second)))
            .collect()
    }

    fn index(self, others: usize) -> usize {
        self.0.index() * others + self.1.index()
    }

    fn others() -> usize {
        B::all().len()
    }

    fn pairs(self) -> Vec<(&'static str, &'static str)> {
        vec![(A::NAME, self.0.as_str()), (B::NAME, self.1.as_str())]
    }
}

/// No labels at all.
impl Labels for () {
    fn all() -> Vec<Self> {
        vec![()]
    }

    fn index(self, _: usize) -> usize {
        0
    }

    fn others() -> usize {
        1
    }

    fn pairs(self) -> Vec<(&'static str, &'static str)> {
        Vec::new()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Cat {
        Tabby,
        Tuxedo,
    }

    crate::label!(Cat, "cat", Tabby => "tabby", Tuxedo => "tuxedo");

    #[test]
    fn every_combination_has_an_index_of_its_own() {
        let all = <(Cat, Cat)>::all();
        let others = <(Cat, Cat)>::others();
        let indices: Vec<_> = all
            .iter()
            .map(|pair| Labels::index(*pair, others))
            .collect();
        assert_eq!(indices, [0, 1, 2, 3]);
        assert_eq!(
            (Cat::Tabby, Cat::Tuxedo).pairs(),
            [("cat", "tabby"), ("cat", "tuxedo")]
        );
    }
}
