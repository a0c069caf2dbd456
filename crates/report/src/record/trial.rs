//! A drill as a part of a record: what was tried on a host, and the result.

use oomguard_spec::Yaml;

use super::safe;

/// A drill that was run on a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// The host.
    pub hostname: String,
    /// What was run.
    pub command: String,
    /// Where the policy came from, in words.
    pub policy: String,
    /// Whether all of it held.
    pub proved: bool,
    /// What was tried, in words as it turned out, and whether it held.
    pub tried: Vec<(bool, String)>,
}

/// The drills, as a part of `testing`.
pub fn drills(trials: &[Trial]) -> Yaml {
    let one = |trial: &Trial| {
        let tried = |good: bool| {
            let such = trial.tried.iter().filter(move |(held, _)| *held == good);
            such.map(|(_, what)| safe(what)).collect::<Vec<_>>()
        };
        Yaml::map([
            ("host", Yaml::text(safe(&trial.hostname))),
            ("command", Yaml::text(safe(&trial.command))),
            ("policy", Yaml::text(safe(&trial.policy))),
            ("expected", Yaml::text("memory runs out, load is killed, and nothing else")),
            ("result", Yaml::text(if trial.proved { "proved" } else { "not proved" })),
            ("held", Yaml::texts(tried(true))),
            ("did_not_hold", Yaml::texts(tried(false))),
        ])
    };
    Yaml::List(trials.iter().map(one).collect())
}

/// What the drills came to, in a sentence.
pub fn sentence(trials: &[Trial]) -> String {
    let proved = trials.iter().filter(|trial| trial.proved).count();
    match trials.len() {
        0 => String::new(),
        1 if proved == 1 => " A drill proved the protection.".to_owned(),
        1 => " A drill did not prove the protection.".to_owned(),
        all => format!(" {proved} of {all} drills proved the protection."),
    }
}

/// What is to be done about those that did not hold.
pub fn next_steps(trials: &[Trial]) -> impl Iterator<Item = String> + '_ {
    trials.iter().filter(|trial| !trial.proved).map(|trial| {
        let failed = trial.tried.iter().filter(|(held, _)| !held).map(|(_, what)| safe(what));
        format!(
            "{}: find out why the drill did not hold: {}",
            safe(&trial.hostname),
            failed.collect::<Vec<_>>().join("; ")
        )
    })
}
