//! Elicitation: a client that can ask the person is asked whether the plan has been approved, so that one call is
//! enough. A yes there approves nothing, since a program can say it as well as a person can.

use std::time::Duration;

use rmcp::model::{
    ClientResult, ElicitRequest, ElicitRequestParams, ElicitationAction, ElicitationSchema, InputRequest,
    InputRequiredResult, InputResponses, ProtocolVersion, ServerRequest,
};
use rmcp::service::{RequestContext, RoleServer};
use serde_json::{Map, Value};

use crate::Config;
use crate::approval;

/// The name of the question in an input-required result.
const KEY: &str = "approval";

/// What the person answered.
pub(crate) enum Answer {
    /// The call continues. The approval is checked afterwards in any case.
    Continue,
    /// The client asks the person and calls again with the answer.
    Pending(InputRequiredResult),
    Declined,
    /// The client cancelled the call while the person was asked.
    Cancelled,
}

/// The question for a call that has the right plan and digest, but no approval yet.
pub(crate) fn question(config: &Config, tool: &str, arguments: &Map<String, Value>) -> Option<String> {
    let field = |name: &str| arguments.get(name).and_then(Value::as_str);
    let (id, digest) = (field("plan_id")?, field("digest")?);
    let plan = approval::load(&config.state, id, (config.now)()).ok()?;
    let matches = plan.digest == digest && plan.kind.tool() == tool;
    if !matches || approval::exists(&config.state, id) {
        return None;
    }
    Some(format!(
        "{tool} on {} needs your approval. Run this command in a shell on the machine of the server; it shows the plan and asks \
         for confirmation:\n\n{}\n\nThen accept here. Accepting without running the command approves nothing.",
        plan.host,
        approval::command(&config.state, id)
    ))
}

/// Asks the person, if the client supports it.
pub(crate) async fn ask(
    context: &RequestContext<RoleServer>,
    answers: Option<&InputResponses>,
    has_back_channel: bool,
    question: impl FnOnce() -> Option<String>,
) -> Answer {
    if let Some(answer) = answers.and_then(|answers| answers.get(KEY)) {
        let action = answer.get("action").and_then(Value::as_str);
        return if action == Some("accept") { Answer::Continue } else { Answer::Declined };
    }
    if !can_ask(context) {
        return Answer::Continue;
    }
    let Some(question) = question() else { return Answer::Continue };
    // A form without fields: the person can only accept or decline.
    let request = ElicitRequest::new(ElicitRequestParams::FormElicitationParams {
        meta: None,
        message: question,
        requested_schema: ElicitationSchema::new(Default::default()),
    });
    let is_modern =
        context.protocol_version().is_some_and(|version| version >= ProtocolVersion::V_2026_07_28);
    if is_modern {
        let requests = [(KEY.to_owned(), InputRequest::Elicitation(request))];
        return Answer::Pending(InputRequiredResult::from_input_requests(requests.into()));
    }
    if !has_back_channel {
        return Answer::Continue;
    }
    let answer = context.peer.send_request(ServerRequest::ElicitRequest(request));
    // Without an answer the call continues as if the client could not ask.
    let answer = tokio::time::timeout(Duration::from_secs(approval::VALID_SECONDS), answer);
    tokio::select! {
        answer = answer => match answer {
            Ok(Ok(ClientResult::ElicitResult(result))) if result.action != ElicitationAction::Accept => {
                Answer::Declined
            }
            _ => Answer::Continue,
        },
        () = context.ct.cancelled() => Answer::Cancelled,
    }
}

fn can_ask(context: &RequestContext<RoleServer>) -> bool {
    let capability = context.client_capabilities().and_then(|all| all.elicitation);
    // Clients from before URL elicitation state the capability without naming a mode; they mean forms.
    capability.is_some_and(|can| can.form.is_some() || can.url.is_none())
}
