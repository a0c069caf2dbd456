//! Counting OOM kills: what the kernel's log says, checked against what the kernel counts.

use crate::event::{Constraint, Event};
use crate::oom_line::{self, OomLine};

/// Puts the OOM killer's lines together and notices kills whose line was lost.
#[derive(Clone, Debug, Default)]
pub struct Kills {
    /// The last one that was chosen: pid, whose memory ran out, cgroups.
    chosen: Option<LastChosen>,
    /// Kills that were heard since the counter was first read.
    heard: u64,
    /// Kills that were counted and told of without a line.
    told: u64,
    /// The counter when it was first read.
    first: Option<u64>,
    /// How many were missing at the last look.
    missing: u64,
}

#[derive(Clone, Debug)]
struct LastChosen {
    pid: i32,
    global: bool,
    limited_cgroup: Option<String>,
    cgroup: Option<String>,
}

impl Kills {
    /// Takes a record of the kernel's log (facility 0 only); the kill that it tells of.
    pub fn line(&mut self, text: &str) -> Option<Event> {
        match oom_line::read(text)? {
            OomLine::Chosen(chosen) => {
                self.chosen = Some(LastChosen {
                    pid: chosen.pid,
                    global: chosen.global,
                    limited_cgroup: chosen.limited_cgroup.map(str::to_owned),
                    cgroup: chosen.cgroup.map(str::to_owned),
                });
                None
            }
            OomLine::Killed(killed) => {
                self.heard += 1;
                // With memory.oom.group one choice kills many; the limit is theirs, the cgroup only the chosen one's.
                let chosen = self.chosen.as_ref().filter(|chosen| chosen.pid == killed.pid || killed.memcg);
                let own = chosen.filter(|chosen| chosen.pid == killed.pid);
                let constraint = match (killed.memcg, own) {
                    (true, _) => Constraint::Memcg,
                    (false, Some(chosen)) if !chosen.global && chosen.limited_cgroup.is_some() => {
                        Constraint::Memcg
                    }
                    (false, _) => Constraint::Global,
                };
                Some(Event::OomKill {
                    pid: killed.pid,
                    comm: killed.comm.into(),
                    uid: killed.uid,
                    score: killed.score,
                    rss_bytes: killed.rss_bytes,
                    constraint,
                    limited_cgroup: chosen
                        .and_then(|chosen| chosen.limited_cgroup.as_deref())
                        .map(Into::into),
                    cgroup: own.and_then(|chosen| chosen.cgroup.as_deref()).map(Into::into),
                })
            }
        }
    }

    /// Takes `oom_kill` of /proc/vmstat, read after all that the log had was given to [`Kills::line`].
    ///
    /// The kernel counts a kill just before it logs it, so what is missing counts only when it is still missing at the
    /// next look. Call it every few seconds, and again after a loss of records.
    pub fn counter(&mut self, oom_kill: u64) -> Option<Event> {
        let first = *self.first.get_or_insert_with(|| {
            // What was heard so far is in the counter's first value.
            self.heard = 0;
            oom_kill
        });
        let counted = oom_kill.saturating_sub(first);
        let missing = counted.saturating_sub(self.heard + self.told);
        let sure = missing.min(self.missing);
        self.missing = missing - sure;
        if sure == 0 {
            return None;
        }
        self.told += sure;
        Some(Event::UnseenKills { count: sure })
    }

    /// Kills that are known of since the counter was first read, with and without a line.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.heard + self.told
    }
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
    fn kills_without_a_line_are_told_once_they_are_sure() {
        let mut kills = Kills::default();
        kills.line(&killed("Out of memory", 1));
        assert_eq!(kills.counter(40), None, "what was before is not ours");
        assert_eq!(kills.counter(41), None, "its line may be on the way");
        kills.line(&killed("Out of memory", 2));
        assert_eq!(kills.counter(41), None);
        assert_eq!(kills.counter(44), None);
        assert_eq!(kills.counter(46), Some(Event::UnseenKills { count: 3 }));
        assert_eq!(kills.counter(46), Some(Event::UnseenKills { count: 2 }));
        assert_eq!(kills.counter(46), None);
        assert_eq!(kills.total(), 6);
    }

    proptest! {
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
                if let Some(Event::UnseenKills { count }) = kills.counter(counted) {
                    told += count;
                }
                prop_assert!(told <= counted - 1000);
            }
            if let Some(Event::UnseenKills { count }) = kills.counter(counted) {
                told += count;
            }
            prop_assert_eq!(told, counted - 1000);
        }
    }
}
