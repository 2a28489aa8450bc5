//! What compressions cost side by side.

use std::hint::black_box;

use cattery_lanes::{Block, Kernel, Words};
use cattery_report::{Page, Work, interleave};

const AT_ONCE: usize = 16;

pub(super) fn measure(page: &mut Page) {
    let kernels = Kernel::ALL
        .into_iter()
        .filter(|kernel| kernel.is_available());
    let works = kernels.map(|kernel| {
        let (mut states, blocks): ([Words; AT_ONCE], [Block; AT_ONCE]) =
            ([[7; 8]; AT_ONCE], [[3; 64]; AT_ONCE]);
        let name = match kernel {
            Kernel::Plain => "`sha2`, one after the other",
            Kernel::ShaNi => "SHA extensions, two at a time",
            Kernel::Wide => "AVX-512, sixteen at a time",
        };
        Work::of_many(name, AT_ONCE as u64, move || {
            kernel.compress_each(black_box(&mut states), black_box(&blocks));
        })
    });
    let took = interleave(works.collect());
    page.section(
        "Compressions side by side",
        "Sixteen compressions that do not wait for each other; those of one after the other overlap as far as the processor looks ahead.",
    );
    page.table(
        &["how", "each, ns"],
        took.into_iter()
            .map(|(how, took)| vec![how, format!("{took:.1}")]),
    );
}
