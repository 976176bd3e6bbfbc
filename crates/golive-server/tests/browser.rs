//! The console in a real browser: as wide as a phone and as a desk, light and dark, by keyboard, without script, live and cut off.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/browser.rs"]
mod browser;
#[path = "support/peers.rs"]
mod peers;
#[path = "support/staff.rs"]
mod staff;
mod support;

use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use browser::{Chromium, ENTER, TAB};
use chrono::TimeDelta;
use golive::RunDirectory;
use golive_gate::StepStatus;
use golive_server::{OperatorsFile, Role};
use secrecy::ExposeSecret;
use serde_json::json;
use support::{Served, ended_run, now, results, serve, serve_folder, write_journal};

const PAGES: [&str; 16] = [
    "/",
    "/gate",
    "/steps",
    "/migration",
    "/about/credentials",
    "/about/redis",
    "/about/health",
    "/about/backups",
    "/about/deployment",
    "/about/load",
    "/history",
    "/history?run=20260101T000000.000Z",
    "/access",
    "/run",
    "/migrate",
    "/nowhere",
];
const ACCESSIBLE: &str = include_str!("support/accessible.js");

/// A run that passed and one in which a step failed, one is unknown, and one was never reached.
async fn with_runs() -> Served {
    let base = tempfile::tempdir().expect("a folder of its own");
    let at = now() - TimeDelta::hours(2);
    ended_run(base.path(), "runs", "20260101T000000.000Z", &results(at), at);
    let mut worse = results(now());
    for result in &mut worse {
        match result.id.as_str() {
            "tls" => {
                result.status = StepStatus::Failed;
                result.reason = Some(format!("the grade is `B`: {}", "averyveryverylongword".repeat(8)));
                result.proof.iter_mut().for_each(|fact| fact.value = "B".into());
            }
            "ci" => {
                result.status = StepStatus::Unknown;
                result.reason = Some("no checks are described".to_owned());
                result.proof.clear();
            }
            _ => {}
        }
    }
    worse.retain(|result| result.id != "load");
    ended_run(base.path(), "runs", "20260102T000000.000Z", &worse, now());
    let config = golive::Config::parse("[application]\nname = \"Ledger\"\n", base.path()).unwrap();
    serve_folder(base, |options| options.acts = Some(golive_server::Acts::new(config, |_| None))).await
}

#[tokio::test]
async fn heavy_every_page_fits_reads_well_and_breaks_no_rule_on_every_screen() {
    let served = with_runs().await;
    let chromium = Chromium::start().await;
    chromium.enter(&served).await;
    let screens = Path::new(env!("CARGO_TARGET_TMPDIR")).join("console-screens");
    std::fs::create_dir_all(&screens).unwrap();
    for (width, scheme, language) in [
        (360, "light", "de"),
        (360, "dark", "en"),
        (768, "light", "en"),
        (1440, "light", "de"),
        (1440, "dark", "en"),
    ] {
        chromium.goto(&format!("{}/?lang={language}", served.url)).await;
        chromium.look(width, 1000, scheme).await;
        for path in PAGES {
            chromium.goto(&format!("{}{path}", served.url)).await;
            let shown = format!("{path} at {width} px, {scheme}, {language}");
            let overflow = chromium.ask("return document.documentElement.scrollWidth - innerWidth").await;
            assert!(overflow.as_i64().unwrap() <= 0, "{shown} is too wide by {overflow}");
            let problems = chromium.ask(ACCESSIBLE).await;
            assert_eq!(problems, json!([]), "{shown}");
            // Everything unfolded, too.
            chromium.ask("document.querySelectorAll('details').forEach((one) => { one.open = true; })").await;
            let overflow = chromium.ask("return document.documentElement.scrollWidth - innerWidth").await;
            assert!(overflow.as_i64().unwrap() <= 0, "{shown}, unfolded, is too wide by {overflow}");
            assert_eq!(chromium.ask(ACCESSIBLE).await, json!([]), "{shown}, unfolded");
            let name: String =
                path.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
            let screen = BASE64_STANDARD.decode(chromium.screenshot().await).unwrap();
            std::fs::write(screens.join(format!("{width}-{scheme}-{language}{name}.png")), screen).unwrap();
            let complaints = chromium.complaints().await;
            let expected = |line: &String| path == "/nowhere" && line.contains("404");
            assert!(complaints.iter().all(expected), "{shown}: {complaints:?}");
        }
    }
    // What looks for faults finds some where there are some.
    let faults = "const bad = document.createElement('div');
        bad.innerHTML = '<input><h6>x</h6><a href=\"/\"></a><p>faint</p><nav>n</nav><svg width=\"9\"></svg>';
        bad.querySelector('p').style.color = '#777'; bad.querySelector('p').style.background = '#666';
        document.querySelector('main').append(bad);";
    chromium.ask(faults).await;
    let found = chromium.ask(ACCESSIBLE).await.as_array().unwrap().len();
    assert!(found >= 6, "{found}");
    // And the policy is in force: a style in the page does nothing but complain.
    chromium.ask("document.body.insertAdjacentHTML('beforeend', '<p style=\"color:red\">x</p>')").await;
    assert!(chromium.complaints().await.iter().any(|line| line.contains("Content Security Policy")));
}

