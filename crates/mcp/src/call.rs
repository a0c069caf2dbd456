//! A call while it is worked on: who made it, and who is told how far it is.

use std::sync::Arc;

use oomguard_fleet::contact::Event;
use oomguard_fleet::job::Job;
use rmcp::model::ProgressNotificationParam;
use rmcp::service::{RequestContext, RoleServer};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use crate::grant::Waiting;

/// Is told what happens.
pub type Tell = Arc<dyn Fn(Event) + Send + Sync>;

/// A call.
pub(crate) struct Call {
    /// Who: `stdio` or `http`, and what the client calls itself.
    pub caller: String,
    /// Is told how far it is.
    pub tell: Tell,
}

impl Call {
    /// The job of a plan that was granted. The journals of the host keep who asked for it.
    pub fn asks(&self, job: Job, plan: &Waiting) -> Job {
        // What the client says of itself comes last: it can say anything.
        let who = format!("MCP tool {}, plan {}, client {}", plan.kind.tool(), plan.id, self.caller);
        job.expecting(&plan.digest).by(who)
    }
}

/// Tells the client of each step, when it has asked to be told. The task ends when nobody has anything to tell any more.
pub(crate) fn progress(context: &RequestContext<RoleServer>) -> (Tell, Option<JoinHandle<()>>) {
    let Some(token) = context.meta.get_progress_token() else { return (Arc::new(|_| {}), None) };
    let peer = context.peer.clone();
    let (send, mut heard): (UnboundedSender<Event>, UnboundedReceiver<Event>) = unbounded_channel();
    let telling = tokio::spawn(async move {
        let mut number = 0.0;
        while let Some(event) = heard.recv().await {
            number += 1.0;
            let told = ProgressNotificationParam::new(token.clone(), number).with_message(words(event));
            if peer.notify_progress(told).await.is_err() {
                return;
            }
        }
    });
    (Arc::new(move |event| drop(send.send(event))), Some(telling))
}

fn words(event: Event) -> String {
    match event {
        Event::Step { number, total, step, .. } => format!("[{number}/{total}] {}", crate::safe::text(&step)),
        Event::Setup(said) => format!("{}. {}", said.step.number(), said.step.title()),
        Event::Asked => "the host is asked".to_owned(),
        Event::Pushes { bytes } => format!("the program is sent there ({bytes} bytes)"),
        Event::Health => "the host is looked at again".to_owned(),
    }
}
