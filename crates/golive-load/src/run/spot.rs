//! The places where requests are counted: a step of a scenario each, and its sign-in.
//!
//! What must not be here: counting.

use crate::plan::Scenario;

/// Where a request is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spot {
    pub(crate) scenario: usize,
    pub(crate) route: String,
    pub(crate) tags: Vec<String>,
    /// Whether users feel it from a scheduled moment on: the first step of an open scenario.
    pub(crate) is_paced: bool,
    pub(crate) is_sign_in: bool,
}

/// All of a plan: the steps of each scenario in order, then its sign-in if it has one.
pub(crate) fn spots(scenarios: &[Scenario]) -> Vec<Spot> {
    let mut spots = Vec::new();
    for (index, scenario) in scenarios.iter().enumerate() {
        for (number, request) in scenario.requests().enumerate() {
            let mut tags = scenario.tags.clone();
            tags.extend(number.checked_sub(1).into_iter().flat_map(|n| scenario.then[n].tags.clone()));
            spots.push(Spot {
                scenario: index,
                route: request.route().to_owned(),
                tags,
                is_paced: number == 0 && scenario.is_open(),
                is_sign_in: false,
            });
        }
        spots.extend(scenario.sign_in.iter().map(|sign_in| Spot {
            scenario: index,
            route: sign_in.request.route().to_owned(),
            tags: Vec::new(),
            is_paced: false,
            is_sign_in: true,
        }));
    }
    spots
}
