//! YAML as a small tree with lines. Merge keys and aliases are resolved; depth and size are bounded.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser};

const MAX_DEPTH: usize = 64;
/// Aliases of aliases grow without end; this many nodes are far more than any compose file has.
const MAX_NODES: usize = 50_000;

/// A value and the line on which it begins.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) line: u32,
    pub(super) value: Value,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    Scalar(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

/// Where and why the text is not YAML.
#[derive(Clone, Debug)]
pub(super) struct YamlError {
    pub(super) line: u32,
    pub(super) reason: String,
}

impl Node {
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|(name, _)| name == key).map(|(_, node)| node)
    }

    /// A value down a path of keys.
    pub(super) fn at(&self, path: &[&str]) -> Option<&Node> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    pub(super) fn entries(&self) -> &[(String, Node)] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    pub(super) fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn is_true(&self) -> bool {
        self.text()
            .is_some_and(|text| ["true", "yes", "on"].iter().any(|word| text.eq_ignore_ascii_case(word)))
    }

    fn count(&self) -> usize {
        1 + match &self.value {
            Value::Scalar(_) => 0,
            Value::List(items) => items.iter().map(Node::count).sum::<usize>(),
            Value::Map(entries) => entries.iter().map(|(_, node)| node.count()).sum(),
        }
    }
}

/// The first document of a text.
pub(super) fn parse(text: &str) -> Result<Node, YamlError> {
    // YAML ends lines at them, editors and findings do not: no line would be the one that is meant.
    if let Some(at) = text.match_indices('\r').map(|(at, _)| at).find(|at| !text[at + 1..].starts_with('\n'))
    {
        let line = u32::try_from(text[..at].matches('\n').count() + 1).unwrap_or(u32::MAX);
        let reason = "a carriage return without a line feed; save it with line feeds".to_owned();
        return Err(YamlError { line, reason });
    }
    let mut builder = Builder { stack: Vec::new(), anchors: HashMap::new(), nodes: 0, done: None };
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| YamlError {
            line: u32::try_from(error.marker().line()).unwrap_or(0),
            reason: error.info().to_owned(),
        })?;
        let line = u32::try_from(span.start.line()).unwrap_or(0);
        builder.event(event, line).map_err(|reason| YamlError { line, reason: reason.into() })?;
        if let Some(done) = builder.done.take() {
            return Ok(done);
        }
    }
    Ok(Node { line: 1, value: Value::Map(Vec::new()) })
}

struct Open {
    anchor: usize,
    line: u32,
    is_map: bool,
    key: Option<String>,
    list: Vec<Node>,
    map: Vec<(String, Node)>,
    merged: Vec<(String, Node)>,
}

struct Builder {
    stack: Vec<Open>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    done: Option<Node>,
}

impl Builder {
    fn event(&mut self, event: Event<'_>, line: u32) -> Result<(), &'static str> {
        match event {
            Event::Scalar(text, _, anchor, _) => {
                let key = self.stack.last().is_some_and(|open| open.is_map && open.key.is_none());
                if key && let Some(open) = self.stack.last_mut() {
                    open.key = Some(text.into_owned());
                    return Ok(());
                }
                self.value(anchor, Node { line, value: Value::Scalar(text.into_owned()) })
            }
            Event::SequenceStart(anchor, _) => self.open(anchor, line, false),
            Event::MappingStart(anchor, _) => self.open(anchor, line, true),
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Alias(anchor) => {
                let node = self.anchors.get(&anchor).cloned().ok_or("an alias that holds itself")?;
                self.nodes += node.count();
                self.value(0, node)
            }
            _ => Ok(()),
        }
    }

    fn open(&mut self, anchor: usize, line: u32, is_map: bool) -> Result<(), &'static str> {
        if self.stack.len() >= MAX_DEPTH {
            return Err("nested too deeply");
        }
        if self.stack.last().is_some_and(|open| open.is_map && open.key.is_none()) {
            return Err("a key that is not text");
        }
        self.stack.push(Open {
            anchor,
            line,
            is_map,
            key: None,
            list: Vec::new(),
            map: Vec::new(),
            merged: Vec::new(),
        });
        Ok(())
    }

    fn close(&mut self) -> Result<(), &'static str> {
        let Some(open) = self.stack.pop() else { return Ok(()) };
        let mut map = open.map;
        for (key, node) in open.merged {
            // What is written here wins over what is merged in.
            if !map.iter().any(|(known, _)| *known == key) {
                map.push((key, node));
            }
        }
        let value = if open.is_map { Value::Map(map) } else { Value::List(open.list) };
        self.value(open.anchor, Node { line: open.line, value })
    }

    fn value(&mut self, anchor: usize, node: Node) -> Result<(), &'static str> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err("too large when its aliases are resolved");
        }
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(open) = self.stack.last_mut() else {
            self.done = Some(node);
            return Ok(());
        };
        if !open.is_map {
            open.list.push(node);
            return Ok(());
        }
        let key = open.key.take().ok_or("a key that is not text")?;
        if key != "<<" {
            open.map.push((key, node));
            return Ok(());
        }
        match node.value {
            Value::Map(entries) => open.merged.extend(entries),
            Value::List(items) => open.merged.extend(items.iter().flat_map(|item| item.entries().to_vec())),
            Value::Scalar(_) => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_merge_keys() {
        let node = parse("x: &base\n  a: 1\n  b: 2\ny:\n  <<: *base\n  b: 3\n").expect("valid");
        assert_eq!(node.at(&["y", "a"]).and_then(Node::text), Some("1"));
        assert_eq!(node.at(&["y", "b"]).map(|node| (node.line, node.text())), Some((6, Some("3"))));
    }

    #[test]
    fn lines_end_where_editors_end_them() {
        assert_eq!(parse("a: 1\r\nb: 2\r\n").expect("valid").get("b").map(|node| node.line), Some(2));
        assert_eq!(parse("a: 1\nb: x\ry\n").err().map(|error| error.line), Some(2));
    }

    #[test]
    fn bounded() {
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..9 {
            let list = vec![format!("*a{}", level - 1); 10].join(", ");
            bomb.push_str(&format!("a{level}: &a{level} [{list}]\n"));
        }
        assert!(parse(&bomb).is_err());
        assert!(parse(&"[".repeat(10_000)).is_err());
        assert!(parse("a: [1").is_err());
    }
}
