//! Whether a plan can be run, before a request is sent.
//!
//! What must not be here: anything that waits or connects.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::plan::{LoadPlan, Scenario};
use crate::schedule::Arrivals;
use crate::{target, template};

use super::LoadError;

pub(crate) fn check(plan: &LoadPlan) -> Result<(), LoadError> {
    if !target::is_allowed(&plan.base_url, plan.dangerous_public_target.as_ref()) {
        let host = plan.base_url.host_str().unwrap_or("no host").to_owned();
        return Err(LoadError::TargetNotAllowed { host });
    }
    let refuse = |what: String| Err(LoadError::Plan { what });
    if plan.scenarios.is_empty() {
        return refuse("name at least one scenario".to_owned());
    }
    if plan.duration.is_zero() || plan.duration + plan.warm_up > MAX_DURATION {
        return refuse(format!(
            "choose a duration above zero and, with the warm-up, up to {} s",
            MAX_DURATION.as_secs()
        ));
    }
    if plan.request_timeout.is_zero() || plan.max_requests == 0 {
        return refuse("request_timeout and max_requests must be above zero".to_owned());
    }
    let users: u64 = plan.scenarios.iter().map(|s| u64::from(s.users)).sum();
    if users > u64::from(MAX_USERS) {
        return refuse(format!("{users} users are more than {MAX_USERS}"));
    }
    plan.scenarios.iter().try_for_each(check_scenario)
}

fn check_scenario(scenario: &Scenario) -> Result<(), LoadError> {
    let refuse = |what: &str| Err(LoadError::Plan { what: format!("scenario `{}`: {what}", scenario.name) });
    if scenario.users == 0 {
        return refuse("give it at least one user");
    }
    if scenario.arrivals_per_second.is_some_and(|rate| !(rate.is_finite() && rate > 0.0)) {
        return refuse("arrivals_per_second must be above zero");
    }
    if let Some(complaint) = scenario.arrivals.as_ref().and_then(Arrivals::complaint) {
        return refuse(complaint);
    }
    if scenario.then.len() > MAX_STEPS {
        return refuse(&format!("a journey has at most {} steps", MAX_STEPS + 1));
    }
    if scenario.sign_in.as_ref().is_some_and(|sign_in| sign_in.at_most == 0 || sign_in.at_most > MAX_SIGN_INS)
    {
        return refuse(&format!("at_most of `sign_in` is from 1 to {MAX_SIGN_INS}"));
    }
    check_requests(scenario)
}

/// Each placeholder must be filled by what is known at its step.
fn check_requests(scenario: &Scenario) -> Result<(), LoadError> {
    let refuse = |what: &str| Err(LoadError::Plan { what: format!("scenario `{}`: {what}", scenario.name) });
    let mut known: BTreeSet<String> = scenario
        .values
        .iter()
        .filter(|(_, values)| !values.is_empty())
        .map(|(name, _)| name.clone())
        .collect();
    for feeder in &scenario.data {
        match feeder.table() {
            Ok(table) => known.extend(table.columns().map(str::to_owned)),
            Err(what) => return refuse(&what),
        }
    }
    let first = (&scenario.request, &scenario.expect, &scenario.extract);
    let signing = scenario.sign_in.iter().map(|s| (&s.request, &s.expect, &s.extract));
    let then = scenario.then.iter().map(|s| (&s.request, &s.expect, &s.extract));
    for (request, expect, extract) in signing.chain(std::iter::once(first)).chain(then) {
        if !request.path.starts_with('/') && !request.path.starts_with("{+") {
            return refuse("the path must begin with / or with an address that an answer gave, as `{+name}`");
        }
        if hyper::Method::from_bytes(request.method.as_bytes()).is_err() {
            return refuse("the method is no HTTP method");
        }
        if expect.status.is_empty() {
            return refuse("expect at least one status");
        }
        if let Some(placeholder) = template::unknown_placeholder(request, |name| known.contains(name)) {
            return Err(LoadError::UnknownPlaceholder { scenario: scenario.name.clone(), placeholder });
        }
        if let Some(name) = extract.keys().find(|name| !template::is_name(name)) {
            return refuse(&format!("name the value `{name}` with small letters, digits, `_` and `-` only"));
        }
        known.extend(extract.keys().cloned());
    }
    Ok(())
}

const MAX_STEPS: usize = 50;
const MAX_SIGN_INS: u32 = 10_000;
const MAX_DURATION: Duration = Duration::from_secs(24 * 3600);
const MAX_USERS: u32 = 20_000;
