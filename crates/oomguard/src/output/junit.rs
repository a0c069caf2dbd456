//! The report of `check` as JUnit XML: a test case for each finding.

use oomguard_converge::Severity;

use oomguard_report::CheckReport;

/// The report as a JUnit document.
pub fn document(report: &CheckReport) -> String {
    let mut cases = String::new();
    let mut failures = 0;
    for finding in &report.findings {
        let name = escaped(&format!("{}: {}", finding.kind, finding.subject));
        let text = escaped(&format!("{}; should be {}: {}", finding.is, finding.should, finding.why));
        let inner = match finding.severity {
            Severity::Advice => format!("<system-out>{text}</system-out>"),
            Severity::Critical | Severity::Warning => {
                failures += 1;
                format!("<failure message=\"{text}\"/>")
            }
        };
        cases.push_str(&format!("    <testcase classname=\"oomguard\" name=\"{name}\">{inner}</testcase>\n"));
    }
    let mut tests = report.findings.len();
    if tests == 0 {
        tests = 1;
        cases.push_str("    <testcase classname=\"oomguard\" name=\"as the policy says\"/>\n");
    }
    let unread: String = report
        .unread
        .iter()
        .map(|one| format!("{}: {}; not known: {}\n", one.what, one.why, one.unknown))
        .collect();
    if !unread.is_empty() {
        cases.push_str(&format!("    <system-err>{}</system-err>\n", escaped(unread.trim_end())));
    }
    let suite = escaped(&format!("oomguard check {}", report.host));
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite name=\"{suite}\" tests=\"{tests}\" \
         failures=\"{failures}\" errors=\"0\">\n{cases}  </testsuite>\n</testsuites>\n"
    )
}

/// Text on one line for an attribute or an element.
pub fn escaped(text: &str) -> String {
    oomguard_text::html(&text.replace('\n', " "))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_process_name_cannot_break_the_document() {
        assert_eq!(super::escaped("<a href=\"x\">&\u{1b}[2J"), "&lt;a href=&quot;x&quot;&gt;&amp;\\x1b[2J");
    }
}
