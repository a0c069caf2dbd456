//! Inline SVG: memory per process at the kill, memory by type, and the minutes before.
//!
//! Colours are classes of the page, so that they follow its light and dark. Each picture has a text for those who
//! cannot see it.

use std::fmt::Write as _;

use crate::minutes::Minutes;
use crate::model::{Consumer, Incident};
use crate::shown::size;
use oomguard_text::html;

const WIDTH: u64 = 640;
const ROW: u64 = 26;
/// Where bars begin: names have at most 15 characters and a pid.
const LEFT: u64 = 230;
/// Room for the amount behind a bar.
const RIGHT: u64 = 110;

/// Memory per process at the kill; `None` where the log has no task table, or not how large a page is.
pub fn holders(incident: &Incident) -> Option<String> {
    let tasks: Vec<&Consumer> = incident.top_consumers.iter().filter(|task| task.rss_kib.is_some()).collect();
    let held = |task: &Consumer| task.rss_kib.unwrap_or(0).saturating_add(task.swap_kib.unwrap_or(0));
    let most = tasks.iter().map(|task| held(task)).max().filter(|most| *most > 0)?;
    let height = ROW * tasks.len() as u64;
    let mut out = open(height, "Memory per process at the kill");
    let room = WIDTH - LEFT - RIGHT;
    let scaled = |kib: u64| (u128::from(kib) * u128::from(room) / u128::from(most)).min(u128::from(room));
    for (number, task) in tasks.iter().enumerate() {
        let top = number as u64 * ROW;
        let name = oomguard_text::shown(task.comm.as_deref().unwrap_or("?"), 16);
        let mark = if task.killed { "killed" } else { "" };
        let (rss, swap) = (scaled(task.rss_kib.unwrap_or(0)), scaled(task.swap_kib.unwrap_or(0)));
        _ = write!(
            out,
            "<text class=\"name {mark}\" x=\"{}\" y=\"{}\">{}{} <tspan class=\"dim\">{}</tspan></text>\
             <rect class=\"rss {mark}\" x=\"{LEFT}\" y=\"{}\" width=\"{rss}\" height=\"16\"/>\
             <rect class=\"swap\" x=\"{}\" y=\"{}\" width=\"{swap}\" height=\"16\"/>\
             <text class=\"amount\" x=\"{}\" y=\"{}\">{}</text>",
            LEFT - 8,
            top + 17,
            if task.killed { "† " } else { "" },
            html(&name),
            task.pid,
            top + 5,
            u128::from(LEFT) + rss,
            top + 5,
            u128::from(LEFT) + rss + swap + 6,
            top + 17,
            size(held(task)),
        );
    }
    out.push_str("</svg>");
    Some(out)
}

/// Memory by type: one bar; `None` where the log does not show it.
pub fn whole(incident: &Incident) -> Option<String> {
    let memory = &incident.memory;
    let all = memory.limit_kib.or(memory.ram_kib).filter(|all| *all > 0)?;
    let cgroup = memory.limit_kib.is_some();
    let parts = [
        ("processes", "anon", memory.anon_kib),
        ("files", "file", memory.file_kib),
        ("kernel", "kernel", kernel(incident)),
        ("locked", "locked", memory.unevictable_kib),
        ("free", "free", if cgroup { None } else { memory.free_kib }),
        ("unexplained", "rest", memory.unexplained_kib),
    ];
    let there: Vec<_> =
        parts.into_iter().filter_map(|(name, class, kib)| Some((name, class, kib?))).collect();
    if there.is_empty() {
        return None;
    }
    let mut out = open(36 + 22 * there.len().div_ceil(2) as u64, "Memory by type");
    let mut x = 0u128;
    for (number, (name, class, kib)) in there.iter().enumerate() {
        let width = u128::from(*kib) * u128::from(WIDTH) / u128::from(all);
        let width = width.min(u128::from(WIDTH).saturating_sub(x));
        _ = write!(out, "<rect class=\"{class}\" x=\"{x}\" y=\"0\" width=\"{width}\" height=\"22\"/>");
        x += width;
        let (column, row) = (number as u64 % 2, number as u64 / 2);
        let (left, top) = (column * (WIDTH / 2), 36 + row * 22);
        _ = write!(
            out,
            "<rect class=\"{class}\" x=\"{left}\" y=\"{top}\" width=\"12\" height=\"12\"/>\
             <text class=\"key\" x=\"{}\" y=\"{}\">{name}: {}</text>",
            left + 18,
            top + 11,
            size(*kib)
        );
    }
    out.push_str("</svg>");
    Some(out)
}

