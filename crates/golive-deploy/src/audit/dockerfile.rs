//! The audit of a Dockerfile. Parsing is the kept crate's; what matters in production is said here.

use std::collections::HashSet;

use parse_dockerfile::{Command, FromInstruction, Instruction, Source, Span};

use super::{ImagePin, image_pin, is_secret_name};
use crate::finding::Finding;

/// Stages built upon one another; more than anybody writes.
const MAX_LINEAGE: usize = 32;

pub(super) fn audit(name: &str, text: &str) -> Vec<Finding> {
    let lines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at).collect();
    let mut audit = Audit { name, lines, findings: Vec::new() };
    match parse_dockerfile::parse(text) {
        Ok(file) => {
            let stages: Vec<Stage<'_, '_>> = file
                .stages()
                .map(|stage| Stage { from: stage.from, instructions: stage.instructions })
                .collect();
            audit.images(&stages);
            for instruction in &file.instructions {
                audit.instruction(instruction);
            }
            if let Some(last) = stages.last() {
                audit.last_stage(stages.len(), last, &lineage(&stages, last));
            }
        }
        Err(error) => {
            let line = u32::try_from(error.line()).unwrap_or(0);
            audit
                .findings
                .push(Finding::of("DEP-001", "is not a Dockerfile that can be parsed").at(name, line));
        }
    }
    audit.findings
}

/// One FROM with what follows it.
#[derive(Clone, Copy)]
struct Stage<'a, 'b> {
    from: &'b FromInstruction<'a>,
    instructions: &'b [Instruction<'a>],
}

struct Audit<'a> {
    name: &'a str,
    /// Where the lines end.
    lines: Vec<usize>,
    findings: Vec<Finding>,
}

