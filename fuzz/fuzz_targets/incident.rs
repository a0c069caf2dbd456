//! A kernel log in any form, and every form that an incident is written in.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oomguard_incident::render::{cspec, html, markdown, text};
use oomguard_incident::line::Origin;
use oomguard_incident::{Options, read_all, record};

fuzz_target!(|bytes: &[u8]| {
    let _ = record::read(bytes, Origin::Kernel);
    let report = read_all(bytes, "-", &Options::default()).expect("bytes can always be read");
    let lines = bytes.split(|&b| b == b'\n').count() as u64;
    for incident in &report.incidents {
        assert!(incident.kills.iter().all(|kill| (1..=lines).contains(&kill.line)));
        assert!(incident.evidence.iter().all(|proof| (1..=lines).contains(&proof.line)));
        let screen = text::text(incident, "-", report.lost_records);
        assert!(screen.chars().all(|c| c == '\n' || !c.is_control()));
        let page = html::html(incident, "-", 0, None);
        assert!(!page.contains("<script") && !page.contains("<img"));
        let _ = markdown::markdown(incident, "-", 0);
        let document = cspec::cspec(incident, "-");
        assert!(oomguard_spec::read("i.cspec", document.as_bytes()).is_ok(), "{document}");
    }
});