fn kernel(incident: &Incident) -> Option<u64> {
    let memory = &incident.memory;
    let parts = [memory.slab_reclaimable_kib, memory.slab_unreclaimable_kib, memory.page_tables_kib];
    if parts.iter().all(Option::is_none) {
        return None;
    }
    Some(parts.iter().map(|part| part.unwrap_or(0)).fold(0, u64::saturating_add))
}

/// How many samples a picture has at most: more than its columns make no sense.
const MAX_SAMPLES: usize = 600;

/// Memory and swap that were used over the minutes before; `None` with fewer than two samples.
pub fn minutes(minutes: &Minutes) -> Option<String> {
    const HEIGHT: u64 = 220;
    const TOP: u64 = 18;
    const BOTTOM: u64 = 24;
    const AXIS: u64 = 112;
    let skip = minutes.samples.len().saturating_sub(MAX_SAMPLES);
    let samples = minutes.samples.get(skip..).filter(|samples| samples.len() > 1)?;
    let (first, last) = (samples.first()?, samples.last()?);
    let seconds = last.at.checked_sub(first.at).filter(|seconds| *seconds > 0)?;
    let most = samples.iter().map(|sample| sample.mem_total_kib.max(sample.swap_total_kib)).max()?.max(1);
    let x = |at: i64| {
        let past = i128::from(at.saturating_sub(first.at)).clamp(0, i128::from(seconds));
        i128::from(AXIS) + past * i128::from(WIDTH - AXIS) / i128::from(seconds)
    };
    let room = HEIGHT - TOP - BOTTOM;
    let y =
        |kib: u64| u128::from(TOP + room) - u128::from(kib.min(most)) * u128::from(room) / u128::from(most);
    let mut out = open(HEIGHT, "Memory and swap use before the kill");
    for quarter in 0..=4u64 {
        let kib = most / 4 * quarter;
        _ = write!(
            out,
            "<line class=\"grid\" x1=\"{AXIS}\" x2=\"{WIDTH}\" y1=\"{0}\" y2=\"{0}\"/>\
             <text class=\"tick\" x=\"{1}\" y=\"{2}\">{3}</text>",
            y(kib),
            AXIS - 8,
            y(kib) + 4,
            size(kib)
        );
    }
    let line = |class: &str, used: &dyn Fn(&crate::minutes::Sample) -> u64| {
        let points: Vec<String> =
            samples.iter().map(|sample| format!("{},{}", x(sample.at), y(used(sample)))).collect();
        format!("<polyline class=\"{class}\" points=\"{}\"/>", points.join(" "))
    };
    out.push_str(&line("used", &|sample| sample.mem_total_kib.saturating_sub(sample.mem_available_kib)));
    out.push_str(&line("swapped", &|sample| sample.swap_total_kib.saturating_sub(sample.swap_free_kib)));
    _ = write!(
        out,
        "<text class=\"key\" x=\"{AXIS}\" y=\"{0}\">{1} before the last sample</text>\
         <text class=\"tick\" x=\"{WIDTH}\" y=\"{0}\">last sample</text></svg>",
        HEIGHT - 6,
        duration(seconds)
    );
    Some(out)
}

fn duration(seconds: i64) -> String {
    if seconds >= 120 { format!("{} min", seconds / 60) } else { format!("{seconds} s") }
}

fn open(height: u64, label: &str) -> String {
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{label}\"><title>{label}</title>"
    )
}
