//! Kills that the kernel tells of: which of them are the drill's.

use oomguard_agent::event::{Constraint, Event};
use oomguard_agent::kills::Kills;

use crate::people::{Cast, People};
use crate::report::{Kill, Role};

/// Reads the kernel's log for one drill.
#[derive(Debug, Default)]
pub(crate) struct Killed {
    kills: Kills,
}

impl Killed {
    /// A line of the kernel's log; the kill that it tells of.
    pub(crate) fn line(&mut self, text: &str, cgroup: &str, cast: &Cast, people: &People) -> Option<Kill> {
        let Some(Event::OomKill {
            pid, comm, score, rss_bytes, constraint, limited_cgroup, cgroup: own, ..
        }) = self.kills.line(text)
        else {
            return None;
        };
        let limited = limited_cgroup.as_ref().is_some_and(|limited| limited.as_str() == cgroup);
        let within = own.as_ref().is_some_and(|own| own.as_str().starts_with(cgroup));
        // The kernel leaves lines out when there are many: then the number tells, where it was seen.
        let ours =
            within || (limited && constraint == Constraint::Memcg) || (own.is_none() && people.has(pid));
        let role = if ours { cast.role(pid) } else { Role::Elsewhere };
        Some(Kill { pid, name: comm, role, score, rss_bytes, cgroup: own })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CGROUP: &str = "/user.slice/oomguard-drill-5.service";

    fn kill(lines: &[&str]) -> Kill {
        let cast = Cast { keeper: 10, shell: 11, bystander: 12 };
        let mut killed = Killed::default();
        let found: Vec<Kill> =
            lines.iter().filter_map(|line| killed.line(line, CGROUP, &cast, &People::default())).collect();
        found.into_iter().next_back().unwrap()
    }

    fn chosen(own: &str, limited: &str, pid: i32) -> String {
        format!(
            "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg={limited},\
             task_memcg={own},task=x,pid={pid},uid=0"
        )
    }

    fn dead(pid: i32) -> String {
        format!(
            "Memory cgroup out of memory: Killed process {pid} (x) total-vm:8kB, anon-rss:4kB, file-rss:2kB, shmem-rss:1kB, \
             UID:0 pgtables:8kB oom_score_adj:-800"
        )
    }

    #[test]
    fn each_has_its_role() {
        for (pid, role) in [(10, Role::Keeper), (11, Role::Shell), (12, Role::Bystander), (99, Role::Load)] {
            let kill = kill(&[&chosen(CGROUP, CGROUP, pid), &dead(pid)]);
            assert_eq!((kill.role, kill.score), (role, Some(-800)));
        }
    }

    #[test]
    fn what_is_killed_in_another_cgroup_is_no_part_of_it() {
        let other = "/system.slice/x.service";
        assert_eq!(kill(&[&chosen(other, other, 99), &dead(99)]).role, Role::Elsewhere);
        // Its lines were cut, and nobody had seen it.
        assert_eq!(kill(&[&dead(99)]).role, Role::Elsewhere);
    }
}
