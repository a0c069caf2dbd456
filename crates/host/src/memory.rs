//! Keeping this process's own memory in memory, and letting go of what it no longer needs.

use std::ops::Range;

use rustix::mm::{Advice, MlockAllFlags, madvise, mlockall, munlock};

/// Keeps every page of this process that is in memory there, and those that come when they come (mlock(2)): pages that
/// are never touched are not fetched for it. Needs RLIMIT_MEMLOCK to have room, or CAP_IPC_LOCK.
///
/// # Errors
/// When the kernel refuses.
pub fn lock_on_fault() -> std::io::Result<()> {
    Ok(mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT)?)
}

/// Lets go of the program's code, of which a start needs far more than what follows. What is needed again comes back when it
/// is needed, from the page cache or the program's file, and is kept again by [`lock_on_fault`], which this calls.
///
/// # Errors
/// When the kernel refuses, or /proc is not there.
pub fn let_go_of_code() -> std::io::Result<()> {
    let maps = std::fs::read_to_string("/proc/self/maps")?;
    let program = std::fs::read_link("/proc/self/exe")?;
    for range in code_of(&maps, &program.to_string_lossy()) {
        forget(range)?;
    }
    lock_on_fault()
}

#[expect(unsafe_code, reason = "advice about memory can take it away")]
fn forget(code: Range<usize>) -> std::io::Result<()> {
    let start = std::ptr::without_provenance_mut(code.start);
    let length = code.end - code.start;
    // SAFETY: the range is a mapping of this program's file that can be read and executed, and not written, see `code_of`:
    // the loader has changed nothing in it (such pages would be in a mapping of their own), so that a page that is fetched
    // again is the same as before (madvise(2), MADV_DONTNEED). Locked pages can't be let go of, and are locked again by the caller.
    unsafe {
        munlock(start, length)?;
        madvise(start, length, Advice::LinuxDontNeed)?;
    }
    Ok(())
}

/// The mappings of a program's file that are code, by the lines of /proc/PID/maps (proc_pid_maps(5)).
fn code_of(maps: &str, program: &str) -> Vec<Range<usize>> {
    let code = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let (range, mode) = (words.next()?, words.next()?);
        let name = line.splitn(6, ' ').last()?.trim_start();
        if mode != "r-xp" || name != program {
            return None;
        }
        let (start, end) = range.split_once('-')?;
        let number = |text| usize::from_str_radix(text, 16).ok();
        Some(number(start)?..number(end)?)
    };
    maps.lines().filter_map(code).collect()
}

#[cfg(test)]
mod tests {
    use super::{code_of, let_go_of_code};

    #[test]
    fn only_code_of_the_program_itself() {
        let maps = "55d0-55d1 r--p 00000000 08:01 5   /opt/my program\n\
                    55d1000-55d2000 r-xp 00001000 08:01 5                    /opt/my program\n\
                    55d2-55d3 rw-p 00002000 08:01 5   /opt/my program\n\
                    7f00-7f01 r-xp 00000000 08:01 6   /lib/libc.so.6\n\
                    7fff-8000 r-xp 00000000 00:00 0   [vdso]\n\
                    ffff r-xp\n";
        let found: Vec<_> =
            code_of(maps, "/opt/my program").into_iter().map(|range| (range.start, range.end)).collect();
        assert_eq!(found, [(0x55d_1000, 0x55d_2000)]);
        assert_eq!(code_of(maps, "[none]"), []);
    }

    #[test]
    fn a_program_goes_on_without_the_code_that_it_let_go_of() {
        let resident = || -> u64 {
            let status = std::fs::read_to_string("/proc/self/status").unwrap();
            let line = status.lines().find_map(|line| line.strip_prefix("RssFile:")).unwrap();
            line.trim().trim_end_matches(" kB").parse().unwrap()
        };
        let before = resident();
        // Where locking is not allowed it is said, after the code was let go of.
        let _ = let_go_of_code();
        let after = resident();
        assert!(after < before, "{before} KiB, then {after} KiB");
    }
}
