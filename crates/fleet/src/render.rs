//! The state of hosts as a section of a cspec document and as an HTML page.

use oomguard_report::record::{HostSeen, verification};
use oomguard_spec::Yaml;

use crate::outcome::State;
use crate::status::{HostStatus, moment};

/// The `verification` section of a cspec document, as the team keeps it by hand: an entry for each host.
#[must_use]
pub fn cspec(standings: &[HostStatus]) -> String {
    let hosts: Vec<HostSeen> = standings.iter().map(HostStatus::seen).collect();
    "# Written by `oomguard fleet status --format cspec` from the last known state.\n".to_owned()
        + &Yaml::map([("verification", verification(&hosts))]).document()
}

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2em auto;max-width:70em;padding:0 1em;color:#222;\
background:#fff}table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;padding:.4em .6em;\
border-bottom:1px solid #ccc}.failed,.not{color:#a00;font-weight:bold}.differs{color:#850}.fine{color:#060}\
@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}.failed,.not{color:#f77}.differs{color:#fb4}.fine{color:#7c7}}";

/// One page without scripts or external files.
#[must_use]
pub fn html(standings: &[HostStatus], now: u64) -> String {
    let rows: String = standings.iter().map(row).collect();
    let fine = standings.iter().filter(|standing| standing.outcome.state == State::Fine).count();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>oomguard: {fine} of {all} hosts OK</title><style>{STYLE}</style></head>\n\
         <body><h1>{fine} of {all} hosts match their policies</h1><p>As of {}.</p>\n<table><thead><tr><th>Host</th>\
         <th>State</th><th>Last seen</th><th>What differs</th></tr></thead><tbody>\n{rows}</tbody></table></body></html>\n",
        moment(Some(now)),
        all = standings.len(),
    )
}

fn row(standing: &HostStatus) -> String {
    let outcome = &standing.outcome;
    let word = outcome.state.word();
    let class = word.split(' ').next().unwrap_or(word);
    let what: String = match &outcome.failure {
        Some(failure) => format!("{}<br>{}", escaped(&failure.message), escaped(&failure.advice)),
        None if outcome.findings.is_empty() => escaped(&outcome.summary),
        None => {
            let line = |finding: &oomguard_converge::Finding| {
                format!(
                    "<li>{}: {} (should be {})</li>",
                    escaped(&finding.subject),
                    escaped(&finding.is),
                    escaped(&finding.should)
                )
            };
            format!("<ul>{}</ul>", outcome.findings.iter().take(20).map(line).collect::<String>())
        }
    };
    format!(
        "<tr><td>{}</td><td class=\"{class}\">{word}</td><td>{}</td><td>{what}</td></tr>\n",
        escaped(outcome.target.name.as_str()),
        moment(standing.seen),
    )
}

fn escaped(text: &str) -> String {
    oomguard_text::html(&oomguard_text::shown(text, 2000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::{Failure, Kind};
    use crate::inventory::Target;
    use crate::outcome::Outcome;

    fn standing(name: &str, failure: Option<Failure>) -> HostStatus {
        let mut outcome = Outcome::not_reached(Target::new(name.parse().unwrap(), None));
        outcome.state = if failure.is_some() { State::Failed } else { State::Fine };
        outcome.failure = failure;
        let status = serde_json::json!({
            "schema": "oomguard.status/1", "host": "t1", "memory_bytes": 1, "swappiness": 10, "unread": [],
            "swap": [{
                "path": "/swapfile", "size_bytes": 17179869184u64, "used_bytes": 0, "priority": 1,
                "made_by": "oomguard", "after_boot": true,
            }],
            "processes": [{"pid": 1, "comm": "systemd", "score": 0, "right": true}],
        });
        HostStatus {
            outcome,
            run: "r".to_owned(),
            policy: "p".to_owned(),
            seen: Some(1_768_000_000),
            status: Some(serde_json::from_value(status).unwrap()),
        }
    }

    #[test]
    fn the_section_is_a_document_that_is_read_back_as_an_inventory() {
        let bad = Failure::new(Kind::Unreachable, "no: <connection> & \"more\"\u{7}");
        let all = [
            standing("root@t1.example.net", None),
            standing("t1.example.org", Some(bad)),
            standing("10.0.0.1", None),
        ];
        let text = cspec(&all);
        let document = oomguard_spec::read("x.cspec", text.as_bytes()).unwrap();
        assert!(document.diagnostics().is_empty(), "{:?}", document.diagnostics());
        let hosts = document.hosts();
        let names: Vec<&str> = hosts.iter().map(|host| host.name.as_str()).collect();
        assert_eq!(names, ["t1.example.net", "t1.example.org", "10.0.0.1"]);
        assert_eq!(hosts[0].last_known["status"], "operational");
        assert_eq!(hosts[0].last_known["swappiness"], "10");
        assert_eq!(hosts[1].last_known["status"], "unreachable");
        assert!(oomguard_spec::read("x.cspec", cspec(&[]).as_bytes()).unwrap().hosts().is_empty());
    }

    #[test]
    fn the_page_shows_text_of_a_host_as_text() {
        let page = html(&[standing("a", Some(Failure::new(Kind::Failed, "<script>x</script>")))], 0);
        assert!(page.contains("&lt;script&gt;") && !page.contains("<script"), "{page}");
    }
}
