//! Pushes traces and metrics to an OpenTelemetry collector over HTTP. Spans are scrubbed here, because they leave the
//! process without passing the log or the error transport.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::{Array, KeyValue, StringValue, Value};
use opentelemetry_otlp::{MetricExporter, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter as ExportSpans};
use opentelemetry_sdk::{Resource, metrics::MeterProviderBuilder};
use url::Url;

use crate::sampling::TraceSampling;
use crate::scrub::Scrubber;

/// Longest that one export may take.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// Whether anybody is told of spans. Where nobody is, the span of a request carries its context and nothing else.
static IS_EXPORTING: AtomicBool = AtomicBool::new(false);

/// Are spans exported in this process?
#[cfg(feature = "axum")]
pub(crate) fn is_exporting() -> bool {
    IS_EXPORTING.load(Ordering::Relaxed)
}

/// Said once, before there is any span.
pub(crate) fn say_whether_exporting(is_exporting: bool) {
    IS_EXPORTING.store(is_exporting, Ordering::Relaxed);
}

/// Why traces cannot be exported.
#[derive(Debug, thiserror::Error)]
#[error("build the OpenTelemetry exporter: {0}")]
pub(crate) struct ExporterError(String);

/// The providers that push to `endpoint`.
pub(crate) fn providers(
    endpoint: &Url,
    sampling: TraceSampling,
    resource: &Resource,
    scrubber: &Scrubber,
) -> Result<(SdkTracerProvider, MeterProviderBuilder), ExporterError> {
    let base = endpoint.as_str().trim_end_matches('/');
    let client = blocking_client()?;
    let spans = SpanExporter::builder()
        .with_http()
        .with_http_client(client.clone())
        .with_endpoint(format!("{base}/v1/traces"))
        .with_timeout(EXPORT_TIMEOUT)
        .build()
        .map_err(|error| ExporterError(error.to_string()))?;
    let numbers = MetricExporter::builder()
        .with_http()
        .with_http_client(client)
        .with_endpoint(format!("{base}/v1/metrics"))
        .with_timeout(EXPORT_TIMEOUT)
        .build()
        .map_err(|error| ExporterError(error.to_string()))?;
    let tracer = SdkTracerProvider::builder()
        .with_resource(resource.clone())
        .with_sampler(sampling.sampler())
        .with_batch_exporter(ScrubbingExporter { inner: spans, scrubber: scrubber.clone() })
        .build();
    let meter = SdkMeterProvider::builder().with_resource(resource.clone()).with_periodic_exporter(numbers);
    Ok((tracer, meter))
}

/// A blocking client, because exports run on plain threads. Built on a thread of its own: building one inside an
/// asynchronous runtime is not allowed.
fn blocking_client() -> Result<reqwest::blocking::Client, ExporterError> {
    let build = || reqwest::blocking::Client::builder().timeout(EXPORT_TIMEOUT).build();
    let built = std::thread::spawn(build).join().map_err(|_| ExporterError("no HTTP client".to_owned()))?;
    built.map_err(|error| ExporterError(error.to_string()))
}

/// Scrubs every attribute before it hands spans on.
#[derive(Debug)]
struct ScrubbingExporter {
    inner: SpanExporter,
    scrubber: Scrubber,
}

impl ExportSpans for ScrubbingExporter {
    async fn export(&self, mut batch: Vec<SpanData>) -> OTelSdkResult {
        for span in &mut batch {
            scrub_span(span, &self.scrubber);
        }
        self.inner.export(batch).await
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

fn scrub_span(span: &mut SpanData, scrubber: &Scrubber) {
    span.attributes.iter_mut().for_each(|attribute| scrub_attribute(attribute, scrubber));
    for event in &mut span.events.events {
        event.name = scrubber.scrub(&event.name).into_owned().into();
        event.attributes.iter_mut().for_each(|attribute| scrub_attribute(attribute, scrubber));
    }
    if let opentelemetry::trace::Status::Error { description } = &mut span.status {
        *description = scrubber.scrub(description).into_owned().into();
    }
}

fn scrub_attribute(attribute: &mut KeyValue, scrubber: &Scrubber) {
    let name = attribute.key.as_str().to_owned();
    let clean = |text: &str| StringValue::from(scrubber.scrub_field(&name, text).into_owned());
    match &mut attribute.value {
        Value::String(text) => *text = clean(text.as_str()),
        Value::Array(Array::String(texts)) => texts.iter_mut().for_each(|text| *text = clean(text.as_str())),
        other => {
            let text = other.to_string();
            let cleaned = clean(&text);
            if cleaned.as_str() != text {
                *other = Value::String(cleaned);
            }
        }
    }
}