impl Audit<'_> {
    fn find(&mut self, id: &'static str, span: &Span, message: impl Into<String>) {
        let line = u32::try_from(self.lines.partition_point(|&end| end < span.start)).unwrap_or(0) + 1;
        self.findings.push(Finding::of(id, message).at(self.name, line));
    }

    /// What of its line the last finding is about.
    fn about(&mut self, token: impl Into<String>) {
        if let Some(finding) = self.findings.pop() {
            self.findings.push(finding.about(token));
        }
    }

    fn images(&mut self, stages: &[Stage<'_, '_>]) {
        let mut known: HashSet<String> = HashSet::new();
        for stage in stages {
            let image = &stage.from.image.value;
            let own = known.contains(&image.to_ascii_lowercase());
            if !own && image != "scratch" && !image.contains('$') {
                match image_pin(image) {
                    ImagePin::None => {
                        let message = format!("the base image {image} has no version");
                        self.find("DEP-104", &stage.from.from.span, message);
                        self.about(image.as_ref());
                    }
                    ImagePin::Tag => {
                        let message = format!("the base image {image} has no digest");
                        self.find("DEP-105", &stage.from.from.span, message);
                        self.about(image.as_ref());
                    }
                    ImagePin::Digest => {}
                }
            }
            known.extend(stage.from.as_.as_ref().map(|(_, name)| name.value.to_ascii_lowercase()));
        }
    }

    fn instruction(&mut self, instruction: &Instruction<'_>) {
        match instruction {
            Instruction::Env(env) => self.variables(&env.env.span, "ENV", &env.arguments.value),
            Instruction::Arg(arg) => self.variables(&arg.arg.span, "ARG", &arg.arguments.value),
            Instruction::Add(add) => {
                let span = add.add.span.clone();
                let sources: Vec<&str> = add.src.iter().filter_map(path).collect();
                let remote = sources
                    .iter()
                    .any(|source| source.starts_with("http://") || source.starts_with("https://"));
                let checked = add.options.iter().any(|flag| flag.name.value == "checksum");
                let archive =
                    sources.iter().any(|source| source.contains(".tar") || source.ends_with(".tgz"));
                if remote && !checked {
                    self.find("DEP-109", &span, "ADD fetches from a URL without a checksum");
                } else if !remote && !archive {
                    self.find("DEP-110", &span, "ADD where COPY is meant");
                }
            }
            Instruction::Run(run) => {
                let span = run.run.span.clone();
                let mut script = command_text(&run.arguments);
                for here in &run.here_docs {
                    script.push('\n');
                    script.push_str(&here.value);
                }
                self.script(&span, &script);
            }
            _ => {}
        }
    }

    fn variables(&mut self, span: &Span, keyword: &str, arguments: &str) {
        for name in assigned_names(arguments) {
            if is_secret_name(&name) {
                self.find("DEP-106", span, format!("{keyword} {name} puts a secret into the image"));
                self.about(name);
            }
        }
    }

    fn script(&mut self, span: &Span, script: &str) {
        let words: Vec<&str> = script.split_whitespace().collect();
        if words.first() == Some(&"sudo")
            || words.windows(2).any(|pair| ["&&", ";", "||"].contains(&pair[0]) && pair[1] == "sudo")
        {
            self.find("DEP-113", span, "RUN uses sudo");
            self.about("sudo");
        }
        let downloads = words.iter().any(|word| ["curl", "wget"].contains(word));
        let piped = script.split('|').skip(1).any(|part| {
            part.split_whitespace()
                .find(|word| *word != "sudo")
                .is_some_and(|word| ["sh", "bash", "ash", "zsh", "/bin/sh", "/bin/bash"].contains(&word))
        });
        if downloads && piped {
            self.find("DEP-112", span, "RUN pipes a download into a shell");
        }
    }

    fn last_stage(&mut self, stages: usize, last: &Stage<'_, '_>, lineage: &[Stage<'_, '_>]) {
        let span = last.from.from.span.clone();
        if stages < 2 && has_build_tools(last) {
            self.find("DEP-101", &span, "one stage builds and runs");
        }
        self.user(last, lineage);
        self.health(lineage, &span);
        self.command(lineage, &span);
        for instruction in last.instructions {
            if let Instruction::Copy(copy) = instruction {
                let from = copy.options.iter().any(|flag| flag.name.value == "from");
                let whole = copy.src.iter().filter_map(path).any(|source| matches!(source, "." | "./" | "/"));
                if whole && !from {
                    self.find("DEP-111", &copy.copy.span, "the whole context is copied into the final stage");
                }
            }
        }
    }

    fn user(&mut self, last: &Stage<'_, '_>, lineage: &[Stage<'_, '_>]) {
        let user = lineage.iter().flat_map(|stage| stage.instructions.iter().rev()).find_map(|instruction| {
            match instruction {
                Instruction::User(user) => Some(user),
                _ => None,
            }
        });
        let Some(user) = user else {
            // Images made for it run as another user already.
            let image = lineage.last().map(|stage| stage.from.image.value.to_string()).unwrap_or_default();
            if !image.contains("nonroot") && !image.contains("unprivileged") {
                self.find(
                    "DEP-102",
                    &last.from.from.span,
                    "the final stage has no USER, so that it runs as root",
                );
            }
            return;
        };
        let id = user.arguments.value.split(':').next().unwrap_or_default().trim().to_owned();
        if id == "root" || id == "0" {
            self.find("DEP-102", &user.user.span, "the last USER is root");
            self.about(id);
        } else if id.parse::<u32>().is_err() && !id.contains('$') {
            self.find("DEP-103", &user.user.span, format!("USER {id} is a name"));
            self.about(id);
        }
    }

    fn health(&mut self, lineage: &[Stage<'_, '_>], span: &Span) {
        let check =
            lineage.iter().flat_map(|stage| stage.instructions.iter().rev()).find_map(|instruction| {
                match instruction {
                    Instruction::Healthcheck(check) => {
                        Some(!matches!(check.arguments, parse_dockerfile::HealthcheckArguments::None { .. }))
                    }
                    _ => None,
                }
            });
        if check != Some(true) {
            self.find("DEP-107", span, "no HEALTHCHECK in the final stage");
        }
    }

    fn command(&mut self, lineage: &[Stage<'_, '_>], span: &Span) {
        let mut any = false;
        for stage in lineage {
            for instruction in stage.instructions {
                let (keyword, command, word) = match instruction {
                    Instruction::Cmd(cmd) => (&cmd.cmd.span, &cmd.arguments, "CMD"),
                    Instruction::Entrypoint(entry) => {
                        (&entry.entrypoint.span, &entry.arguments, "ENTRYPOINT")
                    }
                    _ => continue,
                };
                any = true;
                if !matches!(command, Command::Exec(_)) {
                    self.find("DEP-108", keyword, format!("{word} is in shell form"));
                }
            }
        }
        let base = lineage.last().map(|stage| stage.from.image.value.as_ref()).unwrap_or_default();
        if !any && !is_program(base) {
            self.find("DEP-114", span, "neither CMD nor ENTRYPOINT");
        }
    }
}

