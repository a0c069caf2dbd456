//! The reader of /etc/passwd, on what Debian has and on what it must pass over.

use oomguard_host::passwd::users;
use proptest::prelude::*;

#[test]
fn malformed_lines_are_skipped() {
    let text = b"root:x:0:0:root:/root:/bin/bash\n# note\n\nbad\nno:x:-1:0::/:\n+nis:x:5:5::/:\ndev:x:1000:1000:,,,:/home/dev:/bin/bash";
    assert_eq!(users(text), [("root".to_owned(), 0), ("dev".to_owned(), 1000)]);
}

proptest! {
    #[test]
    fn names_are_safe_for_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for (name, _) in users(&bytes) {
            prop_assert!(!name.is_empty() && !name.contains(char::is_control));
        }
    }

    #[test]
    fn users_round_trip(users_in in proptest::collection::vec(("[a-z_][a-z0-9_.-]{0,9}", any::<u32>()), 0..5)) {
        let text: String = users_in.iter().map(|(name, uid)| format!("{name}:x:{uid}:100::/:/bin/sh\n")).collect();
        prop_assert_eq!(users(text.as_bytes()), users_in);
    }
}
