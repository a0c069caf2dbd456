//! The kernel's own arithmetic: who is killed first when memory runs out.
//!
//! `oom_badness` (`mm/oom_kill.c`) and `proc_oom_score` (`fs/proc/base.c`) are the same in 5.10, 6.1 and 6.12, which Debian
//! 11, 12 and 13 have:
//!
//! ```text
//! points  = rss + swap entries + page tables / page size     (all in pages)
//! points += oom_score_adj * (totalpages / 1000)              (a whole number of pages)
//! shown   = (1000 + points * 1000 / totalpages) * 2 / 3      (/proc/PID/oom_score; 0 for who is never killed)
//! ```
//! `totalpages` is all of memory and swap. The points may be negative since 5.9; before, the least was 1 or 0. The kill goes
//! to the most points; of equals, `oom_evaluate_task` takes the last in the list of tasks, which is the youngest.
//! Before 5.1 a child of the victim was killed in its place; no kernel that is looked at here does that.

/// What a machine has, in pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Total {
    /// MemTotal and SwapTotal.
    pub pages: u64,
    /// The length of a page in bytes.
    pub page: u64,
}

impl Total {
    /// The total of a machine with so much memory and swap, in bytes.
    #[must_use]
    pub fn new(memory: u64, swap: u64, page: u64) -> Self {
        let page = page.max(1);
        Self { pages: memory / page + swap / page, page }
    }

    /// What `score` (an oom_score_adj) is worth, in pages.
    #[must_use]
    pub fn worth(self, score: i32) -> i64 {
        i64::from(score) * i64::try_from(self.pages / 1000).unwrap_or(i64::MAX / 1000)
    }
}

/// The points of a process with `rss`, `swap` and `page_tables` in bytes; `None` for -1000, which is never killed.
#[must_use]
pub fn points(rss: u64, swap: u64, page_tables: u64, score: i32, total: Total) -> Option<i64> {
    if score <= -1000 {
        return None;
    }
    let pages = |bytes: u64| i64::try_from(bytes / total.page).unwrap_or(i64::MAX / 8);
    Some(pages(rss) + pages(swap) + pages(page_tables) + total.worth(score))
}

/// What /proc/PID/oom_score shows for so many points; `None` is shown as 0.
#[must_use]
pub fn shown(points: Option<i64>, total: Total) -> u64 {
    let (Some(points), Ok(pages)) = (points, i64::try_from(total.pages.max(1))) else { return 0 };
    let scaled = (1000 + points.saturating_mul(1000) / pages) * 2 / 3;
    u64::try_from(scaled).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: Total = Total { pages: 262_144, page: 4096 };

    #[test]
    fn as_the_kernel_counts() {
        // 262 pages for each step: 262144 / 1000, cut.
        assert_eq!(points(4096 * 10, 0, 0, 0, GIB), Some(10));
        assert_eq!(points(4096 * 10, 4096 * 2, 8191, 0, GIB), Some(13));
        assert_eq!(points(4096 * 10, 0, 0, -900, GIB), Some(10 - 900 * 262));
        assert_eq!(points(4096 * 10, 0, 0, 100, GIB), Some(10 + 26_200));
        assert_eq!(points(1 << 40, 0, 0, -1000, GIB), None);
    }

    #[test]
    fn as_proc_shows_it() {
        assert_eq!(shown(None, GIB), 0);
        assert_eq!(shown(Some(0), GIB), 666);
        assert_eq!(shown(Some(262_144), GIB), 1333);
        assert_eq!(shown(points(0, 0, 0, 1000, GIB), GIB), 1332);
        assert_eq!(shown(points(0, 0, 0, -999, GIB), GIB), 1);
        assert_eq!(shown(points(0, 0, 0, -900, GIB), GIB), 67);
    }
}
