//! OOM kills from the kernel log, checked against the kernel's counter.

use oomguard_incident::line::Origin;
use oomguard_incident::record::{self, Killed, Limit, OomKill, Record};
use oomguard_text::DisplayText;

use crate::event::{Constraint, Event};
use crate::tally::Tally;

/// How the OOM killer's lines begin (mm/oom_kill.c). Elsewhere in a line they are quotations.
const BEGINNINGS: [&str; 3] = ["oom-kill:", "Out of memory", "Memory cgroup out of memory"];

/// Combines the OOM killer's lines and detects kills whose line was lost.
#[derive(Clone, Debug, Default)]
pub struct Kills {
    /// The last `oom-kill:` line: the chosen process, the constraint and the cgroups.
    chosen: Option<OomKill>,
    tally: Tally,
}

impl Kills {
    /// Takes a kernel log record (facility 0 only); returns the kill that it completes.
    pub fn line(&mut self, text: &str) -> Option<Event> {
        if !BEGINNINGS.iter().any(|beginning| text.starts_with(beginning)) {
            return None;
        }
        match record::read(text.as_bytes(), Origin::Kernel)?.0 {
            Record::OomKill(chosen) => {
                self.chosen = Some(chosen);
                None
            }
            Record::Killed(killed) => self.killed(&killed),
            _ => None,
        }
    }

    fn killed(&mut self, killed: &Killed) -> Option<Event> {
        let pid = i32::try_from(killed.pid).ok().filter(|pid| *pid > 0)?;
        self.tally.record_kill();
        let of_cgroup = killed.limit == Limit::Cgroup;
        // With memory.oom.group one choice kills many: all share the limit, only the chosen one's cgroup is known.
        let chosen = self.chosen.as_ref().filter(|chosen| chosen.pid == Some(killed.pid) || of_cgroup);
        let own = chosen.filter(|chosen| chosen.pid == Some(killed.pid));
        let limited = own.is_some_and(|chosen| !chosen.global && chosen.oom_memcg.is_some());
        let text = |bytes: &Vec<u8>| DisplayText::new(bytes);
        Some(Event::OomKill {
            pid,
            comm: killed.comm.as_ref().map(text).unwrap_or_default(),
            uid: killed.uid,
            score: killed.oom_score_adj.and_then(|score| i32::try_from(score).ok()),
            rss_bytes: rss(killed),
            constraint: if of_cgroup || limited { Constraint::Memcg } else { Constraint::Global },
            limited_cgroup: chosen.and_then(|chosen| chosen.oom_memcg.as_ref()).map(text),
            cgroup: own.and_then(|chosen| chosen.task_memcg.as_ref()).map(text),
        })
    }

    /// Takes `oom_kill` of /proc/vmstat, read after the log was drained into [`Kills::line`].
    ///
    /// Call it every few seconds and after a loss of records.
    pub fn counter(&mut self, oom_kill: u64) -> Option<Event> {
        match self.tally.reconcile(oom_kill) {
            0 => None,
            count => Some(Event::UnloggedKills { count }),
        }
    }

    /// All kills since the counter was first read, logged or not.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.tally.total()
    }
}

