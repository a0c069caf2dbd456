//! Encodes the metrics: OpenMetrics, and the older text format that node_exporter's textfile collector and `promtool` read.

use std::fmt::Write as _;

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

/// An exposition format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics 1.0.0.
    OpenMetrics,
    /// Prometheus' text format 0.0.4.
    Text,
}

impl Format {
    /// The media type.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// Negotiates an `Accept` header: OpenMetrics only when it is named with at least the quality of text.
    #[must_use]
    pub fn preferred(accept: &str) -> Self {
        let best = |names: &[&str]| {
            let ranges = accept.split(',').map(str::trim);
            let liked = ranges.filter_map(|range| {
                let mut parts = range.split(';').map(str::trim);
                let name = parts.next()?.to_ascii_lowercase();
                names.contains(&name.as_str()).then(|| quality(parts)).filter(|quality| *quality > 0.0)
            });
            liked.fold(0.0, f64::max)
        };
        let (open, text) = (best(&["application/openmetrics-text"]), best(&["text/plain", "text/*"]));
        if open > 0.0 && open >= text { Self::OpenMetrics } else { Self::Text }
    }
}

fn quality<'a>(mut parameters: impl Iterator<Item = &'a str>) -> f64 {
    let stated = parameters.find_map(|parameter| parameter.strip_prefix("q="));
    stated.map_or(1.0, |quality| quality.parse().unwrap_or(0.0))
}

/// Encodes all metrics.
#[must_use]
pub fn print(registry: &Registry, format: Format) -> String {
    let mut open = String::with_capacity(16 << 10);
    // Writing to a String cannot fail.
    let _ = encode(&mut open, registry);
    match format {
        Format::OpenMetrics => open,
        Format::Text => to_text(&open),
    }
}

/// Converts OpenMetrics to the older format: the family of a counter ends in `_total`, an info is a gauge, and there are
/// no units and no EOF.
fn to_text(open: &str) -> String {
    let mut text = String::with_capacity(open.len());
    let mut help = "";
    for line in open.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest;
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap_or((rest, "untyped"));
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                kind => ("", kind),
            };
            if let Some(help) = help.strip_prefix(name) {
                _ = writeln!(text, "# HELP {name}{suffix}{help}");
            }
            _ = writeln!(text, "# TYPE {name}{suffix} {kind}");
        } else if !line.starts_with('#') {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn format_follows_the_accept_header() {
        let open = [
            "application/openmetrics-text",
            "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,\
             text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            "Application/OpenMetrics-Text; q=1, text/plain",
        ];
        let text = [
            "",
            "*/*",
            "text/plain",
            "text/html, */*;q=0.1",
            "application/openmetrics-text;q=0.2, text/plain",
            "application/openmetrics-text;q=0",
            "application/openmetrics-text;q=x",
            ";;;,,,",
        ];
        for accept in open {
            assert_eq!(Format::preferred(accept), Format::OpenMetrics, "{accept}");
        }
        for accept in text {
            assert_eq!(Format::preferred(accept), Format::Text, "{accept}");
        }
    }

    #[test]
    fn conversion_to_the_text_format() {
        let open = "# HELP a_b A counter.\n# TYPE a_b counter\n# UNIT a_b b\na_b_total{x=\"#\"} 1\n# HELP i Info.\n\
                    # TYPE i info\ni_info{v=\"1\"} 1\n# HELP g Gauge.\n# TYPE g gauge\ng 2.5\n# EOF\n";
        let text = "# HELP a_b_total A counter.\n# TYPE a_b_total counter\na_b_total{x=\"#\"} 1\n# HELP i_info Info.\n\
                    # TYPE i_info gauge\ni_info{v=\"1\"} 1\n# HELP g Gauge.\n# TYPE g gauge\ng 2.5\n";
        assert_eq!(to_text(open), text);
    }
}
