//! One call of a tool while it runs: what the tool may use, and progress reports to the client.

use std::sync::Arc;

use oomguard_fleet::failure::Failure;
use oomguard_fleet::job::{Job, NamedPolicy, Task};
use oomguard_fleet::session::{Event, Reply};
use oomguard_fleet::ssh::Connection;
use oomguard_spec::{Builtin, Document, Style};
use rmcp::model::ProgressNotificationParam;
use rmcp::service::{RequestContext, RoleServer};
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use crate::Config;
use crate::approval::StoredPlan;
use crate::error::ToolError;
use crate::hosts::SelectedHost;

/// Receives the events of a host while it works.
pub(crate) type Progress = Arc<dyn Fn(Event) + Send + Sync>;

/// A call, on a thread that may block.
pub(crate) struct Call {
    pub config: Arc<Config>,
    /// The transport, and the name and version that the client states.
    pub client: String,
    pub progress: Progress,
    pub runtime: Handle,
}

impl Call {
    /// Reads the document that an argument names.
    pub fn document(&self, path: Option<&str>) -> Result<Option<Document>, ToolError> {
        let Some(path) = path else { return Ok(None) };
        match self.config.folders.document(path)? {
            Ok(document) => Ok(Some(document)),
            Err(rejected) => Err(ToolError::new(rejected.render(Style::Plain))),
        }
    }

    /// The host and policy that a call is about.
    pub fn target(
        &self,
        host: Option<&str>,
        role: Option<&str>,
        document: Option<&str>,
        default: Builtin,
    ) -> Result<(SelectedHost, NamedPolicy), ToolError> {
        let host = self.config.hosts.select(host)?;
        let document = self.document(document)?;
        let policy = self.config.hosts.policy(&host, role, document.as_ref(), default)?;
        Ok((host, policy))
    }

    /// Runs a job on a host and returns its reply.
    pub fn ask(&self, host: &SelectedHost, job: &Job) -> Result<Reply, ToolError> {
        let (reply, failure) = self.exchange(host, job, Connection::Single, &self.progress);
        match failure {
            None => Ok(reply),
            Some(failure) => Err(ToolError::of_host(&host.name(), &failure)),
        }
    }

    /// Runs a job on a host; the reply has what arrived before a failure.
    pub fn exchange(
        &self,
        host: &SelectedHost,
        job: &Job,
        connection: Connection,
        progress: &Progress,
    ) -> (Reply, Option<Failure>) {
        self.runtime.block_on(self.config.hosts.ask(host, job, connection, progress.as_ref()))
    }

    /// The job that executes an approved plan. The host's journal stores who requested it.
    pub fn approved_job(&self, task: Task, plan: &StoredPlan) -> Job {
        // The client's own words come last, as they may be anything.
        let by = format!("MCP tool {}, plan {}, client {}", plan.kind.tool(), plan.id, self.client);
        Job::new(task, plan.policy.clone()).expecting(&plan.digest).by(by)
    }
}

/// Sends progress notifications if the client asked for them. The task ends when the last `Progress` is dropped.
pub(crate) fn progress(context: &RequestContext<RoleServer>) -> (Progress, Option<JoinHandle<()>>) {
    let Some(token) = context.meta.get_progress_token() else { return (Arc::new(|_| {}), None) };
    let peer = context.peer.clone();
    let (send, mut events): (UnboundedSender<Event>, UnboundedReceiver<Event>) = unbounded_channel();
    let notifications = tokio::spawn(async move {
        let mut number = 0.0;
        while let Some(event) = events.recv().await {
            number += 1.0;
            let param = ProgressNotificationParam::new(token.clone(), number).with_message(message(event));
            if peer.notify_progress(param).await.is_err() {
                return;
            }
        }
    });
    (Arc::new(move |event| drop(send.send(event))), Some(notifications))
}

fn message(event: Event) -> String {
    match event {
        Event::Step { number, total, step, .. } => {
            format!("[{number}/{total}] {}", crate::fit::escaped(&step))
        }
        Event::Setup(said) => format!("{}. {}", said.step.number(), said.step.title()),
        Event::Asked => "waiting for the host".to_owned(),
        Event::Pushes { bytes } => format!("copying oomguard to the host ({bytes} bytes)"),
        Event::Health => "checking the host after the change".to_owned(),
    }
}