/// Resident bytes: anonymous, file and shared pages.
fn rss(killed: &Killed) -> Option<u64> {
    let others = [killed.file_rss_kib, killed.shmem_rss_kib];
    let kib = others.iter().flatten().fold(killed.anon_rss_kib?, |sum, part| sum.saturating_add(*part));
    Some(kib.saturating_mul(1024))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CHOSEN: &str = "oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,\
                          task_memcg=/user.slice/s.scope,task=rustc,pid=812,uid=1000";
    const GROUP: &str = "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/a,\
                         task_memcg=/a/b,task=x,pid=5,uid=0";

    fn killed(prefix: &str, pid: i32) -> String {
        format!(
            "{prefix}: Killed process {pid} (x) total-vm:8kB, anon-rss:4kB, file-rss:2kB, shmem-rss:1kB, UID:3 pgtables:8kB oom_score_adj:0"
        )
    }

    fn parts(event: Option<Event>) -> (i32, Constraint, Option<String>, Option<String>) {
        match event {
            Some(Event::OomKill { pid, constraint, limited_cgroup, cgroup, .. }) => {
                (pid, constraint, limited_cgroup.map(|t| t.to_string()), cgroup.map(|t| t.to_string()))
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_kill_has_what_both_lines_say() {
        let mut kills = Kills::default();
        assert_eq!(kills.line(CHOSEN), None);
        let cgroup = Some("/user.slice/s.scope".to_owned());
        assert_eq!(parts(kills.line(&killed("Out of memory", 812))), (812, Constraint::Global, None, cgroup));
        // The line that chose this one was lost.
        assert_eq!(parts(kills.line(&killed("Out of memory", 9))), (9, Constraint::Global, None, None));
        kills.line(GROUP);
        let (limit, own) = (Some("/a".to_owned()), Some("/a/b".to_owned()));
        let memcg = "Memory cgroup out of memory";
        assert_eq!(parts(kills.line(&killed(memcg, 5))), (5, Constraint::Memcg, limit.clone(), own));
        assert_eq!(
            parts(kills.line(&killed(memcg, 6))),
            (6, Constraint::Memcg, limit, None),
            "memory.oom.group"
        );
    }

    #[test]
    fn a_kill_has_its_sizes() {
        let text = "Out of memory: Killed process 812 (rustc) total-vm:4194304kB, anon-rss:3145728kB, file-rss:12kB, \
                    shmem-rss:4kB, UID:1000 pgtables:6224kB oom_score_adj:-5";
        match Kills::default().line(text) {
            Some(Event::OomKill { pid: 812, comm, uid: Some(1000), score: Some(-5), rss_bytes, .. }) => {
                assert_eq!((comm.to_string().as_str(), rss_bytes), ("rustc", Some(3_145_744 * 1024)));
            }
            other => panic!("{other:?}"),
        }
        // Linux 5.1 to 5.3 say neither user nor score.
        let short = "Out of memory: Killed process 9 ((sd-pam)) total-vm:4kB, anon-rss:2kB, file-rss:0kB, shmem-rss:0kB";
        let Some(Event::OomKill { comm, uid: None, score: None, .. }) = Kills::default().line(short) else {
            panic!("{short}")
        };
        assert_eq!(comm.to_string(), "(sd-pam)");
    }

    #[test]
    fn other_lines_are_no_kills() {
        for text in [
            "",
            "Out of memory and no killable processes...",
            "Out of memory: OOM victim 5 (a) is already exiting. Skip killing the task",
            "Memory cgroup out of memory: Killed process x (a) total-vm:1kB",
            "Out of memory: Killed process 0 (a) total-vm:1kB",
            "oom_reaper: reaped process 812 (rustc), now anon-rss:0kB, file-rss:0kB, shmem-rss:0kB",
            "rustc invoked oom-killer: gfp_mask=0x140dca, order=0, oom_score_adj=0",
            "audit: msg='Out of memory: Killed process 1 (a) total-vm:1kB, anon-rss:1kB'",
        ] {
            assert_eq!(Kills::default().line(text), None, "{text}");
        }
    }

    #[test]
    fn kills_without_a_line_are_told_once_they_are_sure() {
        let mut kills = Kills::default();
        kills.line(&killed("Out of memory", 1));
        assert_eq!(kills.counter(40), None, "what was before is not ours");
        assert_eq!(kills.counter(41), None, "its line may be on the way");
        kills.line(&killed("Out of memory", 2));
        assert_eq!(kills.counter(41), None);
        assert_eq!(kills.counter(44), None);
        assert_eq!(kills.counter(46), Some(Event::UnloggedKills { count: 3 }));
        assert_eq!(kills.counter(46), Some(Event::UnloggedKills { count: 2 }));
        assert_eq!(kills.counter(46), None);
        assert_eq!(kills.total(), 6);
    }

    proptest! {
        #[test]
        fn any_name_is_found(name in "[ -~]{1,15}", number in 1i32.., adj in -1000i32..=1000) {
            let text = format!(
                "Out of memory: Killed process {number} ({name}) total-vm:8kB, anon-rss:4kB, file-rss:2kB, shmem-rss:1kB, \
                 UID:3 pgtables:8kB oom_score_adj:{adj}"
            );
            let Some(Event::OomKill { pid, comm, uid, score, rss_bytes, .. }) = Kills::default().line(&text) else {
                panic!("{text}")
            };
            prop_assert_eq!((pid, comm.to_string(), uid), (number, name, Some(3)));
            prop_assert_eq!((score, rss_bytes), (Some(adj), Some(7 * 1024)));
        }

        /// Whatever is lost, in the end each kill was told of exactly once.
        #[test]
        fn each_kill_counts_once(steps in prop::collection::vec((0u64..4, 0u64..4), 0..30)) {
            let mut kills = Kills::default();
            kills.counter(1000);
            let (mut counted, mut told) = (1000, 0);
            for (heard, lost) in steps {
                for _ in 0..heard {
                    counted += 1;
                    told += u64::from(kills.line(&killed("Out of memory", 3)).is_some());
                }
                counted += lost;
                if let Some(Event::UnloggedKills { count }) = kills.counter(counted) {
                    told += count;
                }
                prop_assert!(told <= counted - 1000);
            }
            if let Some(Event::UnloggedKills { count }) = kills.counter(counted) {
                told += count;
            }
            prop_assert_eq!(told, counted - 1000);
        }
    }
}
