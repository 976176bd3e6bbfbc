//! The migration, one thing after the other: what the survey found and what is decided about it, the plan in full, the run as it goes,
//! its proof, and the switch. Each asks once before it changes anything. What is shown comes from golive.toml, the run's folder and
//! the last survey, so that it is the same after a reload, and after the console itself was gone.
//!
//! Not here: doing any of it (`acting`).

mod findings;
mod stages;

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use golive::migrate::Policy;

use super::act::{actor, confirmed, done, name, refused};
use super::{frame, problem};
use crate::access::{Fields, Visitor};
use crate::acting::{Actor, Choices, Refusal, Scope};
use crate::clock;
use crate::look::Kind;
use crate::router::Site;

/// The page.
pub(crate) async fn wizard(
    State(site): State<Site>,
    Extension(visitor): Extension<Visitor>,
    uri: axum::http::Uri,
) -> Response {
    let Some(actor) = actor(&site, &visitor) else { return refused(&site, &visitor) };
    let seeing = site.looker.look().await;
    let look = seeing.run().filter(|look| look.kind == Kind::Run);
    let (doing, failed) = actor.doing();
    let view = stages::View {
        site: &site,
        visitor: &visitor,
        actor,
        doing: &doing,
        failed: failed.as_deref(),
        found: actor.found(),
        look,
        filter: findings::Filter::of_query(uri.query()),
        now: clock::now(),
    };
    let body = stages::all(&view);
    (StatusCode::OK, frame(&site, &visitor, &visitor.words.t("page-wizard"), Some(&seeing), body))
        .into_response()
}

const PAGE: &str = "/migrate";

pub(crate) async fn survey(
    State(site): State<Site>,
    Extension(visitor): Extension<Visitor>,
    _checked: Fields,
) -> Response {
    done(&site, &visitor, PAGE, "survey the source", Actor::survey).await
}

/// Tries what was chosen; nothing is written by it.
pub(crate) async fn choose(
    State(site): State<Site>,
    Extension(visitor): Extension<Visitor>,
    fields: Fields,
) -> Response {
    let Some(actor) = actor(&site, &visitor) else { return refused(&site, &visitor) };
    let found = actor.found();
    let decided = |selector: &str| {
        let finding = found.as_ref().and_then(|found| found.surveyed.finding(selector));
        finding.and_then(|finding| finding.policy)
    };
    let chosen: Result<Choices, Refusal> = fields
        .starting(findings::FIELD)
        .map(|(selector, word)| Ok((selector.to_owned(), policy(word)?)))
        .filter(|choice| !matches!(choice, Ok((selector, policy)) if decided(selector) == *policy))
        .collect();
    if chosen.as_ref().is_ok_and(Choices::is_empty) {
        return problem(&site, &visitor, StatusCode::UNPROCESSABLE_ENTITY, "problem-nothing-chosen");
    }
    done(&site, &visitor, PAGE, "try decisions", |actor| actor.choose(chosen?)).await
}

/// A choice of the form; nothing chosen is no policy.
fn policy(word: &str) -> Result<Option<Policy>, Refusal> {
    match word {
        "" => Ok(None),
        word => word.parse().map(Some).map_err(|_| Refusal::NoChoice),
    }
}

pub(crate) async fn write(
    State(site): State<Site>,
    Extension(visitor): Extension<Visitor>,
    fields: Fields,
) -> Response {
    let proposal = fields.get("proposal").parse().unwrap_or(0);
    done(&site, &visitor, PAGE, "write decisions", |actor| actor.write(proposal)).await
}

pub(crate) async fn plan(
    State(site): State<Site>,
    Extension(visitor): Extension<Visitor>,
    _checked: Fields,
) -> Response {
    done(&site, &visitor, PAGE, "plan a migration", |actor| actor.plan(Scope::Migration)).await
}

pub(crate) async fn run(
    State(site): State<Site>,
    Extension(visitor): Extension<Visitor>,
    fields: Fields,
) -> Response {
    let (plan, by) = (fields.get("plan").parse().unwrap_or(0), name(&visitor));
    let start = |actor: &Arc<Actor>| actor.run(Scope::Migration, plan, &by);
    confirmed(&site, &visitor, PAGE, &fields, "start a migration", start).await
}

pub(crate) async fn resume(
    State(site): State<Site>,
    Extension(visitor): Extension<Visitor>,
    _checked: Fields,
) -> Response {
    let by = name(&visitor);
    done(&site, &visitor, PAGE, "resume a migration", |actor| actor.resume(Scope::Migration, &by)).await
}

pub(crate) async fn switch(
    State(site): State<Site>,
    Extension(visitor): Extension<Visitor>,
    fields: Fields,
) -> Response {
    if actor(&site, &visitor).is_none() {
        return refused(&site, &visitor);
    }
    // The form of a page that was open when something else ran is a form, too.
    let seeing = site.looker.look().await;
    if !stages::is_proven(seeing.run().filter(|look| look.kind == Kind::Run)) {
        return problem(&site, &visitor, StatusCode::CONFLICT, "problem-not-proven");
    }
    let by = name(&visitor);
    let switch = |actor: &Arc<Actor>| actor.resume(Scope::Switch, &by);
    confirmed(&site, &visitor, PAGE, &fields, "switch to MariaDB", switch).await
}

pub(crate) async fn end(
    State(site): State<Site>,
    Extension(visitor): Extension<Visitor>,
    _checked: Fields,
) -> Response {
    done(&site, &visitor, PAGE, "end a run", |actor| {
        actor.end();
        Ok(())
    })
    .await
}
