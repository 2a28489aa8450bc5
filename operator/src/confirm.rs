//! Asking before something that cannot be taken back.

use std::io::{self, BufRead, IsTerminal as _, Write as _};

use anyhow::{Context as _, bail};

/// Refuses where nobody can be asked and nobody said yes before. Comes first, so that nothing is done in vain.
///
/// # Errors
/// Standard input is no terminal, and `yes` is not given.
pub(crate) fn check_possible(yes: bool) -> anyhow::Result<()> {
    if !yes && !io::stdin().is_terminal() {
        bail!(
            "nobody can be asked here, since standard input is no terminal, and nothing was done: give --yes to go ahead"
        );
    }
    Ok(())
}

/// Whether to go ahead: `yes`, or `word` typed on the terminal. Anything else is a no.
///
/// # Errors
/// The terminal cannot be read.
pub(crate) fn go_ahead(word: &str, yes: bool) -> anyhow::Result<bool> {
    if yes {
        return Ok(true);
    }
    let mut stderr = io::stderr().lock();
    // Without a question, there is no answer.
    write!(stderr, "Type `{word}` to go ahead: ").context("nobody can be asked")?;
    stderr.flush().context("nobody can be asked")?;
    is_word(word, io::stdin().lock()).context("the terminal cannot be read")
}

fn is_word(word: &str, mut from: impl BufRead) -> io::Result<bool> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    Ok(line.trim() == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_word_is_a_yes() {
        let said = |text: &str| is_word("emergency", text.as_bytes()).unwrap();
        assert!(said("emergency\n") && said(" emergency"));
        for no in [
            "",
            "\n",
            "y\n",
            "yes\n",
            "Emergency\n",
            "emergency now\n",
            "no\nemergency\n",
        ] {
            assert!(!said(no), "{no:?}");
        }
    }
}
