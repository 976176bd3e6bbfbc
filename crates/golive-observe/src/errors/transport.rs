//! The one point where error reports leave the process. Whatever the SDK hands over, of whatever kind, is scrubbed
//! here as a whole, and only then goes to the endpoint, the journal and the alerts. Nothing may go around it.

use std::sync::Arc;
use std::time::Duration;

use sentry::protocol::Envelope as SdkEnvelope;
use sentry::{Transport, TransportFactory, TransportOptions};
use serde_json::{Value, json};

use super::delivery::Endpoint;
use super::journal::{ErrorEntry, Journal};
use crate::alerts::Alerter;
use crate::envelope::{self, EnvelopeEvent};
use crate::metrics::metrics;
use crate::scrub::Scrubber;

/// Where error reports go.
#[derive(Clone)]
pub(crate) struct Destinations {
    pub(crate) scrubber: Scrubber,
    pub(crate) journal: Option<Arc<Journal>>,
    pub(crate) alerter: Option<Arc<Alerter>>,
    pub(crate) endpoint: Option<Arc<Endpoint>>,
}

impl Destinations {
    pub(crate) fn any(&self) -> bool {
        self.endpoint.is_some() || self.journal.is_some() || self.alerter.is_some()
    }
}

impl TransportFactory for Destinations {
    fn create_transport_with_options(&self, _options: TransportOptions) -> Arc<dyn Transport> {
        Arc::new(ScrubbingTransport { destinations: self.clone() })
    }
}

struct ScrubbingTransport {
    destinations: Destinations,
}

impl Transport for ScrubbingTransport {
    fn send_envelope(&self, envelope: SdkEnvelope) {
        let mut raw = Vec::new();
        let scrubbed = envelope
            .to_writer(&mut raw)
            .ok()
            .and_then(|()| scrub_envelope(&raw, &self.destinations.scrubber));
        let Some(scrubbed) = scrubbed else {
            // What cannot be scrubbed does not leave.
            metrics().count_lost_error("scrub");
            return;
        };
        for event in scrubbed.events {
            let entry = ErrorEntry::from_event(&event);
            if let Some(journal) = &self.destinations.journal
                && journal.append(&entry).is_err()
            {
                metrics().count_lost_error("journal");
            }
            if let Some(alerter) = &self.destinations.alerter {
                alerter.error(&entry);
            }
        }
        if let Some(endpoint) = &self.destinations.endpoint {
            endpoint.send(scrubbed.bytes);
        }
    }

    fn flush(&self, timeout: Duration) -> bool {
        self.destinations.endpoint.as_ref().is_none_or(|endpoint| endpoint.flush(timeout))
    }

    fn shutdown(&self, timeout: Duration) -> bool {
        self.flush(timeout)
    }
}

pub(super) struct Scrubbed {
    pub(super) bytes: Vec<u8>,
    events: Vec<EnvelopeEvent>,
}

/// The envelope with every JSON payload scrubbed; what is no JSON (attachments) is left out.
pub(super) fn scrub_envelope(raw: &[u8], scrubber: &Scrubber) -> Option<Scrubbed> {
    let parts = envelope::split(raw).ok()?;
    // Of the header only what the protocol needs: the rest (address, trace state) may carry names and keys.
    let mut header = json!({});
    for name in ["event_id", "sent_at", "sdk"] {
        if let Some(value) = parts.header.get(name) {
            header[name] = value.clone();
        }
    }
    let mut bytes = serde_json::to_vec(&header).ok()?;
    let mut events = Vec::new();
    for item in parts.items {
        let Ok(mut document) = serde_json::from_slice::<Value>(item.payload) else { continue };
        scrubber.scrub_json(&mut document);
        let payload = serde_json::to_vec(&document).ok()?;
        let mut item_header = item.header;
        item_header["length"] = payload.len().into();
        bytes.push(b'\n');
        bytes.extend(serde_json::to_vec(&item_header).ok()?);
        bytes.push(b'\n');
        bytes.extend(payload);
        if item_header["type"] == "event" {
            events.push(EnvelopeEvent::from_document(document));
        }
    }
    bytes.push(b'\n');
    Some(Scrubbed { bytes, events })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_item_is_scrubbed_and_attachments_stay_here() {
        let transaction = r#"{"spans":[{"data":{"password":"PLANTED"}}],"user":"token=PLANTED"}"#;
        let event = r#"{"message":"Bearer PLANTED0 refused","extra":{"api_key":["PLANTED"]}}"#;
        let raw = format!(
            "{{\"event_id\":\"1\",\"dsn\":\"https://PLANTED@h/1\"}}\n{{\"type\":\"transaction\"}}\n{transaction}\n\
             {{\"type\":\"attachment\",\"length\":8}}\nPLANTED!\n{{\"type\":\"event\"}}\n{event}\n"
        );
        let scrubbed = scrub_envelope(raw.as_bytes(), &Scrubber::new()).unwrap();
        let text = String::from_utf8(scrubbed.bytes).unwrap();
        assert!(!text.contains("PLANTED"), "{text}");
        assert_eq!(envelope::split(text.as_bytes()).unwrap().items.len(), 2);
        assert_eq!(scrubbed.events.len(), 1);
    }
}
