//! What `load run` looks at beside the load: the database server's connections and the application's own metrics.
//!
//! Not here: what a metric means.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use golive::{Config, Setting};
use golive_load::{GENERATOR_MEMORY, LoadPlan, Sampler};
use golive_observe::parse_metrics_text;
use url::Url;

use crate::commands::support;
use crate::exit::Failure;

/// `None` where nothing is to be looked at.
pub(super) fn sampler(
    config: &Config,
    plan: &LoadPlan,
    database: Option<&str>,
) -> std::result::Result<Option<Sampler>, Failure> {
    let mut samplers = Vec::new();
    if let Some(given) = database {
        let url = support::resolve(&Setting::from(given.to_owned()), &config.directory)?;
        samplers.push(golive_load::watch_server(&url).map_err(Failure::usage)?);
    }
    let names = config.load.as_ref().map(|load| load.watch_metrics.clone()).unwrap_or_default();
    if !names.is_empty() {
        samplers.push(metrics(config, &plan.base_url, names)?);
    }
    if plan.steady.iter().any(|name| name == GENERATOR_MEMORY) {
        samplers.push(golive_load::watch_own_memory());
    }
    Ok(golive_load::watch_all(samplers))
}

fn metrics(config: &Config, base: &Url, names: Vec<String>) -> std::result::Result<Sampler, Failure> {
    let path = config.http.metrics.as_deref();
    let path =
        path.ok_or_else(|| Failure::usage("find the metrics of `watch_metrics`: give `metrics` in [http]"))?;
    let base = match &config.http.management_url {
        Some(text) => Url::parse(text)
            .map_err(|_| Failure::usage("read `management_url` in [http]: it is no address"))?,
        None => base.clone(),
    };
    let url = base.join(path).map_err(|_| Failure::usage("read `metrics` in [http]: it is no path"))?;
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(1))
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(Failure::reach)?;
    let names: Arc<[String]> = names.into();
    Ok(Box::new(move || {
        let (client, url, names) = (client.clone(), url.clone(), Arc::clone(&names));
        Box::pin(async move { scrape(&client, url, &names).await.unwrap_or_default() })
    }))
}

async fn scrape(client: &reqwest::Client, url: Url, names: &[String]) -> Option<BTreeMap<String, f64>> {
    let mut response = client.get(url).send().await.ok()?.error_for_status().ok()?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_BYTES {
            return None;
        }
    }
    Some(chosen(std::str::from_utf8(&body).ok()?, names))
}

/// The named ones, each summed over its labels.
fn chosen(text: &str, names: &[String]) -> BTreeMap<String, f64> {
    let mut found = BTreeMap::new();
    for sample in parse_metrics_text(text).unwrap_or_default() {
        if names.contains(&sample.name) {
            *found.entry(sample.name).or_default() += sample.value;
        }
    }
    found
}

const MAX_BYTES: usize = 8 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_metrics_are_summed_over_their_labels_and_others_left() {
        let text = "# HELP a x\na{pool=\"1\"} 2\na{pool=\"2\"} 3\nb 7\n";
        let found = chosen(text, &["a".to_owned(), "c".to_owned()]);
        assert_eq!(found, BTreeMap::from([("a".to_owned(), 5.0)]));
        assert!(chosen("no metrics {", &["a".to_owned()]).is_empty());
    }
}
