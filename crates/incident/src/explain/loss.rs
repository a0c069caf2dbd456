//! What went down with the victims.

use std::collections::BTreeSet;

use crate::episode::Episode;
use crate::model::{Incident, Kill, Lost};
use crate::shown;

/// Works out what went down with the victims.
pub fn lost(episode: &Episode, incident: &Incident) -> Lost {
    let mut lost = Lost {
        units: episode.units.values().cloned().collect(),
        reboot: episode
            .boot
            .as_ref()
            .map(|time| time.text().unwrap_or_else(|| "the log continues with a boot".to_owned())),
        ..Lost::default()
    };
    let mut managers = BTreeSet::new();
    let mut said = Vec::new();
    for kill in &incident.kills {
        if let Some(text) = of(kill, &mut managers)
            && !said.contains(&text)
        {
            said.push(text);
        }
    }
    lost.sessions = sessions(episode, incident, !managers.is_empty());
    // The worst first: what took others along.
    said.sort_by_key(|(rank, _)| *rank);
    lost.what = said.into_iter().map(|(_, text)| text).take(20).collect();
    lost.user_managers = managers.into_iter().collect();
    for unit in lost.units.iter().filter(|unit| unit.failed).take(10) {
        let why = if unit.killed_by_oomd {
            "systemd-oomd killed its processes"
        } else if unit.main_killed {
            "its main process was killed"
        } else {
            "one of its processes was killed, and OOMPolicy=stop stopped the rest"
        };
        let again = if unit.restarted { "; restarted by systemd" } else { "" };
        lost.what.push(format!("{}: unit failed: {why}{again}", unit.unit));
    }
    if !lost.sessions.is_empty() {
        let numbers: Vec<&str> = lost.sessions.iter().map(String::as_str).take(20).collect();
        lost.what.push(format!("login sessions ended: {}", numbers.join(", ")));
    }
    if let Some(time) = &lost.reboot {
        lost.what.push(format!("the host rebooted ({time}): everything on it was lost"));
    }
    lost
}

/// The sessions that ended because of the kills: all when a user manager is among the victims, else those with a victim.
/// Others may just have logged out.
fn sessions(episode: &Episode, incident: &Incident, manager: bool) -> Vec<String> {
    let hit = |number: &str| {
        let scope = format!("session-{number}.scope");
        let by_unit = episode.units.get(scope.as_bytes()).is_some_and(|unit| unit.process_killed);
        by_unit
            || incident
                .kills
                .iter()
                .filter_map(|kill| kill.memcg.as_deref())
                .any(|path| path.ends_with(&scope))
    };
    let ended = episode.sessions.iter().map(|number| shown::name(number));
    ended.filter(|number| manager || hit(number)).collect()
}

fn of(kill: &Kill, managers: &mut BTreeSet<u32>) -> Option<(u8, String)> {
    let comm = kill.comm.as_deref().unwrap_or_default();
    let pid = kill.pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default();
    let memcg = kill.memcg.as_deref().unwrap_or_default();
    let of_user = user(kill).map_or_else(|| "its user".to_owned(), |uid| format!("user {uid}"));
    match comm {
        "systemd" if kill.pid != Some(1) => {
            managers.extend(user(kill));
            Some((0, format!("systemd --user{pid}: every session and user service of {of_user}")))
        }
        "tmux: server" | "screen" | "SCREEN" | "zellij" => {
            Some((1, format!("{comm}{pid}: all its panes and everything running in them")))
        }
        "dbus-daemon" | "dbus-broker" | "dbus-broker-lau" => {
            let whose = if memcg.contains("/user.slice/") {
                format!("of {of_user}")
            } else {
                "of the host or a session".to_owned()
            };
            Some((2, format!("{comm}{pid}: the message bus {whose} and everything that depends on it")))
        }
        "sshd" | "sshd-session" => Some((2, format!("{comm}{pid}: an SSH connection, or all SSH logins"))),
        "systemd-logind" => Some((2, format!("{comm}{pid}: logins hang until it is restarted"))),
        "dockerd" | "containerd" | "containerd-shim" | "crio" | "conmon" => {
            Some((2, format!("{comm}{pid}: containers lose their supervisor")))
        }
        "postgres" | "postmaster" => {
            Some((2, format!("{comm}{pid}: PostgreSQL drops all connections and runs crash recovery")))
        }
        _ if kill.by == "systemd-oomd" || kill.by == "talos" => {
            Some((1, format!("{}: all processes in it", if memcg.is_empty() { "a cgroup" } else { memcg })))
        }
        _ => None,
    }
}

/// The user of a victim: named on its line, or in its cgroup.
fn user(kill: &Kill) -> Option<u32> {
    let of_path = || {
        let (_, rest) = kill.memcg.as_deref()?.split_once("/user-")?;
        rest.split_once(".slice")?.0.parse().ok()
    };
    kill.uid.or_else(of_path)
}
