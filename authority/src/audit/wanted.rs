use std::io::{self, Read};

use tokio_util::sync::CancellationToken;

/// A long read that ends when nobody waits for it any more.
pub(super) struct Wanted<R> {
    pub(super) from: R,
    pub(super) gone: CancellationToken,
}

impl<R: Read> Read for Wanted<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.gone.is_cancelled() {
            return Err(io::Error::other("nobody waits for this any more"));
        }
        self.from.read(buf)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_when_nobody_waits() {
        let gone = CancellationToken::new();
        let mut read = Wanted {
            from: io::repeat(7),
            gone: gone.clone(),
        };
        assert_eq!(read.read(&mut [0; 8]).unwrap(), 8);
        drop(gone.drop_guard());
        assert!(read.read(&mut [0; 8]).is_err());
    }
}
