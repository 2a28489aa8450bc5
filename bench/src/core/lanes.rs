//! What compressions cost side by side.

use std::hint::black_box;

use cattery_lanes::{Block, Kernel, Words};
use cattery_report::{Page, Work, interleave};

const AT_ONCE: usize = 16;
/// Of a MAC of one block, and of the key that it is.
const IN_A_KEY: usize = 4;

pub(super) fn measure(page: &mut Page) {
    let kernels = Kernel::ALL
        .into_iter()
        .filter(|kernel| kernel.is_available());
    let works = kernels.flat_map(|kernel| [alone(kernel), in_keys(kernel)]);
    let took = interleave(works.collect());
    page.section(
        "Compressions side by side",
        "Sixteen messages that do not wait for each other; those of one after the other overlap as far as the processor looks ahead. Alone, each \
         compression has its state and its block from memory; in the four of a key that is derived from another one, as each row of a key chain \
         is, three have them from the one before.",
    );
    page.table(
        &["how", "alone: each, ns", "in keys: each, ns"],
        took.as_chunks()
            .0
            .iter()
            .map(|[(how, alone), (_, in_keys)]| {
                vec![how.clone(), format!("{alone:.1}"), format!("{in_keys:.1}")]
            }),
    );
}

fn name(kernel: Kernel) -> &'static str {
    match kernel {
        Kernel::Plain => "`sha2`, one after the other",
        Kernel::ShaNi => "SHA extensions, two at a time",
        Kernel::Wide => "AVX-512, sixteen at a time",
    }
}

fn alone(kernel: Kernel) -> Work<'static> {
    let (mut states, blocks): ([Words; AT_ONCE], [Block; AT_ONCE]) =
        ([[7; 8]; AT_ONCE], [[3; 64]; AT_ONCE]);
    Work::of_many(name(kernel), AT_ONCE as u64, move || {
        kernel.compress_each(black_box(&mut states), black_box(&blocks));
    })
}

fn in_keys(kernel: Kernel) -> Work<'static> {
    let (mut keyed, blocks) = ([[[7; 8]; 2]; AT_ONCE], [[3; 64]; AT_ONCE]);
    Work::of_many(name(kernel), (AT_ONCE * IN_A_KEY) as u64, move || {
        kernel.finish_key_each(black_box(&mut keyed), black_box(&blocks));
    })
}
