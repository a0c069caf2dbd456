//! Memory that is really taken: every page of it written to.

/// How much is taken in one go.
const CHUNK: usize = 1 << 20;
const PAGE: usize = 4096;

/// Memory that grows.
#[derive(Debug, Default)]
pub struct Ballast {
    chunks: Vec<Vec<u8>>,
}

impl Ballast {
    /// Takes up to a mebibyte more, and no more than `all` in all; whether that is not yet it.
    pub fn grow(&mut self, all: u64) -> bool {
        let left = usize::try_from(all).unwrap_or(usize::MAX).saturating_sub(self.held());
        if left == 0 {
            return false;
        }
        let mut chunk = vec![0_u8; left.min(CHUNK)];
        for byte in chunk.iter_mut().step_by(PAGE) {
            *byte = 1;
        }
        // Without this the compiler may see that nobody reads what was written.
        self.chunks.push(std::hint::black_box(chunk));
        true
    }

    /// How much it is.
    #[must_use]
    pub fn held(&self) -> usize {
        self.chunks.iter().map(Vec::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_to_what_was_said_and_no_further() {
        let mut ballast = Ballast::default();
        let all = (CHUNK + 5) as u64;
        assert!(ballast.grow(all) && ballast.grow(all) && !ballast.grow(all));
        assert_eq!(ballast.held(), CHUNK + 5);
        assert!(!Ballast::default().grow(0));
    }
}
