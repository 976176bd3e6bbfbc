//! The report of a run as a file, in every form, and its evidence, signed; of the newest run, or of one of the past by name.
//!
//! Not here: rendering it (golive-gate), and what a bundle of evidence is (golive).

use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use golive_gate::Report;
use serde::Deserialize;

use super::problem;
use crate::access::Visitor;
use crate::clock;
use crate::router::Site;

#[derive(Deserialize)]
pub(crate) struct Asked {
    run: Option<String>,
}

/// The evidence of a run as one signed file. The folder's own key signs, and is made the first time.
pub(crate) async fn bundle(
    State(site): State<Site>,
    Extension(visitor): Extension<Visitor>,
    Query(asked): Query<Asked>,
) -> Response {
    let past = site.looker.past().await.unwrap_or_default();
    // A name is looked up among the runs that there are; it is never a path.
    let wanted = |run: &golive::PastRun| asked.run.as_ref().is_none_or(|name| *name == run.run);
    let Some((kind, run)) = past.iter().find(|(_, run)| wanted(run)) else {
        return problem(&site, &visitor, StatusCode::NOT_FOUND, "problem-no-report");
    };
    let who = visitor.session.as_ref().map_or("nobody", |session| session.name.as_str());
    if site.access.audit().record(who, "take evidence", &run.run, clock::now()).await.is_err() {
        return problem(&site, &visitor, StatusCode::SERVICE_UNAVAILABLE, "problem-audit");
    }
    let base = site.options.base.clone();
    let folder = base.join(kind.folder()).join(&run.run);
    let made = tokio::task::spawn_blocking(move || {
        let key = golive::EvidenceKey::read_or_make(&base.join(golive::EVIDENCE_KEY));
        let key = key.map_err(|error| golive::error_chain(&error))?;
        golive::bundle(&folder, &key, clock::now()).map_err(|error| golive::error_chain(&error))
    });
    match made.await {
        Ok(Ok(bytes)) => {
            let name = HeaderValue::from_str(&format!("attachment; filename=\"golive-{}.tar\"", run.run));
            let name =
                name.unwrap_or(HeaderValue::from_static("attachment; filename=\"golive-evidence.tar\""));
            let kind = HeaderValue::from_static("application/x-tar");
            ([(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, name)], bytes).into_response()
        }
        Ok(Err(why)) => {
            tracing::warn!(why, "no bundle of evidence could be made");
            problem(&site, &visitor, StatusCode::CONFLICT, "problem-no-bundle")
        }
        Err(_) => problem(&site, &visitor, StatusCode::INTERNAL_SERVER_ERROR, "problem-no-bundle"),
    }
}

pub(crate) async fn download(
    State(site): State<Site>,
    Extension(visitor): Extension<Visitor>,
    Path(file): Path<String>,
    Query(asked): Query<Asked>,
) -> Response {
    let (kind, render): (&'static str, fn(&Report) -> String) = match file.as_str() {
        "report.html" => ("text/html; charset=utf-8", golive_gate::to_html),
        "report.json" => ("application/json", golive_gate::to_json),
        "report.xml" => ("application/xml", golive_gate::to_junit),
        "report.md" => ("text/markdown; charset=utf-8", golive_gate::to_markdown),
        _ => return problem(&site, &visitor, StatusCode::NOT_FOUND, "problem-missing"),
    };
    let text = match asked.run {
        // A name is looked up among the runs that there are; it is never a path.
        Some(run) => {
            let past = site.looker.past().await.unwrap_or_default();
            past.iter().find(|(_, past)| past.run == run).map(|(_, past)| render(&past.report))
        }
        None => {
            let seeing = site.looker.look().await;
            seeing.run().filter(|look| look.is_final).map(|look| render(&look.report))
        }
    };
    let Some(text) = text else {
        return problem(&site, &visitor, StatusCode::NOT_FOUND, "problem-no-report");
    };
    let name = HeaderValue::from_str(&format!("attachment; filename=\"golive-{file}\""));
    let name = name.expect("one of four names");
    // As a file, not as a page: the HTML report brings its style along, which no page of the console may.
    ([(header::CONTENT_TYPE, HeaderValue::from_static(kind)), (header::CONTENT_DISPOSITION, name)], text)
        .into_response()
}
