//! The pages, made on the server: the frame around each, and what is said when there is none.
//!
//! Not here: who may see them (`access`), and reading a run (`look`).

mod access;
mod act;
mod gate;
mod graph;
mod history;
mod login;
mod migration;
mod overview;
mod parts;
mod people;
mod plot;
mod report;
mod show;
mod steps;
mod topic;
mod wizard;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};
use secrecy::ExposeSecret;

pub(crate) use access::access;
pub(crate) use act::{act, end as act_end, plan as act_plan, resume as act_resume, start as act_start};
pub(crate) use gate::gate;
pub(crate) use history::history;
pub(crate) use login::login_page;
pub(crate) use migration::{Table, TableState, migration, tables_of};
pub(crate) use overview::overview;
pub(crate) use people::{
    assign as people_assign, create as people_create, deactivate as people_deactivate, people,
    reissue as people_reissue,
};
pub(crate) use report::{bundle, download};
pub(crate) use steps::steps;
pub(crate) use topic::topic;
pub(crate) use wizard::{
    choose as wizard_choose, end as wizard_end, plan as wizard_plan, resume as wizard_resume,
    run as wizard_run, survey as wizard_survey, switch as wizard_switch, wizard, write as wizard_write,
};

use crate::access::Visitor;
use crate::api::Problem;
use crate::assets;
use crate::clock;
use crate::i18n::{Language, Words};
use crate::look::{Look, Seeing, Seen, state_word};
use crate::router::Site;

/// The pages in the order of the menu: path, name in the catalog.
const MENU: [(&str, &str); 11] = [
    ("/", "page-overview"),
    ("/gate", "page-gate"),
    ("/steps", "page-steps"),
    ("/migration", "page-migration"),
    ("/about/credentials", "page-credentials"),
    ("/about/redis", "page-redis"),
    ("/about/health", "page-health"),
    ("/about/backups", "page-backups"),
    ("/about/deployment", "page-deployment"),
    ("/about/load", "page-load"),
    ("/history", "page-history"),
];

/// What a page that shows a run is made with.
pub(crate) struct Scene<'s> {
    pub(crate) site: &'s Site,
    pub(crate) words: Words,
    pub(crate) look: &'s Look,
    pub(crate) now: chrono::DateTime<chrono::Utc>,
}

impl Scene<'_> {
    pub(crate) fn mount(&self) -> &str {
        &self.site.options.mount
    }
}

/// A page about the newest run; where there is none, it says how to make one, and where it cannot be read, why.
pub(crate) async fn about_run(
    site: &Site,
    visitor: &Visitor,
    title: &'static str,
    body: impl FnOnce(&Scene<'_>) -> Markup,
) -> Response {
    let seeing = site.looker.look().await;
    let words = visitor.words;
    let inner = match &*seeing.seen {
        Seen::Run(look) => body(&Scene { site, words, look, now: clock::now() }),
        Seen::Nothing => nothing_yet(words),
        Seen::Unreadable(why) => unreadable(words, why),
    };
    let status = match &*seeing.seen {
        Seen::Unreadable(_) => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::OK,
    };
    (status, frame(site, visitor, &words.t(title), Some(&seeing), inner)).into_response()
}

fn nothing_yet(words: Words) -> Markup {
    html! {
        section.panel {
            h2 { (words.t("nothing-title")) }
            p { (words.t("nothing-says")) }
            (parts::command(words, "golive rehearse"))
            (parts::command(words, "golive run"))
        }
    }
}

fn unreadable(words: Words, why: &str) -> Markup {
    html! {
        section.panel.unknown role="alert" {
            h2 { (parts::badge(parts::Tone::Unknown, &words.t("status-unknown"))) " " (words.t("unreadable-title")) }
            p { (words.t("unreadable-says")) }
            p { code { (show::line(why, 600)) } }
        }
    }
}

/// The whole page around what it is about.
pub(crate) fn frame(
    site: &Site,
    visitor: &Visitor,
    title: &str,
    seeing: Option<&Seeing>,
    body: Markup,
) -> Markup {
    let (words, mount) = (visitor.words, site.options.mount.as_str());
    html! {
        (DOCTYPE)
        html lang=(words.language().tag()) {
            (head(site, title))
            body data-events=[seeing.map(|_| format!("{mount}/events"))] data-version=[seeing.map(|seeing| site.version(seeing))] {
                a.skip href="#content" { (words.t("skip")) }
                (top(site, visitor))
                div.columns {
                    @if visitor.session.is_some() { (menu(site, visitor)) }
                    main #content tabindex="-1" {
                        div.title {
                            h1 { (title) }
                            @if let Some(seeing) = seeing { (freshness(site, visitor, seeing)) }
                        }
                        div #body data-live { (body) }
                    }
                }
                footer { p { (words.t("footer")) } }
            }
        }
    }
}

