//! The report of a run as a file, in every form; of the newest run, or of one of the past by name.
//!
//! Not here: rendering it (golive-gate).

use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use golive_gate::Report;
use serde::Deserialize;

use super::problem;
use crate::access::Visitor;
use crate::router::Site;

#[derive(Deserialize)]
pub(crate) struct Asked {
    run: Option<String>,
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
