//! The event log: one JSON object per line, in two files of bounded size.

use oomguard_host::files::parent;
use oomguard_host::{Host, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::Entry;

/// The current file.
pub const PATH: &str = "/var/lib/oomguard/events.jsonl";
/// The file before it.
pub const OLDER: &str = "/var/lib/oomguard/events.jsonl.1";
/// The maximum size of a file. Both together hold some thousand events.
pub const MAX_BYTES: u64 = 1 << 20;

/// Writes events. Each is durable when the call returns.
#[derive(Debug)]
pub struct EventLog {
    host: Host,
    /// The length of the file; `None` until it is known, and after an error.
    len: Option<u64>,
}

/// The contents of the log.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Log {
    /// `oomguard.events/1`
    pub schema: String,
    /// The events, newest last.
    pub events: Vec<Entry>,
    /// Lines that could not be parsed.
    pub unreadable_lines: u64,
}

impl EventLog {
    /// Nothing is read or created before the first event.
    #[must_use]
    pub fn new(host: Host) -> Self {
        Self { host, len: None }
    }

    /// Appends an event and makes it durable.
    ///
    /// # Errors
    /// When the file cannot be written. The next call tries again.
    pub fn append(&mut self, entry: &Entry) -> Result<()> {
        let mut line = serde_json::to_vec(entry).unwrap_or_default();
        line.push(b'\n');
        let known = self.len.take();
        let len = match known {
            Some(len) => len,
            None => self.measure()?,
        };
        let len = if len > 0 && len + line.len() as u64 > MAX_BYTES { self.rotate()? } else { len };
        self.host.append(PATH, &line, 0o640)?;
        self.len = Some(len + line.len() as u64);
        Ok(())
    }

    /// The length of the file. Terminates a last line that a power cut has torn.
    fn measure(&mut self) -> Result<u64> {
        self.host.create_dirs(parent(PATH))?;
        let Some(meta) = self.host.lstat(PATH)? else { return Ok(0) };
        if meta.len == 0 || meta.len > MAX_BYTES {
            return Ok(meta.len);
        }
        let bytes = self.host.read(PATH)?;
        let len = bytes.len() as u64;
        if bytes.ends_with(b"\n") {
            return Ok(len);
        }
        self.host.append(PATH, b"\n", 0o640)?;
        Ok(len + 1)
    }

    fn rotate(&mut self) -> Result<u64> {
        self.host.rename_over(PATH, OLDER)?;
        Ok(0)
    }
}

/// Reads a host's log.
///
/// # Errors
/// When a file is there and cannot be read.
pub fn read(host: &Host) -> Result<Log> {
    let now = host.read_optional(PATH)?.unwrap_or_default();
    let older = host.read_optional(OLDER)?.unwrap_or_default();
    if was_rotated(&now, &older) {
        // The file that was read first is now the older one.
        let now = host.read_optional(PATH)?.unwrap_or_default();
        return Ok(joined(older, &now));
    }
    Ok(joined(older, &now))
}

/// Whether the files were rotated between reading `now` and `older`.
fn was_rotated(now: &[u8], older: &[u8]) -> bool {
    !now.is_empty() && older.starts_with(now)
}

fn joined(mut older: Vec<u8>, now: &[u8]) -> Log {
    if !older.is_empty() && !older.ends_with(b"\n") {
        older.push(b'\n');
    }
    older.extend_from_slice(now);
    parse(&older)
}

/// Parses the lines of a log. Invalid lines are counted, except an unterminated last one: it is being written, or was
/// when power was cut.
#[must_use]
pub fn parse(bytes: &[u8]) -> Log {
    let mut log = Log { schema: "oomguard.events/1".to_owned(), ..Log::default() };
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        let whole = line.ends_with(b"\n");
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        match serde_json::from_slice::<Entry>(line) {
            Ok(entry) => log.events.push(entry),
            Err(_) if whole => log.unreadable_lines += 1,
            Err(_) => {}
        }
    }
    log
}