/// axe-core, whose rules for WCAG 2.2 AA others wrote, has nothing to say about any page; and it does look.
#[tokio::test]
async fn heavy_axe_finds_no_violation_on_any_page() {
    let served = with_runs().await;
    let axe = tokio::task::spawn_blocking(peers::axe).await.unwrap();
    let chromium = Chromium::start().await;
    chromium.enter(&served).await;
    for (width, scheme) in [(360, "light"), (1440, "dark")] {
        chromium.look(width, 1000, scheme).await;
        for path in PAGES {
            chromium.goto(&format!("{}{path}", served.url)).await;
            chromium.ask("document.querySelectorAll('details').forEach((one) => { one.open = true; })").await;
            chromium.ask(&axe).await;
            assert_eq!(chromium.ask(ASK_AXE).await, json!([]), "{path} at {width} px, {scheme}");
        }
    }
    chromium
        .ask("document.querySelector('main').insertAdjacentHTML('beforeend', '<input><img src=\"x\">')")
        .await;
    let found = chromium.ask(ASK_AXE).await.to_string();
    assert!(found.contains("label") && found.contains("image-alt"), "{found}");
}

/// The people, with accounts of every kind, each of their forms, and the page that shows a password once.
#[tokio::test]
async fn heavy_the_people_fit_and_break_no_rule_with_accounts_in_every_state() {
    let (served, server) = staff::with_people().await;
    let long = "quite.a.long.name.that.somebody.has".repeat(3);
    let more = format!(
        "INSERT INTO app.users (username, password_hash, is_active, role, company, must_change) VALUES \
         ('rosa', 'x', 1, 'operator', 'one', 0), ('lea', 'x', 0, 'operator', 'two', 0), \
         ('{long}', 'x', 1, 'operator', 'a-tenant-with-a-name-that-has-no-end', 1)"
    );
    server.execute(&more).unwrap();
    let axe = tokio::task::spawn_blocking(peers::axe).await.unwrap();
    let chromium = Chromium::start().await;
    chromium.enter(&served).await;
    let screens = Path::new(env!("CARGO_TARGET_TMPDIR")).join("console-screens");
    let is_fine = async |shown: &str| {
        chromium.ask("document.querySelectorAll('details').forEach((one) => { one.open = true; })").await;
        let overflow = chromium.ask("return document.documentElement.scrollWidth - innerWidth").await;
        assert!(overflow.as_i64().unwrap() <= 0, "{shown} is too wide by {overflow}");
        assert_eq!(chromium.ask(ACCESSIBLE).await, json!([]), "{shown}");
        chromium.ask(&axe).await;
        assert_eq!(chromium.ask(ASK_AXE).await, json!([]), "{shown}");
    };
    for (width, scheme, name) in [(360, "light", "one"), (1440, "dark", "two")] {
        chromium.look(width, 1000, scheme).await;
        chromium.goto(&format!("{}/people", served.url)).await;
        let there =
            |action: &str| format!("return !!document.querySelector('form[action$=\"/people/{action}\"]')");
        for action in ["create", "assign", "reissue", "deactivate"] {
            assert_eq!(chromium.ask(&there(action)).await, true, "{action} is on the page");
        }
        let shown = "return ['anna', 'demo', 'rosa', 'lea'].every((name) => document.body.textContent.includes(name))";
        assert_eq!(chromium.ask(shown).await, true);
        is_fine(&format!("the people at {width} px, {scheme}")).await;
        let hidden =
            "const box = document.querySelector('.table-box'); return box.scrollWidth - box.clientWidth";
        assert_eq!(chromium.ask(hidden).await, 0, "what can be done stands in sight, whatever the names");
        let screen = BASE64_STANDARD.decode(chromium.screenshot().await).unwrap();
        std::fs::create_dir_all(&screens).unwrap();
        std::fs::write(screens.join(format!("{width}-{scheme}-en-people.png")), screen).unwrap();
        let make = format!(
            "const form = document.querySelector('form[action$=\"/people/create\"]');
             form.querySelector('[name=username]').value = 'new.{name}'; form.querySelector('[name=role]').value = 'operator';
             form.querySelector('[name=tenant]').value = 'one'; form.submit();"
        );
        chromium.ask(&make).await;
        chromium.until("a password is shown", "return !!document.querySelector('.password')").await;
        is_fine(&format!("a new password at {width} px, {scheme}")).await;
        let complaints = chromium.complaints().await;
        assert!(complaints.is_empty(), "{complaints:?}");
    }
}

