//! Records of /dev/kmsg and counters of memory.events.

use oomguard_host::proc::kmsg::{KERNEL, Record, parse};
use oomguard_host::proc::memory_events;
use proptest::prelude::*;

#[test]
fn a_record_with_a_dictionary() {
    let bytes = b"6,339,5140900,-,caller=T1;NET: Registered protocol family 10\n SUBSYSTEM=acpi\n DEVICE=+acpi:PNP0A03:00\n";
    let record = parse(bytes).unwrap();
    let dictionary = [("SUBSYSTEM", "acpi"), ("DEVICE", "+acpi:PNP0A03:00")];
    let expected = Record {
        facility: KERNEL,
        level: 6,
        sequence: 339,
        time_us: 5_140_900,
        continuation: false,
        text: "NET: Registered protocol family 10".to_owned(),
        dictionary: dictionary.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
    };
    assert_eq!(record, expected);
}

#[test]
fn facility_level_and_continuation() {
    let program = parse(b"12,7,1,-;Out of memory: Killed process 1 (init)\n").unwrap();
    assert_eq!((program.facility, program.level), (1, 4), "a program wrote it");
    for flag in ["c", "+"] {
        assert!(parse(format!("4,1,2,{flag};x").as_bytes()).unwrap().continuation);
    }
    assert!(!parse(b"4,1,2;no flags").unwrap().continuation);
}

#[test]
fn unsafe_bytes_are_escaped() {
    assert_eq!(parse(b"4,1,2,-;a\x1b[31m\xff\x00b\\x0a;c").unwrap().text, "a\\x1b[31m\\xff\\x00b\\x0a;c");
}

#[test]
fn malformed_records_are_errors() {
    for (bytes, what) in [
        (&b""[..], "no `;`"),
        (b"6,1,2,-", "no `;`"),
        (b";text", "the priority"),
        (b"6;text", "the sequence"),
        (b"6,x,2,-;text", "the sequence"),
        (b"6,1,-2,-;text", "the time"),
        (b"6,99999999999999999999999,2,-;text", "the sequence"),
    ] {
        let error = parse(bytes).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    }
}

#[test]
fn counters_of_a_cgroup() {
    let events =
        memory_events::parse(b"low 0\nhigh 1\nmax 2\noom 3\noom_kill 4\noom_group_kill 5\n").unwrap();
    assert_eq!((events.high, events.max, events.oom), (1, 2, 3));
    assert_eq!((events.oom_kill, events.oom_group_kill), (4, 5));
    assert!(memory_events::parse(b"low 0\n").unwrap_err().to_string().contains("oom_kill is missing"));
    assert!(
        memory_events::parse(b"oom_kill many\n")
            .unwrap_err()
            .to_string()
            .contains("oom_kill is not a number")
    );
}

proptest! {
    #[test]
    fn a_record_round_trips(
        facility in 0u32..24, level in 0u8..8, sequence: u64, time_us: u64, more: bool,
        text in "[ -~]{0,200}", dictionary in prop::collection::vec(("[A-Z_]{1,10}", "[ -~]{0,20}"), 0..4),
    ) {
        let flag = if more { 'c' } else { '-' };
        let mut bytes = format!("{},{sequence},{time_us},{flag};{text}\n", facility << 3 | u32::from(level));
        for (key, value) in &dictionary {
            bytes.push_str(&format!(" {key}={value}\n"));
        }
        let expected = Record { facility, level, sequence, time_us, continuation: more, text, dictionary };
        prop_assert_eq!(parse(bytes.as_bytes()).unwrap(), expected);
    }

    #[test]
    fn any_record_is_safe_to_print(bytes in prop::collection::vec(any::<u8>(), 0..300), good: bool) {
        let prefix: &[u8] = if good { b"6,1,2,-;" } else { b"" };
        if let Ok(record) = parse(&[prefix, bytes.as_slice()].concat()) {
            let dictionary = record.dictionary.iter().flat_map(|(key, value)| [key, value]);
            prop_assert!(dictionary.chain([&record.text]).all(|text| !text.contains(oomguard_text::is_unsafe)));
        } else {
            prop_assert!(!good);
        }
    }
}

#[test]
fn counters_of_the_machine() {
    let vmstat = oomguard_host::proc::vmstat::parse;
    let read =
        vmstat(b"nr_free_pages 1\npswpin 2\npswpout 3\npgmajfault 4\noom_kill 5\npswpinx 9\n").unwrap();
    assert_eq!((read.pswpin, read.pswpout, read.pgmajfault, read.oom_kill), (2, 3, 4, Some(5)));
    assert_eq!(vmstat(b"pswpin 2\n").unwrap().oom_kill, None);
    assert!(vmstat(b"oom_kill x\n").unwrap_err().to_string().contains("oom_kill is not a number"));
}
