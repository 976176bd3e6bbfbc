//! What people and tools read.

mod fixture;

use fixture::{report_of_success, report_of_trouble};
use golive_gate::{Report, to_html, to_json, to_junit, to_markdown, to_text};

#[test]
fn text_of_success() {
    insta::assert_snapshot!(to_text(&report_of_success(), 90, false));
}

#[test]
fn text_of_trouble() {
    insta::assert_snapshot!(to_text(&report_of_trouble(), 90, false));
}

#[test]
fn markdown_of_trouble() {
    insta::assert_snapshot!(to_markdown(&report_of_trouble()));
}

#[test]
fn junit_of_trouble() {
    insta::assert_snapshot!(to_junit(&report_of_trouble()));
}

#[test]
fn text_obeys_its_width_and_color() {
    let mut report = report_of_trouble();
    report.steps[0].title = "x\x1b[31m\u{202e}y ".repeat(80);
    let plain = to_text(&report, 70, false);
    assert!(!plain.contains('\x1b') && !plain.contains('\u{202e}'));
    let wide = plain.lines().find(|line| line.chars().count() > 90);
    assert_eq!(wide, None);
    assert!(to_text(&report, 70, true).contains("\x1b[31m"));
}

#[test]
fn json_comes_back_as_the_same_report() {
    for report in [report_of_success(), report_of_trouble()] {
        let json = to_json(&report);
        let back: Report = serde_json::from_str(&json).unwrap();
        assert_eq!(back, report);
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["schema_version"], 1);
        assert_eq!(value["criteria"].as_array().unwrap().len(), 13);
        assert!(value["criteria"][0]["evidence"][0]["collected_at"].is_string());
    }
    assert!(to_json(&report_of_trouble()).contains("\"verdict\": \"no_go\""));
}

#[test]
fn html_is_one_file_without_scripts_or_links_out() {
    for report in [report_of_success(), report_of_trouble()] {
        let html = to_html(&report);
        for forbidden in
            ["<script", "<b>", "javascript:", "src=", "url(", "@import", "<link", "href=\"h", "style=\""]
        {
            assert!(!html.contains(forbidden), "{forbidden}");
        }
        assert_eq!(html.matches("<details").count(), 13);
    }
    assert!(to_html(&report_of_trouble()).contains("&lt;script&gt;"));
}

#[test]
fn foreign_text_is_no_markup_anywhere() {
    let mut report = report_of_trouble();
    let evil = "\"><img src=x onerror=alert(1)>|`*\n# x\u{0}]]>";
    report.application = evil.into();
    report.run_id = evil.into();
    report.warnings = vec![evil.into()];
    for step in &mut report.steps {
        step.title = evil.into();
        step.error = Some(evil.into());
    }
    for criterion in &mut report.criteria {
        criterion.title = evil.into();
        criterion.actual = evil.into();
        for evidence in &mut criterion.evidence {
            evidence.source = Some(evil.into());
            evidence.reason = Some(evil.into());
            evidence.value = Some(evil.into());
        }
    }
    for text in [to_html(&report), to_markdown(&report), to_junit(&report)] {
        assert!(!text.contains("<img"), "{text}");
        assert!(!text.contains('\0'));
    }
    assert!(to_markdown(&report).lines().all(|line| line != "# x"));
}