const ASK_AXE: &str = "return axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })
    .then((found) => found.violations.map((one) => `${one.id}: ${one.nodes.map((node) => node.target.join(' ')).slice(0, 3)}`))";

#[tokio::test]
async fn heavy_a_page_follows_its_run_and_says_when_it_cannot() {
    let base = tempfile::tempdir().unwrap();
    let (at, all) = (now(), results(now()));
    let name = "20260101T000000.000Z";
    let directory = RunDirectory::create(&base.path().join("runs"), name).unwrap();
    let journal = write_journal(&directory, name, &all[..2], at);
    let served = serve_folder(base, |_| {}).await;
    let chromium = Chromium::start().await;
    chromium.enter(&served).await;
    let line = "return document.getElementById('line').dataset.kind";
    chromium.until("the page is live", &format!("{line} === 'live'")).await;
    chromium.ask("window.untouched = true; document.querySelector('.step a').focus()").await;
    for result in &all[2..5] {
        journal.append(golive::Entry::Started { at, step: result.id.clone() }).unwrap();
        let running =
            format!("return !!document.querySelector('.step.running a[href$=\"#step-{}\"]')", result.id);
        chromium.until("the step is shown as running", &running).await;
        let result = Box::new(result.clone());
        journal.append(golive::Entry::Ended { at, result, config: Default::default() }).unwrap();
    }
    chromium.until("five have ended", "return document.querySelector('.far progress').value === 5").await;
    assert_eq!(
        chromium.ask("return window.untouched === true").await,
        true,
        "the page was never loaded anew"
    );
    assert_eq!(
        chromium.ask("return document.activeElement.matches('.step a')").await,
        true,
        "the focus stays"
    );
    // In the middle of it loaded anew, it shows the same.
    chromium.refresh().await;
    chromium.until("it is live again", &format!("{line} === 'live'")).await;
    assert_eq!(chromium.ask("return document.querySelector('.far progress').value").await, 5);
    drop((journal, directory));
    chromium
        .until("it was cut off", "return document.querySelector('.hero').classList.contains('unknown')")
        .await;
    drop(served);
    chromium.until("the line is gone", &format!("{line} === 'gone'")).await;
    let dimmed = "return Number(getComputedStyle(document.getElementById('body')).opacity) < 1";
    assert_eq!(chromium.ask(dimmed).await, true, "what may be old does not look as if it were not");
}

#[tokio::test]
async fn heavy_it_works_by_keyboard_alone_and_without_script() {
    let served = serve(|_| {}).await;
    let file = OperatorsFile::new(served.base.path().join("operators.json"));
    let password = file.add("rosa", Role::Viewer, now()).unwrap().password;
    let chromium = Chromium::start().await;
    chromium.devtools("Emulation.setScriptExecutionDisabled", json!({ "value": true })).await;
    chromium.goto(&format!("{}/gate", served.url)).await;
    // The name has the focus at once.
    chromium.press(&format!("rosa{TAB}")).await;
    chromium.press(password.expose_secret()).await;
    chromium.press(ENTER).await;
    // Scripts of the page are off; those of the driver are not.
    chromium.until("in, without script", "return !!document.querySelector('nav.menu')").await;
    assert_eq!(chromium.ask("return document.body.textContent.includes('There is no run yet')").await, true);

    chromium.devtools("Emulation.setScriptExecutionDisabled", json!({ "value": false })).await;
    chromium.goto(&served.url).await;
    chromium.press(TAB).await;
    assert_eq!(
        chromium.ask("return document.activeElement.className").await,
        "skip",
        "the first stop skips the menu"
    );
    assert_eq!(
        chromium.ask("return document.activeElement.getBoundingClientRect().top >= 0").await,
        true,
        "and is seen"
    );
    chromium.press(ENTER).await;
    assert_eq!(chromium.ask("return document.activeElement.id").await, "content");
    // Every stop shows that it has the focus.
    for _ in 0..12 {
        chromium.press(TAB).await;
        let outlined = "const style = getComputedStyle(document.activeElement);
            return document.activeElement === document.body || (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2)";
        assert_eq!(chromium.ask(outlined).await, true);
    }
}
