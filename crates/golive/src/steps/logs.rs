//! 3.2: what the application logs is one JSON object a line, and says which request, client and user it was.

use async_trait::async_trait;
use golive_observe::check_log_line;

use super::session;
use super::team::{member_with_role, team};
use crate::context::Context;
use crate::step::{About, Doing, Plan, Proof, Step, StepError, Witness};

pub(crate) struct Logs;

#[async_trait]
impl Step for Logs {
    fn about(&self) -> About {
        About::new("logs", 3, "Find a request in the JSON log, with its client and user")
            .checklist(&["3.2"])
            .after(&["team"])
    }

    async fn plan(&self, _context: &Context) -> Result<Plan, StepError> {
        Ok(Plan::line("send a request as an operator, find its lines in the log"))
    }

    async fn prove(&self, context: &Context) -> Result<Proof, StepError> {
        let endpoint = context.application().await?;
        let member = member_with_role(context, &team(context)?.operator_role)?;
        let token = session::sign_in(context, &endpoint, &member.username).await?;
        let mut request = context.request(&context.config.journeys.authenticated)?.clone();
        let id = uuid::Uuid::new_v4().to_string();
        request.headers.insert("x-request-id".to_owned(), id.clone());
        let answer = endpoint
            .send(&request, &session::values(context), Some(&token))
            .await
            .doing("send a request to be logged")?;
        let echoed =
            answer.headers.get("x-request-id").and_then(|value| value.to_str().ok()) == Some(id.as_str());
        let mut seen = Witness::new(context.logs().display().to_string(), context.now());
        let lines = wait_for_lines(context, &id).await?;
        if lines.is_empty() {
            seen.could_not("the request's id is in no log that golive can read");
            return Ok(seen.done());
        }
        let complete = lines.iter().filter(|line| check_log_line(line).is_ok()).count();
        seen.saw("logs.request_id_returned", echoed)
            .saw("logs.lines", lines.len())
            .saw("logs.complete_lines", complete);
        if complete == 0 {
            let why = lines.iter().filter_map(|line| check_log_line(line).err()).next();
            seen.finds(format!(
                "no line of the request is complete: {}",
                why.map(|why| why.to_string()).unwrap_or_default()
            ));
        }
        if !echoed {
            seen.finds("the request id is not in the answer");
        }
        Ok(seen.done())
    }
}

/// The log is written behind the request's back: its lines may come a moment later.
async fn wait_for_lines(context: &Context, id: &str) -> Result<Vec<String>, StepError> {
    for _ in 0..100 {
        let lines = find_lines(context, id).doing("read the application's log")?;
        if !lines.is_empty() {
            return Ok(lines);
        }
        tokio::time::sleep(std::time::Duration::from_millis(30)).await;
    }
    Ok(Vec::new())
}

fn find_lines(context: &Context, id: &str) -> std::io::Result<Vec<String>> {
    let mut lines = Vec::new();
    let folder = context.logs();
    if !folder.exists() {
        return Ok(lines);
    }
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_file() {
            let text = String::from_utf8_lossy(&std::fs::read(path)?).into_owned();
            lines.extend(text.lines().filter(|line| line.contains(id)).map(str::to_owned));
        }
    }
    Ok(lines)
}
