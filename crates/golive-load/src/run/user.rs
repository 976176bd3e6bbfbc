//! One virtual user: waits for its turn, signs in when it must, walks its journey, records how long each step took.
//!
//! What must not be here: totals over users, or the speaking of HTTP.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::header::HeaderValue;
use secrecy::ExposeSecret;
use tokio::time::Instant;

use crate::journey::{FeedOrder, Table};
use crate::measure::Tally;
use crate::plan::Scenario;
use crate::schedule::Schedule;
use crate::template::{Filling, Given, Random};

use super::exchange::{Answered, Ended, Outcome, exchange};
use super::http::Connection;
use super::jar::Jar;
use super::prepare::Prepared;
use super::session::{Session, bearer};
use super::{Shared, extract};

/// What the users of one scenario share.
pub(crate) struct Role {
    scenario: Scenario,
    steps: Vec<Prepared>,
    sign_in: Option<Prepared>,
    tables: Vec<Table>,
    /// `None` in the closed model.
    schedule: Option<Schedule>,
    /// When it begins; the schedule counts from here.
    begins: Instant,
    /// The next iteration of this part.
    turn: AtomicU64,
    tokens: Vec<HeaderValue>,
}

impl Role {
    /// `first_spot` is that of its first step. `Err` says what is wrong with the plan.
    pub(crate) fn new(first_spot: usize, scenario: &Scenario, shared: &Shared) -> Result<Self, String> {
        let target = &shared.target;
        let mut steps = vec![
            Prepared::new(first_spot, &scenario.request, &scenario.expect, target)?.taking(&scenario.extract),
        ];
        for (number, step) in scenario.then.iter().enumerate() {
            let mut prepared = Prepared::new(first_spot + 1 + number, &step.request, &step.expect, target)?
                .taking(&step.extract);
            prepared.think_time = step.think_time;
            steps.push(prepared);
        }
        let sign_in = scenario.sign_in.as_ref().map(|sign_in| {
            let mut taken = sign_in.extract.clone();
            taken.extend(sign_in.token.iter().map(|token| (TOKEN.to_owned(), token.clone())));
            let prepared =
                Prepared::new(first_spot + steps.len(), &sign_in.request, &sign_in.expect, target)?;
            let mut prepared = prepared.taking(&taken);
            prepared.keeps_body |= sign_in.expires_in.as_ref().is_some_and(extract::reads_body);
            Ok::<_, String>(prepared)
        });
        // Scenarios with a fixed number of iterations wait for the counted time.
        let warm = scenario.iterations.is_none() && scenario.start_after.is_zero();
        let begins = if warm { shared.began } else { shared.counted_from + scenario.start_after };
        let lead = shared.counted_from.saturating_duration_since(begins);
        let counted = shared.ends.saturating_duration_since(begins + lead);
        Ok(Self {
            sign_in: sign_in.transpose()?,
            steps,
            tables: scenario.data.iter().map(crate::journey::Feeder::table).collect::<Result<_, _>>()?,
            schedule: Schedule::of(scenario, lead, counted),
            begins,
            turn: AtomicU64::new(0),
            tokens: scenario.tokens.iter().filter_map(|token| bearer(token.expose_secret())).collect(),
            scenario: scenario.clone(),
        })
    }
}

pub(crate) struct User {
    shared: Arc<Shared>,
    role: Arc<Role>,
    /// Over all parts of the run.
    number: u32,
    random: Random,
    connection: Option<Connection>,
    jar: Jar,
    session: Session,
    /// Values of this journey's answers.
    taken: BTreeMap<String, String>,
    /// This iteration's row of each table.
    rows: Vec<usize>,
}

/// When a journey should start, and which one it is.
struct Turn {
    sequence: u64,
    intended: Instant,
}

/// When a request was meant for, and whether somebody waited for that moment.
#[derive(Clone, Copy)]
struct Meant {
    intended: Instant,
    waited: bool,
}

impl User {
    pub(crate) fn new(shared: Arc<Shared>, role: Arc<Role>, number: u32, seed: u64) -> Self {
        Self {
            shared,
            role,
            number,
            random: Random::new(seed),
            connection: None,
            jar: Jar::default(),
            session: Session::default(),
            taken: BTreeMap::new(),
            rows: Vec::new(),
        }
    }

    /// Lives until time, turns, budget or patience is over, or until the task is aborted.
    pub(crate) async fn live(mut self) {
        let role = Arc::clone(&self.role);
        let mut free_at = role.begins;
        if role.sign_in.is_some() {
            // Before its first turn, so that no arrival waits for it.
            wait_until(free_at).await;
            self.choose_rows(u64::from(self.number));
            self.sign_in_if_due().await;
        }
        while let Some(turn) = self.next_turn(free_at) {
            let waited = wait_until(turn.intended).await;
            let meant = Meant { intended: turn.intended, waited };
            if Instant::now() >= self.shared.gives_up {
                let unsent = Meant { waited: false, ..meant };
                self.remember(role.steps[0].spot, unsent, turn.intended, Outcome::error("not_sent", None));
                continue;
            }
            let Some(asked) = self.journey(&role, &turn, meant).await else { break };
            free_at = Instant::now() + self.varied(role.scenario.think_time).max(asked);
        }
    }

