//! How much swap a host should have, for a person: the sum, the rule of thumb beside it, and what to write down.

use oomguard_converge::advise::{Advice, Beside};
use oomguard_spec::size::Bytes;

use super::lines::wrap;
use super::{Paint, Terminal};

/// The sum, line by line.
pub fn text(host: &str, advice: &Advice, terminal: &Terminal) -> String {
    let now = match advice.evidence.swap_now {
        0 => "no swap".to_owned(),
        swap => format!("{} of swap", Bytes(swap)),
    };
    let memory = Bytes(advice.evidence.memory);
    let mut text = format!("{}: {memory} of memory, {now}\n\n", terminal.paint(Paint::Bold, host));
    let widest = advice.sum.iter().map(|line| line.what.chars().count()).max().unwrap_or(0);
    for line in &advice.sum {
        let size = Bytes(line.bytes).to_string();
        text.push_str(&format!("  {:>3} {:<widest$} {size:>10}  {}\n", line.sign, line.what, line.from));
    }
    let rule = &advice.rule_of_thumb;
    let lies = match rule.advice_is {
        Beside::Below => "less",
        Beside::Within => "within that",
        Beside::Above => "more",
    };
    let width = Some(terminal.width());
    text.push_str(&format!(
        "\n{}\n",
        wrap(
            &format!(
                "The rule of thumb (0.5x to 1x of memory) gives {} to {}. This is {lies}: {}.",
                Bytes(rule.low),
                Bytes(rule.high),
                rule.why
            ),
            0,
            width
        )
    ));
    for note in &advice.notes {
        text.push_str(&format!("{}\n", wrap(&format!("Note: {note}"), 0, width)));
    }
    let size = format!("{}MB", advice.swap >> 20);
    let size = if advice.swap.is_multiple_of(1 << 30) { format!("{}GB", advice.swap >> 30) } else { size };
    text.push_str(&format!(
        "\nIn a document: memory_config: {{swap: {{size: {size}, file: /swapfile, priority: 10}}}}\n"
    ));
    text
}
