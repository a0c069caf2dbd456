//! Messages of the process connector, as Linux 6.1 sends them and damaged in every way.

use oomguard_host::proc_event::{ProcEvent, parse};
use proptest::prelude::*;

/// A message with the layout of `struct nlmsghdr`, `struct cn_msg` and `struct proc_event`.
fn message(what: u32, data: &[u8]) -> Vec<u8> {
    let mut event = Vec::new();
    event.extend(what.to_ne_bytes());
    event.extend(1u32.to_ne_bytes());
    event.extend(123_456_789u64.to_ne_bytes());
    event.extend(data);
    event.resize(40, 0);
    let mut bytes = Vec::new();
    bytes.extend(76u32.to_ne_bytes());
    bytes.extend(3u16.to_ne_bytes());
    bytes.extend([0; 10]);
    for field in [1u32, 1, 77, 1] {
        bytes.extend(field.to_ne_bytes());
    }
    bytes.extend(40u16.to_ne_bytes());
    bytes.extend([0; 2]);
    bytes.extend(event);
    assert_eq!(bytes.len(), 76);
    bytes
}

fn numbers(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_ne_bytes()).collect()
}

#[test]
fn every_kind_of_event_is_read() {
    let mut name = numbers(&[11, 10]);
    name.extend(b"tmux: server\0\0\0\0");
    let cases = [
        (0, numbers(&[13]), ProcEvent::Ack { ack: 1, error: 13 }),
        (1, numbers(&[5, 4, 11, 10]), ProcEvent::Fork { parent: 4, thread: 11, process: 10 }),
        (2, numbers(&[11, 10]), ProcEvent::Exec { process: 10 }),
        (4, numbers(&[11, 10, 1000, 1000]), ProcEvent::Owner { thread: 11, process: 10 }),
        (0x40, numbers(&[11, 10, 1000, 1000]), ProcEvent::Owner { thread: 11, process: 10 }),
        (0x200, name, ProcEvent::Name { thread: 11, process: 10, comm: *b"tmux: server\0\0\0\0" }),
        (0x8000_0000, numbers(&[11, 10]), ProcEvent::Exit { thread: 11, process: 10 }),
        (0x80, numbers(&[11, 10]), ProcEvent::Other),
    ];
    for (what, data, event) in cases {
        assert_eq!(parse(&message(what, &data)), Ok(event), "{what:#x}");
    }
    assert_eq!(ProcEvent::name(b"tmux: server\0\0\0\0"), b"tmux: server");
    assert_eq!(ProcEvent::name(b"sixteen bytes ab"), b"sixteen bytes ab");
}

#[test]
fn other_messages_are_errors() {
    let whole = message(2, &numbers(&[11, 10]));
    for length in 0..whole.len() {
        assert!(parse(&whole[..length]).is_err(), "cut to {length}");
    }
    let mut error = whole.clone();
    error[4] = 2;
    assert!(parse(&error).unwrap_err().to_string().contains("not a netlink data message"));
    let mut other = whole.clone();
    other[16] = 9;
    assert!(parse(&other).unwrap_err().to_string().contains("not a message of the process connector"));
    assert!(parse(&message(2, &numbers(&[1, u32::MAX]))).unwrap_err().to_string().contains("negative"));
}

proptest! {
    #[test]
    fn parse_takes_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn a_damaged_message_is_parsed_or_refused(what in any::<u32>(), data in proptest::collection::vec(any::<u8>(), 0..24),
        at in 0usize..76, with in any::<u8>(), length in 0usize..=76) {
        let mut bytes = message(what, &data);
        bytes[at] = with;
        if let Ok(ProcEvent::Name { comm, .. }) = parse(&bytes[..length]) {
            prop_assert!(ProcEvent::name(&comm).len() <= 16);
        }
    }

    #[test]
    fn pids_round_trip(thread in 1i32.., process in 1i32..) {
        let data = numbers(&[thread.cast_unsigned(), process.cast_unsigned()]);
        prop_assert_eq!(parse(&message(2, &data)), Ok(ProcEvent::Exec { process }));
        prop_assert_eq!(parse(&message(0x8000_0000, &data)), Ok(ProcEvent::Exit { thread, process }));
    }
}