/// Images that are a program, not a platform for one: their own command is what is wanted.
fn is_program(image: &str) -> bool {
    const PROGRAMS: [&str; 14] = [
        "nginx",
        "httpd",
        "caddy",
        "traefik",
        "haproxy",
        "envoy",
        "mariadb",
        "mysql",
        "postgres",
        "redis",
        "valkey",
        "memcached",
        "grafana",
        "prometheus",
    ];
    let name = image.rsplit('/').next().unwrap_or(image);
    PROGRAMS.iter().any(|program| name.starts_with(program))
}

/// The stage itself and those it is built FROM, nearest first.
fn lineage<'a, 'b>(stages: &[Stage<'a, 'b>], last: &Stage<'a, 'b>) -> Vec<Stage<'a, 'b>> {
    let mut line = vec![*last];
    let mut from: &FromInstruction<'_> = last.from;
    // Bounded, whatever the names say.
    for _ in 0..MAX_LINEAGE {
        let named = |stage: &&Stage<'_, '_>| {
            stage
                .from
                .as_
                .as_ref()
                .is_some_and(|(_, name)| name.value.eq_ignore_ascii_case(&from.image.value))
                && !std::ptr::eq(stage.from, from)
        };
        let Some(parent) = stages.iter().find(named) else { break };
        line.push(*parent);
        from = parent.from;
    }
    line
}

fn has_build_tools(stage: &Stage<'_, '_>) -> bool {
    const TOOLS: &[&str] =
        &["gcc", "g++", "make", "build-essential", "cargo", "npm", "yarn", "pnpm", "mvn", "gradle", "go"];
    stage.instructions.iter().any(|instruction| match instruction {
        Instruction::Run(run) => {
            command_text(&run.arguments).split_whitespace().any(|word| TOOLS.contains(&word))
        }
        _ => false,
    })
}

fn command_text(command: &Command<'_>) -> String {
    match command {
        Command::Exec(list) => {
            list.value.iter().map(|part| part.value.as_ref()).collect::<Vec<_>>().join(" ")
        }
        Command::Shell(text) => text.value.to_string(),
        _ => String::new(),
    }
}

fn path<'b>(source: &'b Source<'_>) -> Option<&'b str> {
    match source {
        Source::Path(path) => Some(&path.value),
        _ => None,
    }
}

/// Names in `A=1 B="x y"`, in the old `NAME value`, or in a bare `NAME`. A secret's file is not a secret.
fn assigned_names(arguments: &str) -> Vec<String> {
    if !arguments.contains('=') {
        return arguments.split_whitespace().next().map(str::to_owned).into_iter().collect();
    }
    let mut names = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    for c in arguments.chars().chain([' ']) {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, c) if c.is_whitespace() => {
                names.extend(word.split_once('=').map(|(name, _)| name.to_owned()));
                word.clear();
            }
            (_, c) => word.push(c),
        }
    }
    names
}
