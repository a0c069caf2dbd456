//! What a host says: lines, answers of the shell, and words of ssh.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oomguard_fleet::failure::{Failure, Progress};
use oomguard_fleet::job::Job;
use oomguard_fleet::lines::Line;
use oomguard_fleet::script::Answer;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(line) = Line::parse(bytes) {
        assert!(Line::parse(line.to_line().as_bytes()).is_ok(), "it was one");
    }
    let _ = Job::from_line(bytes);
    let text = String::from_utf8_lossy(bytes);
    let failure = match Answer::parse(&text) {
        Some(answer) => Failure::from_answer(&answer, &text),
        None => Failure::from_ssh(&text, Some(255), Progress::default()),
    };
    assert!(!failure.message.contains(oomguard_text::is_unsafe));
});
