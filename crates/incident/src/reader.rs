//! Lines to episodes: parses lines, joins wrapped ones, and tells the scanner how long to read every line.

use crate::assemble::{Assembler, Place};
use crate::episode::{Episode, Episodes};
use crate::json_line;
use crate::line::{Line, Origin};
use crate::record::{self, Record, Shape};
use crate::time::Time;

/// The longest message that is looked at. A line of Mem-Info has about 500 bytes, a cgroup's statistics some 2000.
const MESSAGE_LIMIT: usize = 16 * 1024;

/// How many lines one message may be wrapped over.
const MAX_JOINS: u8 = 8;

/// Reads lines. What it holds is bounded by one episode.
#[derive(Debug, Default)]
pub struct Reader {
    assembler: Assembler,
    episodes: Episodes,
    pending: Option<Pending>,
    /// The time of a line that had nothing after it: its message is in the next one.
    carried: Option<Time>,
    sequence: Option<(u64, u64)>,
    boot: Option<String>,
    lost: u64,
    announced: bool,
    done: Vec<Episode>,
}

/// A message that may go on in the next line.
#[derive(Debug)]
struct Pending {
    record: Record,
    text: Vec<u8>,
    time: Time,
    line: u64,
    joins: u8,
}

/// What a line meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Nothing.
    Nothing,
    /// A part of a report or of what came after it.
    Something,
}

impl Reader {
    /// How many records are missing, as far as the log says so.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// So many records are missing, as the reader of a log knows.
    pub fn note_lost(&mut self, records: u64) {
        self.lost = self.lost.saturating_add(records);
    }

    /// The episodes that are over.
    pub fn take_done(&mut self) -> Vec<Episode> {
        std::mem::take(&mut self.done)
    }

    /// The end of the log.
    pub fn finish(&mut self) {
        self.flush();
        self.end_report();
        self.done.extend(self.episodes.finish());
    }

    /// Reads one line.
    pub fn line(&mut self, number: u64, raw: &[u8]) -> Seen {
        let raw = raw.get(..MESSAGE_LIMIT * 4).unwrap_or(raw);
        if memchr::memchr(ESCAPE, raw).is_some() {
            return self.plain_line(number, &uncoloured(raw));
        }
        self.plain_line(number, raw)
    }

    fn plain_line(&mut self, number: u64, raw: &[u8]) -> Seen {
        if let Some(record) = json_line::read(raw) {
            if record.wrapped {
                return self.prefixed_line(number, &record.message);
            }
            if let Some(boot) = &record.boot
                && self.boot.as_ref().is_some_and(|known| known != boot)
            {
                self.flush();
                self.record(&Record::Boot, number, &record.time, b"");
            }
            self.boot = record.boot.or(self.boot.take());
            let origin = if record.kernel { Origin::Kernel } else { Origin::Program(&record.program) };
            return self.message(number, &record.time, origin, true, &record.message);
        }
        self.prefixed_line(number, raw)
    }

    fn prefixed_line(&mut self, number: u64, raw: &[u8]) -> Seen {
        let mut line = Line::read(raw);
        if let Some(sequence) = line.sequence {
            self.count_lost(number, sequence);
        }
        if line.text.is_empty() {
            if line.prefixed {
                self.carried = Some(line.time);
            }
            return Seen::Nothing;
        }
        match self.carried.take() {
            Some(time) if !line.prefixed => line.time = time,
            _ => {}
        }
        let text = line.text.get(..MESSAGE_LIMIT).unwrap_or(&line.text);
        self.message(number, &line.time, line.origin, line.prefixed, text)
    }

    fn count_lost(&mut self, number: u64, sequence: u64) {
        if let Some((line, before)) = self.sequence
            && line + 1 == number
            && let Some(gap) = sequence.checked_sub(before)
        {
            self.note_lost(gap.saturating_sub(1));
        }
        self.sequence = Some((number, sequence));
    }