fn head(site: &Site, title: &str) -> Markup {
    let asset = |name: &str| format!("{}/assets/{name}", site.options.mount);
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            meta name="robots" content="noindex";
            title { (title) " · golive" }
            link rel="icon" type="image/svg+xml" href=(asset(&assets::ICON.name));
            link rel="stylesheet" href=(asset(&assets::STYLE.name));
            script src=(asset(&assets::SCRIPT.name)) defer {}
        }
    }
}

fn top(site: &Site, visitor: &Visitor) -> Markup {
    let (words, mount) = (visitor.words, site.options.mount.as_str());
    html! {
        header.top {
            a.brand href=(site.href("/")) {
                svg viewBox="0 0 32 32" aria-hidden="true" focusable="false" {
                    rect width="32" height="32" rx="8" {}
                    path d="M8.5 16.5l5 5 10-11" {}
                }
                span { "golive" }
            }
            div.tools {
                nav.languages aria-label=(words.t("languages")) {
                    @for language in Language::ALL {
                        @if language == words.language() {
                            span lang=(language.tag()) aria-current="true" { (language.own_name()) }
                        } @else {
                            a href={ (site.href(&visitor.path)) "?lang=" (language.tag()) } lang=(language.tag()) hreflang=(language.tag()) { (language.own_name()) }
                        }
                    }
                }
                @if let Some(session) = &visitor.session {
                    form.leave method="post" action={ (mount) "/logout" } {
                        input type="hidden" name="csrf" value=(visitor.csrf.expose_secret());
                        a.who href={ (mount) "/access" } { (session.name) }
                        button type="submit" { (words.t("log-out")) }
                    }
                }
            }
        }
    }
}

fn menu(site: &Site, visitor: &Visitor) -> Markup {
    let words = visitor.words;
    let may_act = site.actor.is_some() && visitor.may_act;
    let acts = [("/migrate", "page-wizard"), ("/run", "page-act")].into_iter().filter(|_| may_act);
    let described = site.actor.as_ref().is_some_and(|actor| actor.accounts().is_some());
    let people = (described && visitor.may_administer).then_some(("/people", "page-people"));
    html! {
        nav.menu aria-label=(words.t("menu")) {
            ul {
                @for (path, name) in MENU.into_iter().chain(people).chain(acts) {
                    @let current = visitor.path == path;
                    li { a href=(site.href(path)) aria-current=[current.then_some("page")] { (words.t(name)) } }
                }
            }
        }
    }
}

/// When it was looked at, whether the page is live, and what to do where it is not.
fn freshness(site: &Site, visitor: &Visitor, seeing: &Seeing) -> Markup {
    let words = visitor.words;
    html! {
        div.freshness {
            p #looked data-live { (words.t("looked-at")) " " (parts::time(seeing.at)) }
            p.line #line role="status" data-connecting=(words.t("line-connecting")) data-live-text=(words.t("line-live"))
                data-gone=(words.t("line-gone")) data-paused=(words.t("line-paused")) {
                span.dot aria-hidden="true" {}
                span.text { (words.t("line-still")) }
                " " a.reload href=(site.href(&visitor.path)) { (words.t("line-reload")) }
            }
        }
    }
}

/// A page, or a JSON answer for a program, that says what went wrong and what to do.
pub(crate) fn problem(site: &Site, visitor: &Visitor, status: StatusCode, key: &'static str) -> Response {
    let words = visitor.words;
    if visitor.path.starts_with("/api/") || visitor.path == "/events" {
        let problem = Problem { error: key.trim_start_matches("problem-"), says: words.t(key) };
        return (status, axum::Json(problem)).into_response();
    }
    let body = html! {
        section.panel {
            p { (words.t(key)) }
            p { a href=(site.href("/")) { (words.t("problem-start")) } }
        }
    };
    let title = format!("{} · {}", status.as_u16(), words.t("problem-title"));
    (status, frame(site, visitor, &title, None, body)).into_response()
}

/// What a run is called: kind and name.
pub(crate) fn run_name(words: Words, look: &Look) -> Markup {
    let kind = words.t(match look.kind {
        crate::look::Kind::Run => "kind-run",
        crate::look::Kind::Rehearsal => "kind-rehearsal",
    });
    html! { (kind) " " code { (look.standing.run) } }
}

/// Whether a run is at work, in words.
pub(crate) fn run_state(words: Words, look: &Look) -> String {
    words.t(match state_word(look.standing.state) {
        "goes_on" => "run-goes-on",
        "ended" => "run-ended",
        _ => "run-cut-off",
    })
}
