//! What the kernel's OOM killer says, by the shape of the line (Linux 5.0 to 6.12 and what backports of it print).
//!
//! Only what the agent needs to count and name kills; a whole report is explained elsewhere.

/// A line of the OOM killer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OomLine<'a> {
    /// `oom-kill:constraint=...`: who was chosen, and whose memory ran out.
    Chosen(Chosen<'a>),
    /// `Out of memory: Killed process ...`: a process was killed.
    Killed(Killed<'a>),
}

/// Who was chosen (`dump_oom_summary` in mm/oom_kill.c).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen<'a> {
    /// Whether the machine ran out, and not a cgroup at its limit.
    pub global: bool,
    /// The cgroup at its limit.
    pub limited_cgroup: Option<&'a str>,
    /// The cgroup that the chosen one is in.
    pub cgroup: Option<&'a str>,
    /// The chosen one.
    pub pid: i32,
}

/// Who was killed (`__oom_kill_process` in mm/oom_kill.c).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Killed<'a> {
    /// Whether a cgroup at its limit was the reason.
    pub memcg: bool,
    /// Its number.
    pub pid: i32,
    /// Its name.
    pub comm: &'a str,
    /// Its memory in RAM in bytes: anonymous, file and shared pages.
    pub rss_bytes: Option<u64>,
    /// Its user.
    pub uid: Option<u32>,
    /// Its oom_score_adj.
    pub score: Option<i32>,
}

/// Reads the text of a record of the kernel's log; `None` when it is no line of the OOM killer.
#[must_use]
pub fn read(text: &str) -> Option<OomLine<'_>> {
    if let Some(rest) = text.strip_prefix("oom-kill:") {
        return chosen(rest).map(OomLine::Chosen);
    }
    let (memcg, rest) = match text.strip_prefix("Out of memory: ") {
        Some(rest) => (false, rest),
        None => (true, text.strip_prefix("Memory cgroup out of memory: ")?),
    };
    killed(memcg, rest.strip_prefix("Killed process ")?).map(OomLine::Killed)
}

fn chosen(rest: &str) -> Option<Chosen<'_>> {
    rest.strip_prefix("constraint=")?;
    // Names of tasks and cgroups may hold commas, so the numbers are looked for from the end.
    let (head, _uid) = rest.rsplit_once(",uid=")?;
    let (head, pid) = head.rsplit_once(",pid=")?;
    let (head, _task) = head.rsplit_once(",task=")?;
    let (limit, cgroup) = match head.split_once(",task_memcg=") {
        Some((limit, cgroup)) => (limit, Some(cgroup)),
        None => (head, None),
    };
    Some(Chosen {
        global: limit.ends_with(",global_oom"),
        limited_cgroup: limit.split_once(",oom_memcg=").map(|(_, cgroup)| cgroup),
        cgroup,
        pid: pid.parse().ok()?,
    })
}

fn killed(memcg: bool, rest: &str) -> Option<Killed<'_>> {
    let (pid, rest) = rest.split_once(" (")?;
    // A name may hold brackets; what follows it may not.
    let (comm, sizes) = rest.rsplit_once(") total-vm:").or_else(|| rest.rsplit_once("), UID "))?;
    let kib = |name: &str| -> Option<u64> { after(sizes, name)?.strip_suffix("kB")?.parse().ok() };
    let parts = [kib("anon-rss:"), kib("file-rss:"), kib("shmem-rss:")];
    let rss = parts.iter().flatten().fold(0u64, |sum, part| sum.saturating_add(*part));
    Some(Killed {
        memcg,
        pid: pid.parse().ok().filter(|pid| *pid > 0)?,
        comm,
        rss_bytes: parts[0].map(|_| rss.saturating_mul(1024)),
        uid: after(sizes, "UID:").and_then(|uid| uid.parse().ok()),
        score: after(sizes, "oom_score_adj:").and_then(|score| score.parse().ok()),
    })
}