    fn next_turn(&self, free_at: Instant) -> Option<Turn> {
        let role = &self.role;
        if role.schedule.is_none() && free_at >= self.shared.ends {
            self.shared.reach_end();
            return None;
        }
        let part = self.shared.part;
        let sequence = role.turn.fetch_add(1, Ordering::Relaxed) * u64::from(part.of) + u64::from(part.index);
        if role.scenario.iterations.is_some_and(|limit| sequence >= limit) {
            return None;
        }
        let intended = match &role.schedule {
            // The schedule does not care who is free: a late request counts from when it should have gone out.
            Some(schedule) => role.begins + schedule.intended(sequence)?,
            None => free_at,
        };
        if intended >= self.shared.ends {
            self.shared.reach_end();
            return None;
        }
        Some(Turn { sequence, intended })
    }

    /// All steps, as long as each is answered as it must be. Tells how long the last answer asked to wait; `None` when this
    /// user is at its end.
    async fn journey(&mut self, role: &Role, turn: &Turn, meant: Meant) -> Option<Duration> {
        self.taken.clear();
        self.choose_rows(turn.sequence);
        let mut asked = Duration::ZERO;
        for (number, step) in role.steps.iter().enumerate() {
            let mut meant = meant;
            if number > 0 {
                let intended = Instant::now() + self.varied(step.think_time).max(asked);
                if intended >= self.shared.ends {
                    self.shared.reach_end();
                    return None;
                }
                meant = Meant { intended, waited: wait_until(intended).await };
            }
            if !self.sign_in_if_due().await {
                self.abandon(role);
                let limit = role.scenario.sign_in.as_ref().map_or(0, |sign_in| sign_in.at_most);
                return (self.session.used < limit).then_some(PAUSE_AFTER_REFUSAL);
            }
            if !self.shared.may_send() {
                return None;
            }
            let (sent, outcome) = self.step(role, step, turn.sequence).await;
            asked = outcome.retry_after.unwrap_or(Duration::ZERO).min(MAX_RETRY_AFTER);
            let good = outcome.is_good();
            self.remember(step.spot, meant, sent, outcome);
            if !good && number + 1 < role.steps.len() {
                self.abandon(role);
                break;
            }
        }
        Some(asked)
    }

    /// Sends one step, once more with a new token when its own is refused. Tells when it was first sent.
    async fn step(&mut self, role: &Role, step: &Prepared, sequence: u64) -> (Instant, Outcome) {
        let (sent, mut answered) = self.send(role, step, sequence).await;
        let refused = answered.outcome.status == Some(401) && !step.expect.status.contains(&401);
        if refused && role.sign_in.is_some() {
            self.session.close();
            self.shared.recorder.record(step.spot, self.number, |tally| tally.tokens_refused += 1);
            if self.sign_in_if_due().await && self.shared.may_send() {
                answered = self.send(role, step, sequence).await.1;
            }
        }
        if answered.outcome.is_good()
            && let Some(complaint) = take_all(step, &answered, &mut self.random, &mut self.taken)
        {
            answered.outcome.end = Ended::WrongContent { complaint };
        }
        (sent, answered.outcome)
    }

    async fn send(&mut self, role: &Role, step: &Prepared, sequence: u64) -> (Instant, Answered) {
        let given = Given {
            taken: [&self.taken, &self.session.taken],
            data: (&role.tables, &self.rows),
            values: &role.scenario.values,
        };
        let mut filling = Filling::new(sequence, self.number, given, &mut self.random);
        let fixed = (self.number as usize).checked_rem(role.tokens.len()).map(|number| &role.tokens[number]);
        let token = self.session.token.as_ref().or(fixed);
        let keeps_cookies = role.scenario.cookies;
        let jar = |path: &str| if keeps_cookies { self.jar.header(path, Instant::now()) } else { None };
        let request = step.request(&mut filling, &self.shared.target, token, jar);
        let sent = Instant::now();
        let request = match request {
            Ok(request) => request,
            Err(broken) => return (sent, broken.into()),
        };
        let uri = keeps_cookies.then(|| request.uri().clone());
        let answered = exchange(&self.shared, step, &mut self.connection, request).await;
        if let Some(uri) = uri.filter(|_| answered.headers.contains_key(hyper::header::SET_COOKIE)) {
            self.jar.take(&answered.headers, uri.path(), Instant::now());
        }
        (sent, answered)
    }

