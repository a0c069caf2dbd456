//! Notifications: each event goes to a hook program and a webhook, without blocking the agent.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use oomguard_host::Host;
use oomguard_host::start::Started;
use oomguard_spec::policy::Alerts;
use strum::{IntoStaticStr, VariantNames};

use crate::event::Entry;
use crate::metrics::{CallResult, Metrics};
use oomguard_text::DisplayText;

/// The maximum number of concurrent calls.
pub const MAX_RUNNING: usize = 4;
/// The maximum number of waiting calls; more are dropped and counted.
pub const MAX_WAITING: usize = 64;
/// A call that takes longer is killed.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// Where a policy sends events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NotifyTargets {
    /// A program that gets each event on its standard input.
    pub hook: Option<String>,
    /// A URL that each event is posted to.
    pub webhook: Option<String>,
    /// The oom_score_adj of both: they are load, whatever the agent itself has.
    pub score: i32,
}

impl NotifyTargets {
    /// The targets of a policy. `load` is the policy's score for load.
    #[must_use]
    pub fn of(alerts: &Alerts, load: i32) -> Self {
        Self { hook: alerts.hook.clone(), webhook: alerts.webhook.clone(), score: load.max(0) }
    }

    /// Whether there is no target.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hook.is_none() && self.webhook.is_none()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum Target {
    Hook,
    Webhook,
}

/// Waiting and running calls.
#[derive(Debug)]
pub struct Notifier {
    host: Host,
    targets: NotifyTargets,
    metrics: Metrics,
    waiting: VecDeque<(Target, String)>,
    running: Vec<Running>,
}

#[derive(Debug)]
struct Running {
    target: Target,
    started: Started,
    since: Instant,
}

impl Notifier {
    /// A notifier without calls.
    #[must_use]
    pub fn new(host: Host, targets: NotifyTargets, metrics: Metrics) -> Self {
        Self { host, targets, metrics, waiting: VecDeque::new(), running: Vec::new() }
    }

    /// Replaces the targets.
    pub fn set_targets(&mut self, targets: NotifyTargets) {
        self.targets = targets;
    }

    /// Queues the calls for an event. They start at the next [`Notifier::poll`].
    pub fn enqueue(&mut self, entry: &Entry) {
        let targets = [(Target::Hook, &self.targets.hook), (Target::Webhook, &self.targets.webhook)];
        for (target, _) in targets.into_iter().filter(|(_, to)| to.is_some()) {
            if self.waiting.len() >= MAX_WAITING {
                self.metrics.count_call(target, CallResult::Dropped);
                continue;
            }
            let json = serde_json::to_string(entry).unwrap_or_default();
            self.waiting.push_back((target, json));
        }
    }

    /// Starts waiting calls, collects finished ones and kills those over [`TIMEOUT`]. Returns a line for the log for each
    /// call that failed.
    pub fn poll(&mut self) -> Vec<String> {
        let mut errors = Vec::new();
        self.collect(&mut errors);
        while self.running.len() < MAX_RUNNING {
            let Some((target, json)) = self.waiting.pop_front() else { break };
            match self.start(target, &json) {
                Ok(Some(started)) => self.running.push(Running { target, started, since: Instant::now() }),
                // A new policy has removed the target.
                Ok(None) => {}
                Err(error) => {
                    self.metrics.count_call(target, CallResult::Failed);
                    errors.push(format!("{target} failed: {error}"));
                }
            }
        }
        errors
    }

    /// Whether no call is running or waiting.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.running.is_empty() && self.waiting.is_empty()
    }

    fn collect(&mut self, errors: &mut Vec<String>) {
        let metrics = &self.metrics;
        self.running.retain_mut(|call| {
            let end = match call.started.ended() {
                Ok(None) if call.since.elapsed() < TIMEOUT => return true,
                Ok(None) => Err(format!("killed after {} s", TIMEOUT.as_secs())),
                Ok(Some((true, _))) => Ok(()),
                Ok(Some((false, how))) => Err(how),
                Err(error) => Err(error.to_string()),
            };
            metrics.count_call(call.target, if end.is_ok() { CallResult::Ok } else { CallResult::Failed });
            if let Err(why) = end {
                errors.push(format!("{} failed: {}", call.target, DisplayText::new(&why)));
            }
            false
        });
    }

    fn start(&self, target: Target, json: &str) -> oomguard_host::Result<Option<Started>> {
        let score = self.targets.score;
        match target {
            Target::Hook => {
                let Some(program) = &self.targets.hook else { return Ok(None) };
                self.host.start(program, &[], score, json.as_bytes()).map(Some)
            }
            Target::Webhook => {
                let Some(url) = &self.targets.webhook else { return Ok(None) };
                let timeout = TIMEOUT.as_secs().to_string();
                let protocols = ["--proto", "=http,https"];
                // The URL often holds a secret, and every user can read arguments: it goes by standard input.
                let args = ["-q", "--silent", "--fail", "--max-time", &timeout];
                let args = [args.as_slice(), &protocols, &["--config", "-"]].concat();
                self.host.start("curl", &args, score, curl_config(url, json).as_bytes()).map(Some)
            }
        }
    }
}

/// A configuration for curl(1) `--config`: one option per line.
fn curl_config(url: &str, json: &str) -> String {
    format!(
        "url = {}\nheader = \"Content-Type: application/json\"\ndata-raw = {}\n",
        curl_quoted(url),
        curl_quoted(json)
    )
}

fn curl_quoted(text: &str) -> String {
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
    fn curl_config_escapes_quotes_and_line_ends() {
        let config = curl_config("https://a/?b=\"", "{\"a\":\"\\\"\"}\nurl = evil");
        assert_eq!(
            config,
            "url = \"https://a/?b=\\\"\"\nheader = \"Content-Type: application/json\"\n\
             data-raw = \"{\\\"a\\\":\\\"\\\\\\\"\\\"} url = evil\"\n"
        );
    }
}
