//! Fills the placeholders of a request for one iteration.
//!
//! What must not be here: sending, and any randomness that a seed does not repeat.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::journey::Table;
use crate::plan::{Body, RequestTemplate};

/// What the placeholders stand for in one iteration.
pub(crate) struct Filling<'a> {
    pub(crate) sequence: u64,
    pub(crate) user: u32,
    pub(crate) given: Given<'a>,
    pub(crate) random: &'a mut Random,
    row: Option<u32>,
}

/// Values by name, the first that has one counting.
#[derive(Clone, Copy)]
pub(crate) struct Given<'a> {
    /// Taken from answers: of this journey, then of the sign-in.
    pub(crate) taken: [&'a BTreeMap<String, String>; 2],
    /// Tables, and this iteration's row of each.
    pub(crate) data: (&'a [Table], &'a [usize]),
    pub(crate) values: &'a BTreeMap<String, Vec<String>>,
}

impl<'a> Filling<'a> {
    pub(crate) fn new(sequence: u64, user: u32, given: Given<'a>, random: &'a mut Random) -> Self {
        Self { sequence, user, given, random, row: None }
    }
}

/// A request ready to be sent.
#[derive(Debug, PartialEq)]
pub(crate) struct Filled {
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<(String, Vec<u8>)>,
}

/// Fills a template.
pub(crate) fn fill(template: &RequestTemplate, filling: &mut Filling<'_>) -> Filled {
    Filled {
        path: replace(&template.path, filling, percent_encode),
        headers: template
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), replace(value, filling, str::to_owned)))
            .collect(),
        body: template.body.as_ref().map(|body| fill_body(body, filling)),
    }
}

/// Whether it is the same for every iteration, so that it can be made once.
pub(crate) fn is_fixed(text: &str) -> bool {
    placeholders(text).next().is_none()
}

/// Whether every iteration sends the same body.
pub(crate) fn is_fixed_body(body: &Body) -> bool {
    let (mut texts, mut rows) = (Vec::new(), false);
    body_texts(body, &mut texts, &mut rows);
    // A form has a boundary that differs.
    !matches!(body, Body::File { .. }) && texts.into_iter().all(is_fixed)
}

/// The first placeholder of a request that is neither built in nor `given`.
pub(crate) fn unknown_placeholder(request: &RequestTemplate, given: impl Fn(&str) -> bool) -> Option<String> {
    let mut texts = vec![request.path.as_str()];
    texts.extend(request.headers.values().map(String::as_str));
    let mut rows = false;
    if let Some(body) = &request.body {
        body_texts(body, &mut texts, &mut rows);
    }
    texts.into_iter().flat_map(placeholders).map(|p| bare(p.name).to_owned()).find(|name| {
        let known = matches!(name.as_str(), "sequence" | "user" | "random") || (rows && name == "row");
        let ranged = name.strip_prefix("random:").is_some_and(|range| parse_range(range).is_some());
        !(known || ranged || given(name))
    })
}

/// Whether a placeholder can have this name.
pub(crate) fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_:-".contains(c))
}

fn fill_body(body: &Body, filling: &mut Filling<'_>) -> (String, Vec<u8>) {
    match body {
        Body::Json(value) => {
            ("application/json".to_owned(), fill_json(value, filling).to_string().into_bytes())
        }
        Body::Csv(text) => ("text/csv".to_owned(), replace(text, filling, str::to_owned).into_bytes()),
        Body::Text(text) => {
            ("text/plain; charset=utf-8".to_owned(), replace(text, filling, str::to_owned).into_bytes())
        }
        Body::Form(fields) => {
            let mut form = url::form_urlencoded::Serializer::new(String::new());
            for (name, value) in fields {
                form.append_pair(name, &replace(value, filling, str::to_owned));
            }
            ("application/x-www-form-urlencoded".to_owned(), form.finish().into_bytes())
        }
        Body::Rows { header, row, count } => {
            let mut csv = format!("{}\n", replace(header, filling, str::to_owned));
            for number in 1..=*count {
                filling.row = Some(number);
                csv.push_str(&replace(row, filling, str::to_owned));
                csv.push('\n');
            }
            filling.row = None;
            ("text/csv".to_owned(), csv.into_bytes())
        }
        Body::File { field, file_name, content } => {
            let (content_type, bytes) = fill_body(content, filling);
            let name = replace(file_name, filling, str::to_owned);
            multipart(field, &name, &content_type, &bytes, filling.random.next())
        }
    }
}

fn multipart(field: &str, name: &str, content_type: &str, bytes: &[u8], random: u64) -> (String, Vec<u8>) {
    let boundary = format!("golive-{random:016x}");
    let quoted = |text: &str| text.replace(['"', '\r', '\n'], "_");
    let mut out = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"{}\"; filename=\"{}\"\r\nContent-Type: {content_type}\r\n\r\n",
        quoted(field),
        quoted(name)
    )
    .into_bytes();
    out.extend_from_slice(bytes);
    out.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    (format!("multipart/form-data; boundary={boundary}"), out)
}

