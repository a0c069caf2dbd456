//! A log that is a file, looked through by several threads: each looks for the words in blocks of its own, and only blocks
//! with a hit are read once more, in order, line by line.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{LINE_LIMIT, MAX_WORD_BYTES, Scanner, count_lines};
use crate::reader::Reader;

/// How much is looked at at once: fits into the cache of one processor.
const BLOCK: usize = 64 * 1024;

/// How many blocks are looked at before their lines are read: 1 GiB. What is kept of each has some 40 bytes.
const BATCH: usize = 16 * 1024;

/// What a block has in it.
#[derive(Debug)]
struct Block {
    lines: u64,
    /// Where its last line ends.
    last_newline: Option<usize>,
    hit: bool,
}

/// Blocks, scanned by whichever thread is free.
struct Batch<'a> {
    scanner: &'a Scanner,
    file: &'a File,
    start: u64,
    end: u64,
    next: AtomicUsize,
    blocks: Vec<OnceLock<io::Result<Block>>>,
}

impl Batch<'_> {
    /// Looks at one more block; whether there was one.
    fn look(&self, buffer: &mut Vec<u8>) -> bool {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let Some(place) = self.blocks.get(number) else { return false };
        let _ = place.set(self.block(number, buffer));
        true
    }

    fn offset(&self, number: usize) -> u64 {
        self.start + number as u64 * BLOCK as u64
    }

    fn block(&self, number: usize, buffer: &mut Vec<u8>) -> io::Result<Block> {
        let from = self.offset(number);
        let own = usize::try_from((self.end - from).min(BLOCK as u64)).unwrap_or(BLOCK);
        // A word may begin in this block and end in the next.
        buffer.resize(BLOCK + MAX_WORD_BYTES, 0);
        let count = read_at(self.file, from, buffer)?;
        let whole = buffer.get(..count).unwrap_or_default();
        let mine = whole.get(..own).unwrap_or(whole);
        Ok(Block {
            lines: count_lines(mine),
            last_newline: memchr::memrchr(b'\n', mine),
            hit: self.scanner.has_word(whole),
        })
    }
}

/// Reads as much as there is.
fn read_at(file: &File, from: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(free) = buffer.get_mut(filled..).filter(|free| !free.is_empty()) {
        match file.read_at(free, from + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

impl Scanner {
    /// Reads all whole lines of the first `length` bytes of a file with so many threads; where the rest begins.
    ///
    /// # Errors
    /// Those of the file and of `done`.
    pub fn read_file<E: From<io::Error>>(
        &mut self,
        file: &File,
        length: u64,
        threads: usize,
        reader: &mut Reader,
        mut done: impl FnMut(&mut Reader) -> Result<(), E>,
    ) -> Result<u64, E> {
        let looker = Self::new_like(self);
        let mut carried = 0;
        let mut start = 0;
        while start < length {
            let end = length.min(start + (BATCH * BLOCK) as u64);
            let count = usize::try_from((end - start).div_ceil(BLOCK as u64)).unwrap_or(BATCH);
            let batch = Batch {
                scanner: &looker,
                file,
                start,
                end,
                next: AtomicUsize::new(0),
                blocks: (0..count).map(|_| OnceLock::new()).collect(),
            };
            std::thread::scope(|scope| {
                for _ in 1..threads {
                    scope.spawn(|| {
                        let mut buffer = Vec::new();
                        while batch.look(&mut buffer) {}
                    });
                }
                self.lines_of(&batch, &mut carried, reader, &mut done).inspect_err(|_| {
                    // The other blocks are no longer needed.
                    batch.next.store(count, Ordering::Relaxed);
                })
            })?;
            start = end;
        }
        Ok(carried)
    }

    /// Reads the lines of the blocks with a hit, in order, and helps to look at blocks while it waits for one.
    fn lines_of<E: From<io::Error>>(
        &mut self,
        batch: &Batch<'_>,
        carried: &mut u64,
        reader: &mut Reader,
        done: &mut impl FnMut(&mut Reader) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut buffer = Vec::new();
        let mut lines = Vec::new();
        for (number, place) in batch.blocks.iter().enumerate() {
            let block = loop {
                match place.get() {
                    Some(Ok(block)) => break block,
                    Some(Err(error)) => return Err(io::Error::new(error.kind(), error.to_string()).into()),
                    None if batch.look(&mut buffer) => {}
                    None => std::thread::yield_now(),
                }
            };
            let Some(last) = block.last_newline else { continue };
            let end = batch.offset(number) + last as u64 + 1;
            if block.hit || self.close_look > 0 {
                // A line that is longer than this loses its beginning.
                let from = (*carried).max(batch.offset(number).saturating_sub(LINE_LIMIT as u64));
                lines.resize(usize::try_from(end - from).unwrap_or(0), 0);
                let count = read_at(batch.file, from, &mut lines)?;
                self.part(lines.get(..count).unwrap_or_default(), reader);
                done(reader)?;
            } else {
                self.lines += block.lines;
            }
            *carried = end;
        }
        Ok(())
    }
}
