//! The line of an answered request in JSON: what is the same in every one is written beforehand, the rest straight behind
//! it. It must be, byte for byte, what `line` makes of the same request; a test of `layer` compares them. Nothing is
//! scrubbed here: what comes in has been.

use std::time::SystemTime;

use tracing::Level;

use super::{Answer, Form, member, text};
use crate::clock;
use crate::context::{Identity, RequestContext};

/// Room that most lines fit in, taken at once.
const USUAL_LINE_BYTES: usize = 768;

/// The lines of one level and message.
pub(crate) struct AnsweredForm {
    /// From the end of the timestamp to the beginning of the request's id.
    head: Vec<u8>,
}

impl AnsweredForm {
    /// Nothing where lines are written for people.
    pub(crate) fn new(form: &Form, level: Level, target: &str, message: &str) -> Option<Self> {
        let mut head = b"\"".to_vec();
        member(&mut head, "level", level.as_str());
        member(&mut head, "target", target);
        member(&mut head, "message", message);
        head.extend_from_slice(&form.origin);
        head.extend_from_slice(b",\"request_id\":\"");
        (!form.is_human).then_some(Self { head })
    }

    /// Appends the line and its end.
    pub(crate) fn write(
        &self,
        moment: SystemTime,
        (request, identity): (&RequestContext, &Identity),
        answer: Answer,
        out: &mut Vec<u8>,
    ) {
        out.reserve(USUAL_LINE_BYTES);
        out.extend_from_slice(b"{\"timestamp\":\"");
        clock::write_rfc3339(moment, out);
        out.extend_from_slice(&self.head);
        // Both ids are letters, digits, `-` and `_`: there is nothing to escape.
        out.extend_from_slice(request.request_id.as_bytes());
        out.extend_from_slice(b"\",\"trace_id\":\"");
        out.extend_from_slice(request.trace.trace_id.as_bytes());
        out.push(b'"');
        for (name, id) in [("client_id", &identity.client_id), ("user_id", &identity.user_id)] {
            if let Some(id) = id {
                member(out, name, id);
            }
        }
        let mut number = itoa::Buffer::new();
        let status = number.format(answer.status).as_bytes();
        out.extend_from_slice(b",\"span\":\"request\",\"fields\":{\"status\":");
        out.extend_from_slice(status);
        out.extend_from_slice(b",\"duration_ms\":");
        answer.write_milliseconds(out);
        out.extend_from_slice(b"},\"span_fields\":{\"http.request.method\":\"");
        out.extend_from_slice(request.method.as_bytes());
        out.extend_from_slice(b"\",\"http.route\":");
        text(out, &request.route);
        out.extend_from_slice(b",\"http.response.status_code\":");
        out.extend_from_slice(status);
        out.extend_from_slice(b"}}\n");
    }
}