/// The word after a name, without a comma.
fn after<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(name)?;
    rest.split([',', ' ']).next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn kills_of_the_machine() {
        let text = "Out of memory: Killed process 812 (rustc) total-vm:4194304kB, anon-rss:3145728kB, file-rss:12kB, \
                    shmem-rss:4kB, UID:1000 pgtables:6224kB oom_score_adj:-5";
        let expected = Killed {
            memcg: false,
            pid: 812,
            comm: "rustc",
            rss_bytes: Some(3_145_744 * 1024),
            uid: Some(1000),
            score: Some(-5),
        };
        assert_eq!(read(text), Some(OomLine::Killed(expected)));
        // Linux 5.1 to 5.3 say neither user nor score.
        let short = "Out of memory: Killed process 9 ((sd-pam)) total-vm:4kB, anon-rss:2kB, file-rss:0kB, shmem-rss:0kB";
        match read(short) {
            Some(OomLine::Killed(killed)) => {
                assert_eq!((killed.comm, killed.uid, killed.score), ("(sd-pam)", None, None));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn kills_of_a_cgroup() {
        let text = "Memory cgroup out of memory: Killed process 77 (a) total-vm:8kB, anon-rss:8kB, file-rss:0kB, \
                    shmem-rss:0kB, UID:0 pgtables:8kB oom_score_adj:0";
        assert!(matches!(read(text), Some(OomLine::Killed(Killed { memcg: true, pid: 77, .. }))));
    }

    #[test]
    fn who_was_chosen() {
        let text = "oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,\
                    task_memcg=/user.slice/user-1000.slice/session-3.scope,task=rustc,pid=812,uid=1000";
        let expected = Chosen {
            global: true,
            limited_cgroup: None,
            cgroup: Some("/user.slice/user-1000.slice/session-3.scope"),
            pid: 812,
        };
        assert_eq!(read(text), Some(OomLine::Chosen(expected)));
        let text = "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=a,mems_allowed=0,oom_memcg=/s/a.service,\
                    task_memcg=/s/a.service/x,task=a,pid=5,b,pid=78,uid=0";
        let expected = Chosen {
            global: false,
            limited_cgroup: Some("/s/a.service"),
            cgroup: Some("/s/a.service/x"),
            pid: 78,
        };
        assert_eq!(read(text), Some(OomLine::Chosen(expected)), "a task may be called `a,pid=5,b`");
    }

    #[test]
    fn other_lines_are_none_of_it() {
        for text in [
            "",
            "oom-kill:",
            "oom-kill:constraint=CONSTRAINT_NONE",
            "Out of memory and no killable processes...",
            "Out of memory: OOM victim 5 (a) is already exiting. Skip killing the task",
            "Memory cgroup out of memory: Killed process x (a) total-vm:1kB",
            "Out of memory: Killed process 0 (a) total-vm:1kB",
            "oom_reaper: reaped process 812 (rustc), now anon-rss:0kB, file-rss:0kB, shmem-rss:0kB",
            "rustc invoked oom-killer: gfp_mask=0x140dca, order=0, oom_score_adj=0",
            "systemd: Out of memory: Killed process 1 (a) total-vm:1kB",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_name_cannot_pretend() {
        let text = "Out of memory: Killed process 5 (x) total-vm:1) total-vm:8kB, anon-rss:8kB, file-rss:0kB, shmem-rss:0kB";
        assert!(matches!(read(text), Some(OomLine::Killed(Killed { pid: 5, comm: "x) total-vm:1", .. }))));
    }

    proptest! {
        #[test]
        fn any_name_is_found(comm in "[ -~]{1,15}", pid in 1i32.., score in -1000i32..=1000, memcg: bool) {
            let prefix = if memcg { "Memory cgroup out of memory" } else { "Out of memory" };
            let text = format!(
                "{prefix}: Killed process {pid} ({comm}) total-vm:8kB, anon-rss:4kB, file-rss:2kB, shmem-rss:1kB, UID:3 \
                 pgtables:8kB oom_score_adj:{score}"
            );
            let expected = Killed {
                memcg, pid, comm: &comm, rss_bytes: Some(7 * 1024), uid: Some(3), score: Some(score),
            };
            prop_assert_eq!(read(&text), Some(OomLine::Killed(expected)));
        }

        #[test]
        fn no_text_panics(text in "(oom-kill:constraint=|Out of memory: Killed process |)[-,=():0-9a-z_ é]{0,120}") {
            let _ = read(&text);
        }
    }
}
