//! Asking the person through the client, where it can: whether the plan has been granted by now. It saves a second call, and
//! nothing else: a yes is no grant, since a program can say it as well as a person can.

use std::time::Duration;

use rmcp::model::{
    ClientResult, ElicitRequest, ElicitRequestParams, ElicitationAction, ElicitationSchema, InputRequest,
    InputRequiredResult, InputResponses, ProtocolVersion, ServerRequest,
};
use rmcp::service::{RequestContext, RoleServer};
use serde_json::{Map, Value};

use crate::Shared;
use crate::grant;
use crate::tools::Tool;

/// The name of the question among those of a result.
const KEY: &str = "grant";

/// What came of asking.
pub(crate) enum Asked {
    /// The call goes on; whether there is a grant is looked at after this, as ever.
    GoOn,
    /// The client asks the person, and calls again with the answer.
    Later(InputRequiredResult),
    /// The person says no.
    No,
    /// The client has given the call up.
    Gone,
}

impl Shared {
    /// What a person is asked when the plan of this call is as it should be, and nobody has granted it yet.
    pub(crate) fn question(&self, tool: &Tool, arguments: &Map<String, Value>) -> Option<String> {
        let field = |name: &str| arguments.get(name).and_then(Value::as_str);
        let (id, digest) = (field("plan_id")?, field("digest")?);
        let plan = grant::plan(&self.state, id, (self.now)()).ok()?;
        let is_it = plan.digest == digest && plan.kind.tool() == tool.name;
        if !is_it || grant::is_given(&self.state, id) {
            return None;
        }
        Some(format!(
            "{} on {} waits for a grant. Look at the plan and grant it in a shell on the machine of the server:\n\n{}\n\n\
             Then say yes here. A yes alone grants nothing.",
            tool.name,
            plan.host,
            grant::command(&self.state, id)
        ))
    }
}

/// Asks the person, when the client can.
pub(crate) async fn person(
    context: &RequestContext<RoleServer>,
    answers: Option<&InputResponses>,
    has_way_back: bool,
    question: impl FnOnce() -> Option<String>,
) -> Asked {
    if let Some(answer) = answers.and_then(|answers| answers.get(KEY)) {
        let action = answer.get("action").and_then(Value::as_str);
        return if action == Some("accept") { Asked::GoOn } else { Asked::No };
    }
    if !can_ask(context) {
        return Asked::GoOn;
    }
    let Some(question) = question() else { return Asked::GoOn };
    // Only a form with nothing to fill in: the answer is a yes or a no.
    let params = ElicitRequestParams::FormElicitationParams {
        meta: None,
        message: question,
        requested_schema: ElicitationSchema::new(Default::default()),
    };
    let request = ElicitRequest::new(params);
    let is_modern =
        context.protocol_version().is_some_and(|version| version >= ProtocolVersion::V_2026_07_28);
    if is_modern {
        let requests = [(KEY.to_owned(), InputRequest::Elicitation(request))];
        return Asked::Later(InputRequiredResult::from_input_requests(requests.into()));
    }
    if !has_way_back {
        return Asked::GoOn;
    }
    let answer = context.peer.send_request(ServerRequest::ElicitRequest(request));
    // Who does not answer has not granted it either, or has; the call goes on as if nobody had been asked.
    let answer = tokio::time::timeout(Duration::from_secs(grant::GOOD_FOR), answer);
    tokio::select! {
        answer = answer => match answer {
            Ok(Ok(ClientResult::ElicitResult(result))) if result.action != ElicitationAction::Accept => Asked::No,
            _ => Asked::GoOn,
        },
        () = context.ct.cancelled() => Asked::Gone,
    }
}

fn can_ask(context: &RequestContext<RoleServer>) -> bool {
    let capability = context.client_capabilities().and_then(|all| all.elicitation);
    // A capability without a word for the form is one from before there were others.
    capability.is_some_and(|can| can.form.is_some() || can.url.is_none())
}