fn fill_json(value: &Value, filling: &mut Filling<'_>) -> Value {
    match value {
        Value::String(text) => match sole_number(text, filling) {
            Some(number) => number,
            None => Value::String(replace(text, filling, str::to_owned)),
        },
        Value::Array(items) => items.iter().map(|item| fill_json(item, filling)).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(name, field)| (name.clone(), fill_json(field, filling))).collect()
        }
        other => other.clone(),
    }
}

/// `"{#name}"` as a number.
fn sole_number(text: &str, filling: &mut Filling<'_>) -> Option<Value> {
    let name = text.strip_prefix("{#")?.strip_suffix('}')?;
    let filled = filling.value(name)?;
    filled.parse::<i64>().map(Value::from).or_else(|_| filled.parse::<f64>().map(Value::from)).ok()
}

fn replace(text: &str, filling: &mut Filling<'_>, encode: impl Fn(&str) -> String) -> String {
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for placeholder in placeholders(text) {
        let Some(value) = filling.value(bare(placeholder.name)) else { continue };
        out.push_str(&text[done..placeholder.start]);
        match placeholder.name.starts_with('+') {
            true => out.push_str(&value),
            false => out.push_str(&encode(&value)),
        }
        done = placeholder.end;
    }
    out.push_str(&text[done..]);
    out
}

impl Filling<'_> {
    fn value(&mut self, name: &str) -> Option<String> {
        match name {
            "sequence" => Some(self.sequence.to_string()),
            "user" => Some(self.user.to_string()),
            "row" => self.row.map(|row| row.to_string()),
            "random" => Some(self.random.between(0, 999_999_999).to_string()),
            _ => self.ranged(name).or_else(|| self.given(name)),
        }
    }

    fn ranged(&mut self, name: &str) -> Option<String> {
        let (low, high) = parse_range(name.strip_prefix("random:")?)?;
        Some(self.random.between(low, high).to_string())
    }

    /// Given values go round with the rows of a file, or else with the iterations.
    fn given(&self, name: &str) -> Option<String> {
        let Given { taken, data: (tables, rows), values } = self.given;
        if let Some(value) = taken.iter().find_map(|taken| taken.get(name)) {
            return Some(value.clone());
        }
        if let Some(cell) = tables.iter().zip(rows).find_map(|(table, row)| table.cell(*row, name)) {
            return Some(cell.to_owned());
        }
        let values = values.get(name).filter(|values| !values.is_empty())?;
        let turn = self.row.map_or(self.sequence, |row| self.sequence.wrapping_add(u64::from(row)));
        Some(values[usize::try_from(turn % values.len() as u64).expect("smaller than a length")].clone())
    }
}

struct Placeholder<'t> {
    name: &'t str,
    start: usize,
    end: usize,
}

/// `{name}`, `{#name}` and `{random:1-9}`; braces around anything else, as in JSON text, are text.
fn placeholders(text: &str) -> impl Iterator<Item = Placeholder<'_>> {
    text.match_indices('{').filter_map(|(start, _)| {
        let length = text[start + 1..].find('}')?;
        let name = &text[start + 1..start + 1 + length];
        let named = is_name(bare(name));
        named.then_some(Placeholder { name, start, end: start + length + 2 })
    })
}

fn bare(name: &str) -> &str {
    name.strip_prefix(['#', '+']).unwrap_or(name)
}

fn parse_range(range: &str) -> Option<(u64, u64)> {
    let (low, high) = range.split_once('-')?;
    let (low, high) = (low.parse().ok()?, high.parse().ok()?);
    (low <= high).then_some((low, high))
}

fn percent_encode(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

fn body_texts<'b>(body: &'b Body, texts: &mut Vec<&'b str>, rows: &mut bool) {
    match body {
        Body::Json(value) => json_texts(value, texts),
        Body::Csv(text) | Body::Text(text) => texts.push(text),
        Body::Form(fields) => texts.extend(fields.values().map(String::as_str)),
        Body::Rows { header, row, .. } => {
            *rows = true;
            texts.extend([header.as_str(), row.as_str()]);
        }
        Body::File { file_name, content, .. } => {
            texts.push(file_name);
            body_texts(content, texts, rows);
        }
    }
}

fn json_texts<'b>(value: &'b Value, texts: &mut Vec<&'b str>) {
    match value {
        Value::String(text) => texts.push(text),
        Value::Array(items) => items.iter().for_each(|item| json_texts(item, texts)),
        Value::Object(fields) => fields.values().for_each(|field| json_texts(field, texts)),
        _ => {}
    }
}