    /// Whether the user is signed in, or need not be. A sign-in is counted where all sign-ins of its scenario are.
    async fn sign_in_if_due(&mut self) -> bool {
        let role = Arc::clone(&self.role);
        let (Some(step), Some(described)) = (&role.sign_in, &role.scenario.sign_in) else { return true };
        let began = Instant::now();
        if !self.session.is_due(began) {
            return true;
        }
        let meant = Meant { intended: began, waited: false };
        self.session.close();
        if self.session.used >= described.at_most {
            let cause = format!("more than {} sign-ins of one user", described.at_most);
            self.remember(step.spot, meant, began, Outcome::error("sign_in_limit", Some(cause)));
            return false;
        }
        self.session.used += 1;
        if !self.shared.may_send() {
            return false;
        }
        let (sent, mut answered) = self.send(&role, step, u64::from(self.number)).await;
        let mut taken = BTreeMap::new();
        if answered.outcome.is_good()
            && let Some(complaint) = take_all(step, &answered, &mut self.random, &mut taken)
        {
            answered.outcome.end = Ended::WrongContent { complaint };
        }
        let good = answered.outcome.is_good();
        if good {
            let told = described.expires_in.as_ref();
            let told = told
                .and_then(|place| extract::take(place, &answered.headers, &answered.body, &mut self.random));
            let seconds = told.and_then(|text| text.parse().ok()).or(described.lifetime_seconds);
            let token = taken.remove(TOKEN);
            self.session.open(
                token.as_deref(),
                seconds.map(|seconds| Duration::from_secs(seconds).min(A_DAY)),
                Instant::now(),
            );
            self.session.taken = taken;
        }
        self.remember(step.spot, meant, sent, answered.outcome);
        good
    }

    fn choose_rows(&mut self, sequence: u64) {
        self.rows.clear();
        for table in &self.role.tables {
            let rows = table.rows();
            let row = match table.order {
                FeedOrder::Sequential => sequence % rows,
                FeedOrder::Random => self.random.between(0, rows - 1),
                FeedOrder::PerUser => u64::from(self.number) % rows,
            };
            self.rows.push(usize::try_from(row).expect("smaller than a length"));
        }
    }

    fn abandon(&self, role: &Role) {
        if Instant::now() >= self.shared.counted_from {
            self.shared.recorder.record(role.steps[0].spot, self.number, |tally| tally.abandoned += 1);
        }
    }

    fn remember(&self, spot: usize, meant: Meant, sent: Instant, outcome: Outcome) {
        let (error, content) =
            (matches!(outcome.end, Ended::Error { .. }), matches!(outcome.end, Ended::WrongContent { .. }));
        self.shared.note(error, content);
        if meant.intended < self.shared.counted_from {
            return;
        }
        let now = Instant::now();
        let (service, response) =
            (now.saturating_duration_since(sent), now.saturating_duration_since(meant.intended));
        let lag = meant.waited.then(|| sent.saturating_duration_since(meant.intended));
        let is_paced = self.shared.spots[spot].is_paced;
        self.shared.recorder.record(spot, self.number, |tally| {
            add(tally, outcome, service, response, lag, is_paced);
        });
    }

    /// Around the planned pause, by half, so that users do not march in step.
    fn varied(&mut self, pause: Duration) -> Duration {
        if pause.is_zero() {
            return Duration::ZERO;
        }
        let percent = u32::try_from(self.random.between(50, 150)).expect("at most 150");
        pause * percent / 100
    }
}

/// Takes all values of a step; tells the first that is not there.
fn take_all(
    step: &Prepared,
    answered: &Answered,
    random: &mut Random,
    into: &mut BTreeMap<String, String>,
) -> Option<String> {
    for (name, place) in &step.extract {
        match extract::take(place, &answered.headers, &answered.body, random) {
            Some(value) => into.insert(name.clone(), value),
            None => return Some(format!("{} gave no value for `{name}`", extract::place(place))),
        };
    }
    None
}

fn add(
    tally: &mut Tally,
    outcome: Outcome,
    service: Duration,
    response: Duration,
    lag: Option<Duration>,
    is_paced: bool,
) {
    tally.requests += 1;
    tally.bytes += outcome.bytes;
    if let Some(lag) = lag {
        tally.send_lag.record(lag);
    }
    if let Some(wait) = outcome.retry_after {
        tally.asked_to_wait += 1;
        tally.longest_wait = tally.longest_wait.max(wait);
    }
    if let Some(status) = outcome.status {
        let felt = if is_paced { response } else { service };
        tally.by_status.entry(status).or_default().record(felt);
    }
    let timed = match outcome.end {
        Ended::Good => true,
        Ended::WrongContent { complaint } => {
            tally.complain(complaint);
            false
        }
        Ended::Error { class, cause, timed_out } => {
            tally.fail(class, cause);
            timed_out
        }
    };
    if timed {
        tally.service.record(service);
        if is_paced {
            tally.response.record(response);
        }
    }
}

/// Whether there was something to wait for; if not, the user was busy when the request should have started.
async fn wait_until(intended: Instant) -> bool {
    if Instant::now() >= intended {
        return false;
    }
    tokio::time::sleep_until(intended).await;
    true
}

/// The name under which a sign-in's token is taken; no placeholder can have it.
const TOKEN: &str = "TOKEN";
/// A user whose sign-in failed tries again no sooner.
const PAUSE_AFTER_REFUSAL: Duration = Duration::from_secs(1);
/// A server may ask for any wait; a run has an end.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(30);
/// No token needs to be known to live longer than a run may.
const A_DAY: Duration = Duration::from_secs(24 * 3600);