impl Log {
    /// Keeps events at or after a time (milliseconds since 1970) and of one kind.
    #[must_use]
    pub fn filter(mut self, since_ms: Option<u64>, kind: Option<&str>) -> Self {
        self.events.retain(|entry| {
            since_ms.is_none_or(|since| entry.time_ms().is_none_or(|time| time >= since))
                && kind.is_none_or(|kind| entry.event.kind() == kind)
        });
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;
    use crate::event::tests::one_of_each;
    use proptest::prelude::*;

    fn host() -> (tempfile::TempDir, Host) {
        let dir = tempfile::tempdir().unwrap();
        let host = Host::folder(dir.path());
        (dir, host)
    }

    fn numbered(count: u64) -> Entry {
        Entry::new(Event::UnloggedKills { count }, count * 1000)
    }

    #[test]
    fn appended_events_are_read_back_in_order() {
        let (_dir, host) = host();
        assert_eq!(read(&host).unwrap().events, []);
        let entries: Vec<Entry> = one_of_each().into_iter().map(|event| Entry::new(event, 5)).collect();
        let mut log = EventLog::new(host.clone());
        for entry in &entries[..3] {
            log.append(entry).unwrap();
        }
        let mut log = EventLog::new(host.clone());
        for entry in &entries[3..] {
            log.append(entry).unwrap();
        }
        let read = read(&host).unwrap();
        assert_eq!((read.events, read.unreadable_lines), (entries, 0));
    }

    #[test]
    fn rotation_bounds_the_size_and_keeps_the_newest() {
        let (_dir, host) = host();
        let long = Event::PolicyRejected { policy: "x".repeat(200).into(), why: "y".repeat(200).into() };
        let entry = Entry::new(long, 0);
        let line = serde_json::to_vec(&entry).unwrap().len() as u64 + 1;
        // Written at once, so that the test does not sync two thousand times.
        let fill: Vec<u8> = (0..MAX_BYTES / line)
            .flat_map(|_| [serde_json::to_vec(&entry).unwrap(), b"\n".to_vec()].concat())
            .collect();
        host.create_dirs(parent(PATH)).unwrap();
        for _ in 0..3 {
            host.append(PATH, &fill, 0o640).unwrap();
            EventLog::new(host.clone()).append(&entry).unwrap();
            let size = |path: &str| host.lstat(path).unwrap().map_or(0, |meta| meta.len);
            assert!(
                size(PATH) <= MAX_BYTES && size(OLDER) <= MAX_BYTES + line,
                "{} {}",
                size(PATH),
                size(OLDER)
            );
            host.remove_file(PATH).unwrap();
        }
        EventLog::new(host.clone()).append(&numbered(7)).unwrap();
        let read = read(&host).unwrap();
        assert_eq!(read.events.last(), Some(&numbered(7)));
        assert!(read.events.len() > 1000, "{}", read.events.len());
    }

    #[test]
    fn a_torn_line_loses_only_itself() {
        let (_dir, host) = host();
        EventLog::new(host.clone()).append(&numbered(1)).unwrap();
        host.append(PATH, br#"{"schema":"oomguard.event/1","ti"#, 0o640).unwrap();
        let torn = read(&host).unwrap();
        assert_eq!((torn.events.len(), torn.unreadable_lines), (1, 0), "it may be being written");
        EventLog::new(host.clone()).append(&numbered(2)).unwrap();
        let after = read(&host).unwrap();
        assert_eq!((after.events, after.unreadable_lines), (vec![numbered(1), numbered(2)], 1));
    }

    #[test]
    fn rotation_while_reading_is_detected() {
        let line = |count| [serde_json::to_vec(&numbered(count)).unwrap(), b"\n".to_vec()].concat();
        let both = [line(1), line(2)].concat();
        assert!(was_rotated(&line(1), &both), "one more was written before the rotation");
        assert!(!was_rotated(&line(2), &line(1)));
        assert!(!was_rotated(b"", &line(1)));
        assert_eq!(joined(line(1), &line(2)).events, [numbered(1), numbered(2)]);
        let torn = line(1)[..20].to_vec();
        assert_eq!((joined(torn, &line(2)).events, 1), (vec![numbered(2)], 1));
    }

    #[test]
    fn filter_by_time_and_kind() {
        let log = Log {
            events: vec![numbered(1), numbered(2), Entry::new(Event::AgentStopped, 2500)],
            ..Log::default()
        };
        let is = |since, kind, count: usize| assert_eq!(log.clone().filter(since, kind).events.len(), count);
        is(None, None, 3);
        is(Some(2000), None, 2);
        is(Some(2001), Some("agent_stopped"), 1);
        is(None, Some("unlogged_kills"), 2);
    }

    proptest! {
        #[test]
        fn parse_takes_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let log = parse(&bytes);
            prop_assert!(log.events.len() as u64 + log.unreadable_lines <= bytes.len() as u64);
        }

        #[test]
        fn a_log_cut_anywhere_keeps_its_whole_lines(cut in 0usize..4000) {
            let entries: Vec<Entry> = one_of_each().into_iter().map(|event| Entry::new(event, 5)).collect();
            let mut bytes = Vec::new();
            let mut ends = Vec::new();
            for entry in &entries {
                bytes.extend(serde_json::to_vec(entry).unwrap());
                ends.push(bytes.len());
                bytes.push(b'\n');
            }
            bytes.truncate(cut);
            let whole = ends.iter().filter(|end| **end <= bytes.len()).count();
            let log = parse(&bytes);
            prop_assert_eq!(log.unreadable_lines, 0);
            prop_assert_eq!(log.events.as_slice(), &entries[..whole]);
        }
    }
}