    /// One message; it may have several lines in it.
    fn message(&mut self, number: u64, time: &Time, origin: Origin<'_>, prefixed: bool, text: &[u8]) -> Seen {
        let whole = record::read(text, origin);
        if whole.is_some() || !text.contains(&b'\n') {
            return self.part(number, time, origin, prefixed, text, whole);
        }
        let mut seen = Seen::Nothing;
        for part in text.split(|byte| *byte == b'\n') {
            if self.part(number, time, origin, true, part, record::read(part, origin)) == Seen::Something {
                seen = Seen::Something;
            }
        }
        seen
    }

    fn part(
        &mut self,
        number: u64,
        time: &Time,
        origin: Origin<'_>,
        prefixed: bool,
        text: &[u8],
        read: Option<(Record, Shape)>,
    ) -> Seen {
        let text = text.trim_ascii();
        if !prefixed && self.join(text, read.as_ref()) {
            return Seen::Something;
        }
        let Some((record, shape)) = read else {
            // A line of another processor may come between the parts of a wrapped one, but only with its own time.
            if !prefixed {
                self.flush();
            }
            return Seen::Nothing;
        };
        self.flush();
        let from_kernel = !matches!(origin, Origin::Program(_));
        if shape == Shape::Open && from_kernel {
            self.pending =
                Some(Pending { record, text: text.to_vec(), time: time.clone(), line: number, joins: 0 });
        } else {
            self.record(&record, number, time, text);
        }
        Seen::Something
    }

    /// Tries the line as the rest of the message before it.
    fn join(&mut self, text: &[u8], read: Option<&(Record, Shape)>) -> bool {
        let Some(pending) = &mut self.pending else { return false };
        let own = matches!(read, Some((record, _)) if !matches!(record, Record::Stat(..) | Record::Row));
        if own || pending.joins >= MAX_JOINS || pending.text.len() + text.len() > MESSAGE_LIMIT {
            return false;
        }
        // Wrapped between two words, or cut anywhere.
        let ways = [&b" "[..], b""].map(|glue| [&pending.text, glue, text].concat());
        let tried = ways.into_iter().filter_map(|text| {
            let (record, shape) = record::read(&text, Origin::Kernel)?;
            Some((record.richness(), record, shape, text))
        });
        let Some((richness, record, shape, text)) = tried.max_by_key(|(richness, ..)| *richness) else {
            return false;
        };
        if richness <= pending.record.richness() {
            return false;
        }
        pending.joins += 1;
        (pending.record, pending.text) = (record, text);
        if shape == Shape::Whole {
            self.flush();
        }
        true
    }

    fn flush(&mut self) {
        if let Some(pending) = self.pending.take() {
            self.record(&pending.record, pending.line, &pending.time, &pending.text);
        }
    }

    fn record(&mut self, record: &Record, line: u64, time: &Time, text: &[u8]) {
        match record {
            Record::Cut => {}
            Record::Lost(count) => self.note_lost(*count),
            Record::ProgramKill(_) | Record::Unit(_) | Record::SessionEnded(_) => {
                self.done.extend(self.episodes.follow(record, time, line, text));
            }
            Record::Boot => {
                self.end_report();
                self.done.extend(self.episodes.follow(record, time, line, text));
            }
            _ => {
                if let Some(report) = self.assembler.take(record, Place { line, time, text }) {
                    self.announced = false;
                    self.done.extend(self.episodes.report(report));
                }
                if !self.announced
                    && let Some(current) = self.assembler.current()
                {
                    self.announced = true;
                    self.done.extend(self.episodes.announce(&current.time, current.line));
                }
            }
        }
    }

    fn end_report(&mut self) {
        self.announced = false;
        if let Some(report) = self.assembler.finish() {
            self.done.extend(self.episodes.report(report));
        }
    }
}

const ESCAPE: u8 = 0x1b;

/// A line without the colours of `dmesg --color` (CSI sequences that end in `m`). Other escapes stay, to be shown.
fn uncoloured(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((first, others)) = rest.split_first() {
        if let [ESCAPE, b'[', inside @ ..] = rest
            && let Some(end) = inside.iter().take(16).position(|byte| !byte.is_ascii_digit() && *byte != b';')
            && inside.get(end) == Some(&b'm')
        {
            rest = inside.get(end + 1..).unwrap_or_default();
            continue;
        }
        out.push(*first);
        rest = others;
    }
    out
}
