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
        assert!(incident.evidence.iter().all(|evidence| (1..=lines).contains(&evidence.line)));
        let screen = text::text(incident, "-", report.lost_records);
        let page = html::html(incident, "-", 0, None);
        assert!(!page.contains("<script") && !page.contains("<img"));
        let document = cspec::cspec(incident, "-");
        for form in [&screen, &page, &markdown::markdown(incident, "-", 0), &document] {
            assert!(!form.contains(|c| c != '\n' && oomguard_text::is_unsafe(c)), "{form:?}");
        }
        assert!(oomguard_spec::read("i.cspec", document.as_bytes()).is_ok(), "{document}");
    }
});