/// A small generator (splitmix64) for values that need to differ, not to be secret.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        match (high - low).checked_add(1) {
            Some(span) => low + self.next() % span,
            None => self.next(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn filled(template: &RequestTemplate) -> Filled {
        let values = BTreeMap::from([("line".to_owned(), vec!["A 1".to_owned(), "B/2".to_owned()])]);
        let (taken, none) = (BTreeMap::from([("at".to_owned(), "/lines/1?a=b".to_owned())]), BTreeMap::new());
        let tables =
            [crate::Feeder::csv("line,shift\nfrom data,late\n", crate::FeedOrder::Random).table().unwrap()];
        let tables = if template.path.contains("shift") { &tables[..] } else { &[] };
        let given = Given { taken: [&taken, &none], data: (tables, &[0]), values: &values };
        fill(template, &mut Filling::new(7, 3, given, &mut Random::new(1)))
    }

    #[test]
    fn path_values_are_percent_encoded() {
        let filled = filled(&RequestTemplate::get("/lines/{line}?n={sequence}&u={user}"));
        assert_eq!(filled.path, "/lines/B%2F2?n=7&u=3");
    }

    #[test]
    fn an_address_goes_in_whole_and_data_before_values() {
        assert_eq!(filled(&RequestTemplate::get("{+at}")).path, "/lines/1?a=b");
        assert_eq!(filled(&RequestTemplate::get("/x?at={at}")).path, "/x?at=%2Flines%2F1%3Fa%3Db");
        assert_eq!(filled(&RequestTemplate::get("/{shift}/{line}")).path, "/late/from%20data");
    }

    #[test]
    fn a_form_is_encoded() {
        let fields = BTreeMap::from([("q".to_owned(), "{line} & more".to_owned())]);
        let (content_type, bytes) = filled(&RequestTemplate::post("/", Body::Form(fields))).body.unwrap();
        assert_eq!(content_type, "application/x-www-form-urlencoded");
        assert_eq!(bytes, b"q=B%2F2+%26+more");
    }

    #[test]
    fn what_is_fixed_is_known() {
        assert!(is_fixed("/a?b={}") && !is_fixed("/a/{user}"));
        assert!(is_fixed_body(&Body::Json(json!({"a": ["b", 1]}))));
        assert!(!is_fixed_body(&Body::Json(json!({"a": ["{#user}"]}))));
        let content = Box::new(Body::Csv("a\n1\n".into()));
        assert!(!is_fixed_body(&Body::File { field: "f".into(), file_name: "f".into(), content }));
    }

    #[test]
    fn json_keeps_its_braces_and_gets_numbers() {
        let body = Body::Json(
            json!({"n": "{#sequence}", "s": "no {sequence}", "l": ["{line}"], "q": "{#random:5-5}"}),
        );
        let (content_type, bytes) = filled(&RequestTemplate::post("/", body)).body.unwrap();
        assert_eq!(content_type, "application/json");
        let sent: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(sent, json!({"n": 7, "s": "no 7", "l": ["B/2"], "q": 5}));
    }

    #[test]
    fn rows_count_from_one_and_go_round_the_values() {
        let body = Body::Rows { header: "id,line".into(), row: "{sequence}-{row},{line}".into(), count: 3 };
        let (_, bytes) = filled(&RequestTemplate::post("/", body)).body.unwrap();
        assert_eq!(String::from_utf8(bytes).unwrap(), "id,line\n7-1,A 1\n7-2,B/2\n7-3,A 1\n");
    }

    #[test]
    fn a_file_is_a_form() {
        let content = Box::new(Body::Csv("a\n1\n".into()));
        let body = Body::File { field: "file".into(), file_name: "x\"y.csv".into(), content };
        let (content_type, bytes) = filled(&RequestTemplate::post("/", body)).body.unwrap();
        let boundary = content_type.strip_prefix("multipart/form-data; boundary=").unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert!(
            text.starts_with(&format!("--{boundary}\r\n")) && text.ends_with(&format!("--{boundary}--\r\n"))
        );
        assert!(text.contains("name=\"file\"; filename=\"x_y.csv\"\r\nContent-Type: text/csv\r\n\r\na\n1\n"));
    }

    #[test]
    fn an_unknown_placeholder_is_named() {
        let of = |path: &str| unknown_placeholder(&RequestTemplate::get(path), |name| name == "line");
        assert_eq!(of("/{line}/{+line}/{#line}"), None);
        assert_eq!(of("/{sequence}/{random:1-2}/{user}"), None);
        assert_eq!(of("/{client}").as_deref(), Some("client"));
        assert_eq!(of("/{row}").as_deref(), Some("row"));
        assert_eq!(of("/{random:2-1}").as_deref(), Some("random:2-1"));
    }
}
