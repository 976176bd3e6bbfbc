//! One page for each matter that somebody answers for: credentials, Redis, health, backups, deployment, load. Which steps,
//! criteria and numbers belong to it is a table.
//!
//! Not here: the migration, which moves (`migration`).

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use golive_gate::Fact;
use maud::{Markup, html};

use super::parts::{self, Tone};
use super::{Scene, about_run, problem, show, steps};
use crate::access::Visitor;
use crate::i18n::Words;
use crate::router::Site;

/// A matter.
struct Topic {
    slug: &'static str,
    title: &'static str,
    says: &'static str,
    criteria: &'static [&'static str],
    figures: &'static [&'static str],
    steps: &'static [&'static str],
    commands: &'static [&'static str],
}

pub(crate) async fn topic(
    State(site): State<Site>,
    Extension(visitor): Extension<Visitor>,
    Path(slug): Path<String>,
) -> Response {
    let Some(topic) = TOPICS.iter().find(|topic| topic.slug == slug) else {
        return problem(&site, &visitor, StatusCode::NOT_FOUND, "problem-missing");
    };
    about_run(&site, &visitor, topic.title, |scene| {
        let known = golive::list();
        html! {
            p.lead { (scene.words.t(topic.says)) }
            (criteria(scene, topic.criteria))
            (figures(scene, topic.figures))
            @if topic.slug == "load" { (latencies(scene)) }
            section aria-labelledby="steps" {
                h2 #steps { (scene.words.t("page-steps")) }
                @for id in topic.steps {
                    @if let Some((step, state)) = scene.look.step(id) {
                        (steps::card(scene, step, state, known.iter().find(|about| about.id == *id)))
                    }
                }
            }
            (commands(scene.words, topic.commands))
        }
    })
    .await
}

/// How the criteria that rest on this stand.
pub(super) fn criteria(scene: &Scene<'_>, keys: &[&str]) -> Markup {
    let words = scene.words;
    html! {
        ul.verdicts aria-label=(words.t("criteria-title")) {
            @for criterion in scene.look.report.criteria.iter().filter(|criterion| keys.contains(&criterion.key.as_str())) {
                @let tone = Tone::of_status(criterion.status);
                li.(tone.class()) {
                    a href={ (scene.mount()) "/gate#c" (criterion.number) } {
                        (tone.icon())
                        span { (criterion.number) ". " (words.criterion(&criterion.key, &criterion.title)) }
                        strong { (parts::status_word(words, criterion.status)) }
                    }
                }
            }
        }
    }
}

/// The numbers of the matter, each with when it was seen.
pub(super) fn figures(scene: &Scene<'_>, keys: &[&str]) -> Markup {
    let words = scene.words;
    html! {
        dl.figures {
            @for key in keys {
                @let fact = scene.look.fact(key);
                div {
                    dt { (words.fact(key).unwrap_or_else(|| (*key).to_owned())) }
                    @match fact {
                        Some(fact) => {
                            dd { (show::value(words, &fact.value)) }
                            dd.when { (parts::time_ago(words, fact.collected_at, scene.now)) }
                        }
                        None => {
                            dd.none { "?" }
                            dd.when { (words.t("figure-none")) }
                        }
                    }
                }
            }
        }
    }
}

/// How to look again, by hand.
pub(super) fn commands(words: Words, commands: &[&str]) -> Markup {
    html! {
        section aria-labelledby="again" {
            h2 #again { (words.t("again-title")) }
            p.quiet { (words.t("again-by-hand")) }
            @for command in commands { (parts::command(words, command)) }
        }
    }
}

/// The slowest answer of 95 in a hundred, by scenario, beside the limit.
fn latencies(scene: &Scene<'_>) -> Markup {
    let words = scene.words;
    let results = scene.look.standing.steps.iter().filter_map(|step| step.ended.as_ref());
    let mut bars: Vec<(&str, f64, &Fact)> = results
        .flat_map(|result| &result.proof)
        .filter_map(|fact| {
            let name = fact.key.strip_prefix("load.")?.strip_suffix(".p95_ms")?;
            Some((name, fact.value.as_f64()?, fact))
        })
        .collect();
    bars.sort_by(|a, b| a.1.total_cmp(&b.1));
    bars.truncate(MOST_BARS);
    let limit = scene.site.looker.policy().dashboard_p95_ms;
    let most = bars.iter().map(|(_, value, _)| *value).fold(limit, f64::max).max(1.0);
    let place = |value: f64| (value / most * 1000.0).clamp(2.0, 1000.0);
    html! {
        @if !bars.is_empty() {
            section aria-labelledby="latencies" {
                h2 #latencies { (words.t("load-latencies")) }
                p.quiet { (words.with("load-limit", &[("limit", show::number(words, limit).into())])) }
                ul.bars {
                    @for (name, value, fact) in bars {
                        li {
                            span.name { (name.replace('_', " ")) }
                            svg viewBox="0 0 1000 20" preserveAspectRatio="none" aria-hidden="true" focusable="false" {
                                rect.track width="1000" height="20" rx="3" {}
                                rect.fill width=(format!("{:.1}", place(value))) height="20" rx="3" {}
                                rect.limit x=(format!("{:.1}", place(limit) - 1.0)) width="3" height="20" {}
                            }
                            span.value { (show::number(words, value)) " ms" }
                            span.quiet { (parts::time(fact.collected_at)) }
                        }
                    }
                }
            }
        }
    }
}

