//! Telling others of events: a hook program and a webhook. Nobody ever waits for them.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use oomguard_host::Host;
use oomguard_host::start::Started;
use oomguard_spec::policy::Alerts;

use crate::event::Entry;
use crate::metrics::Metrics;
use crate::text::Text;

/// Calls that run at once; the next ones wait.
pub const AT_ONCE: usize = 4;
/// Calls that wait; more are dropped and counted.
pub const WAITING: usize = 64;
/// A call that is not done by then is killed.
pub const LIMIT: Duration = Duration::from_secs(10);

/// Who is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ways {
    /// A program that gets each event on its standard input.
    pub hook: Option<String>,
    /// An address that each event is posted to.
    pub webhook: Option<String>,
    /// The oom_score_adj of both: they are load, whatever the agent itself has.
    pub score: i32,
}

impl Ways {
    /// Who a policy tells.
    #[must_use]
    pub fn of(alerts: &Alerts, load: i32) -> Self {
        Self { hook: alerts.hook.clone(), webhook: alerts.webhook.clone(), score: load.max(0) }
    }

    /// Whether nobody is told.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hook.is_none() && self.webhook.is_none()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Hook,
    Webhook,
}

impl Way {
    fn word(self) -> &'static str {
        match self {
            Self::Hook => "hook",
            Self::Webhook => "webhook",
        }
    }
}

/// The calls that wait and those that run.
#[derive(Debug)]
pub struct Notifier {
    host: Host,
    ways: Ways,
    metrics: Metrics,
    waiting: VecDeque<(Way, String)>,
    running: Vec<Running>,
}

#[derive(Debug)]
struct Running {
    way: Way,
    started: Started,
    since: Instant,
}

impl Notifier {
    /// Nobody was told anything yet.
    #[must_use]
    pub fn new(host: Host, ways: Ways, metrics: Metrics) -> Self {
        Self { host, ways, metrics, waiting: VecDeque::new(), running: Vec::new() }
    }

    /// Others are told from now on.
    pub fn set(&mut self, ways: Ways) {
        self.ways = ways;
    }

    /// Takes an event. The calls begin at the next [`Notifier::turn`].
    pub fn tell(&mut self, entry: &Entry) {
        let ways = [(Way::Hook, &self.ways.hook), (Way::Webhook, &self.ways.webhook)];
        let ways: Vec<Way> = ways.iter().filter(|(_, to)| to.is_some()).map(|(way, _)| *way).collect();
        for way in ways {
            if self.waiting.len() >= WAITING {
                self.metrics.count_told(way.word(), "dropped");
                continue;
            }
            let json = serde_json::to_string(entry).unwrap_or_default();
            self.waiting.push_back((way, json));
        }
    }

    /// Starts what may start, takes note of what has ended, and kills what runs for too long. What went wrong, a line
    /// each, for the log.
    pub fn turn(&mut self) -> Vec<String> {
        let mut wrong = Vec::new();
        self.ended(&mut wrong);
        while self.running.len() < AT_ONCE {
            let Some((way, json)) = self.waiting.pop_front() else { break };
            match self.start(way, &json) {
                Ok(Some(started)) => self.running.push(Running { way, started, since: Instant::now() }),
                // The new policy no longer tells anybody this way.
                Ok(None) => {}
                Err(error) => {
                    self.metrics.count_told(way.word(), "failed");
                    wrong.push(format!("the {} of the policy was not told: {error}", way.word()));
                }
            }
        }
        wrong
    }

    /// Whether nothing runs and nothing waits.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.running.is_empty() && self.waiting.is_empty()
    }

    fn ended(&mut self, wrong: &mut Vec<String>) {
        let metrics = &self.metrics;
        self.running.retain_mut(|call| {
            let end = match call.started.ended() {
                Ok(None) if call.since.elapsed() < LIMIT => return true,
                Ok(None) => Err(format!("it was killed after {} s", LIMIT.as_secs())),
                Ok(Some((true, _))) => Ok(()),
                Ok(Some((false, how))) => Err(how),
                Err(error) => Err(error.to_string()),
            };
            metrics.count_told(call.way.word(), if end.is_ok() { "ok" } else { "failed" });
            if let Err(why) = end {
                wrong.push(format!("the {} of the policy failed: {}", call.way.word(), Text::new(&why)));
            }
            false
        });
    }

    fn start(&self, way: Way, json: &str) -> oomguard_host::Result<Option<Started>> {
        let score = self.ways.score;
        match way {
            Way::Hook => {
                let Some(program) = &self.ways.hook else { return Ok(None) };
                self.host.start(program, &[], score, json.as_bytes()).map(Some)
            }
            Way::Webhook => {
                let Some(url) = &self.ways.webhook else { return Ok(None) };
                // By its configuration on standard input: in its arguments everybody could read the address, which
                // often holds the secret.
                let limit = LIMIT.as_secs().to_string();
                let args = [
                    "-q",
                    "--silent",
                    "--fail",
                    "--max-time",
                    &limit,
                    "--proto",
                    "=http,https",
                    "--config",
                    "-",
                ];
                self.host.start("curl", &args, score, curl_config(url, json).as_bytes()).map(Some)
            }
        }
    }
}

/// What curl(1) reads with `--config`: one option a line.
fn curl_config(url: &str, json: &str) -> String {
    format!(
        "url = {}\nheader = \"Content-Type: application/json\"\ndata-raw = {}\n",
        curl_quoted(url),
        curl_quoted(json)
    )
}

fn curl_quoted(text: &str) -> String {
    // A value ends at a quote or the end of the line; both are written out.
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' | '\r' | '\0' => quoted.push(' '),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_curl_reads() {
        let config = curl_config("https://a/?b=\"", "{\"a\":\"\\\"\"}\nurl = evil");
        assert_eq!(
            config,
            "url = \"https://a/?b=\\\"\"\nheader = \"Content-Type: application/json\"\n\
             data-raw = \"{\\\"a\\\":\\\"\\\\\\\"\\\"} url = evil\"\n"
        );
    }
}
