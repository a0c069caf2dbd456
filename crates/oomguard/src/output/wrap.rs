//! Lines that end at a word, and paths that end at a slash.

/// Breaks a text into lines of at most `width` characters: at a blank, else after a `/` in a path, and in the middle
/// of a word only when the word alone is longer than a line.
pub fn wrap(text: &str, width: usize) -> String {
    text.lines().map(|line| wrap_line(line, width.max(1))).collect::<Vec<_>>().join("\n")
}

fn wrap_line(line: &str, width: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut current = String::new();
    for word in line.split(' ') {
        let blank = usize::from(!current.is_empty());
        if length(&current) + blank + length(word) <= width {
            current.extend((blank == 1).then_some(' '));
            current.push_str(word);
            continue;
        }
        if !current.is_empty() {
            lines.push(std::mem::take(&mut current));
        }
        for part in parts(word, width) {
            if length(&current) + length(&part) > width {
                lines.push(std::mem::take(&mut current));
            }
            current.push_str(&part);
        }
    }
    lines.push(current);
    lines.join("\n")
}

/// A word in parts that each fit a line.
fn parts(word: &str, width: usize) -> Vec<String> {
    let mut parts = Vec::new();
    for part in word.split_inclusive('/') {
        let letters: Vec<char> = part.chars().collect();
        parts.extend(letters.chunks(width).map(|chunk| chunk.iter().collect::<String>()));
    }
    parts
}

fn length(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::wrap;

    #[test]
    fn a_path_breaks_after_a_slash() {
        assert_eq!(
            wrap("write /etc/systemd/system/user@.service.d/50-oomguard.conf", 28),
            "write\n/etc/systemd/system/\nuser@.service.d/\n50-oomguard.conf"
        );
        assert_eq!(wrap("write /etc/fstab", 28), "write /etc/fstab");
    }

    #[test]
    fn words_stay_whole_where_they_can() {
        assert_eq!(wrap("a killed user manager", 8), "a killed\nuser\nmanager");
        assert_eq!(wrap("unsplittable", 5), "unspl\nittab\nle");
        assert_eq!(wrap("is\nshould be", 20), "is\nshould be");
        assert_eq!(wrap("", 5), "");
    }
}