const MOST_BARS: usize = 20;

const TOPICS: [Topic; 6] = [
    Topic {
        slug: "credentials",
        title: "page-credentials",
        says: "says-page-credentials",
        criteria: &["demo_inactive", "production_admin", "secret_key"],
        figures: &[
            "secret.length",
            "secret.old_token_refused",
            "accounts.demo_users_active",
            "accounts.known_credentials_active",
            "accounts.demo_logins_accepted",
            "tenants.demo_active",
            "team.members",
            "team.signed_in",
            "audit.names_admin",
        ],
        steps: &[
            "secret-key",
            "old-token",
            "demo-tenants",
            "production-admin",
            "demo-users",
            "admin-login",
            "team",
            "credentials",
        ],
        commands: &["golive secret check", "golive accounts scan", "golive accounts verify"],
    },
    Topic {
        slug: "redis",
        title: "page-redis",
        says: "says-page-redis",
        criteria: &["redis"],
        figures: &[
            "redis.latency_ms",
            "redis.append_only",
            "redis.password",
            "rate_limit.allowed",
            "rate_limit.refused",
            "revocation.fails_closed",
            "outage.redis_recovery_seconds",
        ],
        steps: &["redis", "revocation", "rate-limit", "cache", "redis-outage"],
        commands: &["golive cache check"],
    },
    Topic {
        slug: "health",
        title: "page-health",
        says: "says-page-health",
        criteria: &["error_tracking", "health"],
        figures: &[
            "health.live_ms",
            "health.ready_ms",
            "health.deep_ms",
            "errors.events",
            "errors.secrets_leaked",
            "outage.server_recovery_seconds",
            "outage.application_recovery_seconds",
            "metrics.families",
        ],
        steps: &["logs", "errors", "health", "metrics", "redis-outage", "database-outage"],
        commands: &["golive observe check", "golive observe send-test-error", "golive observe test-alert"],
    },
    Topic {
        slug: "backups",
        title: "page-backups",
        says: "says-page-backups",
        criteria: &["backups", "disaster_recovery"],
        figures: &[
            "backup.age_hours",
            "backup.size_bytes",
            "backup.rows",
            "backup.restored_equal",
            "backup.restore_seconds",
            "backup.retention_days",
            "recovery.rto_seconds",
            "recovery.rpo_seconds",
            "backup.binlog_lag_seconds",
        ],
        steps: &["backup", "archive-binlog", "restore-drill", "state-backup", "rollback", "recovery"],
        commands: &["golive backup status", "golive backup verify", "golive backup drill"],
    },
    Topic {
        slug: "deployment",
        title: "page-deployment",
        says: "says-page-deployment",
        criteria: &["tls", "production_config", "ci"],
        figures: &[
            "tls.grade",
            "tls.grade_ignoring_trust",
            "tls.redirects_http",
            "config.errors",
            "config.warnings",
            "deploy.errors",
            "deploy.warnings",
            "ci.checks",
        ],
        steps: &["environment", "config", "containers", "tls", "in-use", "ci"],
        commands: &["golive tls grade HOST:443", "golive deploy audit", "golive deploy check-config"],
    },
    Topic {
        slug: "load",
        title: "page-load",
        says: "says-page-load",
        criteria: &["load"],
        figures: &[
            "load.dashboard_p50_ms",
            "load.dashboard_p95_ms",
            "load.dashboard_p99_ms",
            "load.requests",
            "load.requests_per_second",
            "load.error_rate",
            "queries.reviewed",
        ],
        steps: &["load", "queries", "pool"],
        commands: &["golive load run", "golive db review", "golive db size"],
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_step_and_criterion_has_a_page() {
        let steps: BTreeSet<&str> = TOPICS.iter().flat_map(|topic| topic.steps.iter().copied()).collect();
        for step in golive::list() {
            // Phase 1, and the demo that it begins with, is the migration's page.
            assert!(step.phase == 1 || step.id == "baseline" || steps.contains(step.id), "{}", step.id);
        }
        let criteria: BTreeSet<&str> =
            TOPICS.iter().flat_map(|topic| topic.criteria.iter().copied()).collect();
        for criterion in golive_gate::criteria() {
            assert!(criterion.key == "migration" || criteria.contains(criterion.key), "{}", criterion.key);
        }
    }
}
