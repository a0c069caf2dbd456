//! `/proc/PID/stat` (proc_pid_stat(5); kernel `fs/proc/array.c`, `do_task_stat`).

use super::{fields, required};
use crate::parse_error::ParseError;
use serde::{Deserialize, Serialize};

/// `PF_KTHREAD` of the kernel's `include/linux/sched.h`.
const PF_KTHREAD: u32 = 0x0020_0000;
/// The longest name with every byte escaped: a kernel worker's has 63 bytes.
const MAX_NAME: usize = 63 * 4;

/// The `stat` line of a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stat {
    /// Field 1: process id.
    pub pid: i32,
    /// Field 2 without its parentheses: the command name, at most 15 bytes (more for kernel workers).
    /// The process chooses it: unsafe characters and bytes that are not UTF-8 are escaped.
    pub comm: String,
    /// Field 3: `R`, `S`, `D`, `Z`, ...
    pub state: char,
    /// Field 4: parent process id; 0 when the parent is outside the pid namespace.
    pub ppid: i32,
    /// Field 6: session id; -1 while the process is being reaped.
    pub session: i32,
    /// Field 22: start time in clock ticks (`sysconf(_SC_CLK_TCK)` per second) since boot.
    pub start_time: u64,
    /// Field 24: resident memory in pages.
    pub rss_pages: u64,
    /// Field 9: the kernel's `PF_*` flags.
    pub flags: u32,
}

impl Stat {
    /// Whether it is a kernel thread, which the OOM killer never kills.
    pub fn is_kernel_thread(&self) -> bool {
        self.flags & PF_KTHREAD != 0
    }
}

/// Parses `/proc/PID/stat`. The name ends at the last `)`, because only numbers and a letter follow it.
///
/// # Errors
/// The parentheses or a field up to `rss` are missing, or a field is not a number.
pub fn parse(bytes: &[u8]) -> Result<Stat, ParseError> {
    let open = bytes.iter().position(|&b| b == b'(');
    let close = bytes.iter().rposition(|&b| b == b')');
    let (Some(open), Some(close)) = (open, close) else {
        return Err(ParseError::new(1, "the name has no parentheses", bytes));
    };
    if close < open {
        return Err(ParseError::new(1, "the name has no parentheses", bytes));
    }
    let mut head = fields(&bytes[..open]);
    let pid = required(1, "pid", head.next(), bytes)?;
    let mut rest = fields(&bytes[close + 1..]);
    let state = match rest.next() {
        Some(&[letter]) if letter.is_ascii_graphic() => char::from(letter),
        _ => return Err(ParseError::new(1, "the state is not one letter", bytes)),
    };
    let ppid = required(1, "ppid", rest.next(), bytes)?;
    let session = required(1, "session", rest.nth(1), bytes)?;
    let flags = required(1, "flags", rest.nth(2), bytes)?;
    let start_time = required(1, "starttime", rest.nth(12), bytes)?;
    let rss_pages = required(1, "rss", rest.nth(1), bytes)?;
    Ok(Stat {
        pid,
        comm: oomguard_text::shown(&bytes[open + 1..close], MAX_NAME),
        state,
        ppid,
        session,
        start_time,
        rss_pages,
        flags,
    })
}
