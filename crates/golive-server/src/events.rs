//! The live view: a stream that says when what is shown has changed. A browser that comes back says what it saw last, and hears
//! of it only if that is no longer so.
//!
//! Not here: what changed. The page is asked for again, so that it is made in one place.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;

use crate::access::Visitor;
use crate::look::{Seeing, Seen, state_word};
use crate::pages::problem;
use crate::router::Site;

/// The stream of one watcher.
pub(crate) async fn watch(
    State(site): State<Site>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
) -> Response {
    let Ok(place) = Arc::clone(&site.watchers).try_acquire_owned() else {
        let mut response = problem(&site, &visitor, StatusCode::SERVICE_UNAVAILABLE, "problem-watchers");
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("15"));
        return response;
    };
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
    let watcher = Watcher { site, headers, last, told: None, since: Instant::now(), _place: place };
    let events = stream::unfold(watcher, |mut watcher| async move {
        let event = watcher.next().await?;
        Some((Ok::<_, Infallible>(event), watcher))
    });
    let mut response = Sse::new(events).into_response();
    // A proxy that collects an answer before it passes it on would show nothing live.
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

struct Watcher {
    site: Site,
    /// With the session, which is asked after at every turn: a stream ends with it.
    headers: HeaderMap,
    last: Option<String>,
    told: Option<Instant>,
    since: Instant,
    _place: OwnedSemaphorePermit,
}

impl Watcher {
    /// The next thing to say; nothing when the stream is over, and the browser then comes again.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if self.since.elapsed() > self.site.options.limits.watch {
                return None;
            }
            self.site.access.session(&self.headers)?;
            let seeing = self.site.looker.look().await;
            let version = self.site.version(&seeing);
            if self.last.as_ref() != Some(&version) {
                self.last = Some(version.clone());
                self.told = Some(Instant::now());
                return Some(state(&seeing, &version));
            }
            // At once to whoever has seen it all before: that the stream stands is news too.
            if self.told.is_none_or(|told| told.elapsed() >= BEAT) {
                self.told = Some(Instant::now());
                return Some(Event::default().event("beat").data(seeing.at.to_rfc3339()));
            }
            tokio::time::sleep(pause(self.site.watching())).await;
        }
    }
}

fn state(seeing: &Seeing, version: &str) -> Event {
    let (run, state) = match &*seeing.seen {
        Seen::Nothing => (None, "nothing"),
        Seen::Unreadable(_) => (None, "unreadable"),
        Seen::Run(look) => (Some(look.standing.run.clone()), state_word(look.standing.state)),
    };
    let data = json!({ "version": version, "run": run, "state": state, "at": seeing.at });
    Event::default().event("state").id(version).retry(RETRY).data(data.to_string())
}

/// How long one of so many waits before it looks again. A few hear of everything at once; a crowd hears a little later, so that
/// all who watch cost the run no more than some dozens of pages a second, however many they are.
fn pause(watching: usize) -> Duration {
    let shared = SHARE.saturating_mul(u32::try_from(watching).unwrap_or(u32::MAX));
    shared.clamp(LOOK_EVERY, BEAT)
}

const LOOK_EVERY: Duration = Duration::from_millis(400);
/// What each of a crowd adds: two hundred look every three seconds.
const SHARE: Duration = Duration::from_millis(15);
/// The script takes three missed beats for a broken line.
const BEAT: Duration = Duration::from_secs(5);
/// How long a browser waits before it comes again.
const RETRY: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_looks_no_more_often_than_a_few_do_together() {
        assert_eq!((pause(1), pause(26)), (LOOK_EVERY, LOOK_EVERY));
        assert_eq!(pause(200), Duration::from_secs(3));
        assert_eq!(pause(usize::MAX), BEAT, "beats go on");
    }
}
