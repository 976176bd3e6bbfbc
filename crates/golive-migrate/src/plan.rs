//! The plan: an immutable value that says in full what will be made and in which order. Pure; acting on it makes no
//! choices of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::Serialize;

use crate::core::conversion::Conversion;
use crate::core::order;
use crate::core::types::TargetType;
use crate::finding::{Finding, Severity};
use crate::ident;
use crate::policy::Policy;
use crate::survey::{
    SchemaOrigin, Survey, SurveyedCheck, SurveyedColumn, SurveyedForeignKey, SurveyedIndex,
    SurveyedIndexColumn, SurveyedTable, SurveyedView,
};

/// What an operator decides about a survey.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct PlanOptions {
    /// Blocking findings that are accepted beside those of the survey's policies, by `ID` or `ID:table.column`. Only
    /// `MIG-FK-LENGTH`, `MIG-FK-ORPHAN`, `MIG-FK-TYPE`, `MIG-UNIQUE-COLLISION` and `MIG-CHECK-BROKEN` can be: the foreign
    /// key, unique key or check is then left out; and `MIG-KEY-NULL`: the primary key is then a unique key, which takes NULL.
    /// All others would lose data.
    pub accept: BTreeSet<String>,
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// Blocking findings are unresolved.
    #[error("plan the migration: {} findings block it; the first is {}", .0.len(), .0.first().map(ToString::to_string).unwrap_or_default())]
    Blocked(Vec<Finding>),
    /// There is nothing to move.
    #[error("plan the migration: the source has no tables, check that it is the right file")]
    Empty,
}

/// What will be done, in order.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Plan {
    /// Digest of everything below: a run only continues under the plan that began it.
    pub digest: String,
    /// Fingerprint of the source that was surveyed.
    pub source_digest: String,
    /// Who makes the tables.
    pub schema: SchemaOrigin,
    /// The collation of every table.
    pub collation: String,
    /// Table names in foreign-key order; each tier needs only earlier ones.
    pub tiers: Vec<Vec<String>>,
    /// The tables, in that order.
    pub tables: Vec<PlannedTable>,
    /// The foreign keys, added after all rows.
    pub foreign_keys: Vec<PlannedForeignKey>,
    /// The views, made last.
    pub views: Vec<SurveyedView>,
    /// What will change or deserves to be known, and what was accepted.
    pub findings: Vec<Finding>,
}

/// One table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PlannedTable {
    /// Its name.
    pub name: String,
    /// Its tier, from 1.
    pub tier: usize,
    /// Rows that were surveyed.
    pub rows: u64,
    /// Its columns.
    pub columns: Vec<PlannedColumn>,
    /// Its primary key.
    pub primary_key: Vec<String>,
    /// The statement that makes it, with its primary key and checks; `None` where the application's migrations did.
    pub create: Option<String>,
    /// Indexes added after its rows, all by one statement: name and clause.
    pub indexes: Vec<(String, String)>,
    /// The next number of its AUTO_INCREMENT column.
    pub next_number: Option<u64>,
    /// Conditions in SQLite's words; rows that break one are set aside.
    pub set_aside: Vec<String>,
    /// Columns of unique keys whose colliding rows are set aside, all but the first of each.
    pub set_aside_unique: Vec<Vec<String>>,
    pub(crate) rowid_name: Option<String>,
}

/// What is accepted to be left out of tables, by place.
struct LeftOut {
    unique: BTreeSet<String>,
    checks: BTreeSet<String>,
    /// Columns of primary keys.
    keys: BTreeSet<String>,
}

/// One column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PlannedColumn {
    /// Its name.
    pub name: String,
    /// Its MariaDB type.
    pub target: TargetType,
    /// Whether MariaDB computes it, so that it is not copied.
    pub generated: bool,
    /// Whether it refuses NULL.
    pub not_null: bool,
    /// Conversions of its values; the first that applies to a value is made.
    pub conversions: Vec<Conversion>,
    /// Whether rows whose value does not fit are set aside.
    pub quarantine: bool,
}

/// One foreign key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PlannedForeignKey {
    /// Its name.
    pub name: String,
    /// The referring table.
    pub table: String,
    /// The referring columns.
    pub columns: Vec<String>,
    /// The table referred to.
    pub parent: String,
    /// The columns referred to.
    pub parent_columns: Vec<String>,
    /// The statement that counts rows without a parent; it must find none.
    pub orphans: String,
    /// The clause that adds it; `None` where it is there already.
    pub add: Option<String>,
    /// Whether rows without a parent are set aside.
    pub quarantine: bool,
}

impl Plan {
    /// Makes a plan of a survey.
    ///
    /// # Errors
    /// While blocking findings are neither mended nor acceptable and accepted.
    pub fn new(survey: &Survey, options: &PlanOptions) -> Result<Self, PlanError> {
        let accepted = |finding: &Finding| {
            finding.offers.contains(&Policy::Accept)
                && (options.accept.contains(finding.id)
                    || options.accept.contains(&finding.selector())
                    || survey.policies.is_accepted(finding))
        };
        let open: Vec<Finding> = survey
            .findings
            .iter()
            .filter(|finding| finding.severity == Severity::Blocks && !accepted(finding))
            .cloned()
            .collect();
        if !open.is_empty() {
            return Err(PlanError::Blocked(open));
        }
        if survey.tables.is_empty() {
            return Err(PlanError::Empty);
        }
        let accepted: Vec<&Finding> = survey.findings.iter().filter(|finding| accepted(finding)).collect();
        let of = |ids: &[&str]| -> BTreeSet<String> {
            accepted
                .iter()
                .filter(|finding| ids.contains(&finding.id))
                .map(|finding| finding.place())
                .collect()
        };
        let left_out = of(&["MIG-FK-LENGTH", "MIG-FK-ORPHAN", "MIG-FK-TYPE"]);
        let without = LeftOut {
            unique: of(&["MIG-UNIQUE-COLLISION"]),
            checks: of(&["MIG-CHECK-BROKEN"]),
            keys: of(&["MIG-KEY-NULL"]),
        };
        let tiers = tiers(survey);
        let mut tables = Vec::with_capacity(survey.tables.len());
        for (tier, names) in tiers.iter().enumerate() {
            let in_tier =
                names.iter().filter_map(|name| survey.tables.iter().find(|table| table.name == *name));
            tables.extend(in_tier.map(|table| match with_unique_key(table, &without) {
                Some(table) => planned(&table, tier + 1, survey, &without),
                None => planned(table, tier + 1, survey, &without),
            }));
        }
        let keys =
            survey.tables.iter().flat_map(|table| table.foreign_keys.iter().map(move |key| (table, key)));
        let foreign_keys: Vec<PlannedForeignKey> = keys
            .filter(|(table, key)| !is_left_out(&left_out, &table.name, key))
            .map(|(table, key)| planned_key(&table.name, key, survey.schema))
            .collect();
        let mut plan = Self {
            digest: String::new(),
            source_digest: survey.source_digest.clone(),
            schema: survey.schema,
            collation: survey.collation.clone(),
            tiers,
            tables,
            foreign_keys,
            views: survey.views.clone(),
            findings: survey.findings.clone(),
        };
        plan.digest = plan.compute_digest();
        Ok(plan)
    }

    /// Of the statements, and of what is done to rows on their way.
    fn compute_digest(&self) -> String {
        let mut text = self.statements().join(";\n");
        for table in &self.tables {
            for column in
                table.columns.iter().filter(|column| column.quarantine || !column.conversions.is_empty())
            {
                let _ = write!(
                    text,
                    "\n{}.{} {:?} {}",
                    table.name, column.name, column.conversions, column.quarantine
                );
            }
            let _ = write!(text, "\n{}\n{:?}", table.set_aside.join("\n"), table.set_aside_unique);
        }
        for key in self.foreign_keys.iter().filter(|key| key.quarantine) {
            let _ = write!(text, "\n{} is set aside", key.name);
        }
        blake3::hash(text.as_bytes()).to_hex().to_string()
    }

    /// Every statement that shapes the target, in order; the rows come between tables and indexes.
    pub fn statements(&self) -> Vec<String> {
        let mut statements: Vec<String> =
            self.tables.iter().filter_map(|table| table.create.clone()).collect();
        statements.extend(self.tables.iter().filter_map(PlannedTable::add_indexes));
        statements.extend(self.foreign_keys.iter().filter_map(PlannedForeignKey::statement));
        statements.extend(self.tables.iter().filter_map(PlannedTable::set_next_number));
        statements.extend(self.views.iter().map(|view| view.create.clone()));
        statements
    }

    /// Rows of all tables.
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|table| table.rows).sum()
    }
}

impl PlannedTable {
    fn add_indexes(&self) -> Option<String> {
        let clauses: Vec<&str> = self.indexes.iter().map(|(_, clause)| clause.as_str()).collect();
        (!clauses.is_empty())
            .then(|| format!("ALTER TABLE {} {}", ident::mariadb(&self.name), clauses.join(", ")))
    }

    pub(crate) fn set_next_number(&self) -> Option<String> {
        self.next_number
            .map(|next| format!("ALTER TABLE {} AUTO_INCREMENT = {next}", ident::mariadb(&self.name)))
    }

    /// The columns that are copied.
    pub(crate) fn copied(&self) -> impl Iterator<Item = &PlannedColumn> {
        self.columns.iter().filter(|column| !column.generated)
    }
}

impl PlannedForeignKey {
    fn statement(&self) -> Option<String> {
        self.add.as_ref().map(|add| format!("ALTER TABLE {} {add}", ident::mariadb(&self.table)))
    }
}

impl std::fmt::Display for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "plan {} for the source {}",
            &self.digest[..16],
            &self.source_digest[..16.min(self.source_digest.len())]
        )?;
        writeln!(
            f,
            "{} tables in {} tiers, {} rows, {} foreign keys",
            self.tables.len(),
            self.tiers.len(),
            self.rows(),
            self.foreign_keys.len()
        )?;
        for (number, tier) in self.tiers.iter().enumerate() {
            writeln!(f, "  tier {:>2}: {}", number + 1, tier.join(", "))?;
        }
        if !self.findings.is_empty() {
            writeln!(f, "\nfindings")?;
            for finding in &self.findings {
                writeln!(f, "  {finding}")?;
            }
        }
        writeln!(f, "\n1. make the tables")?;
        for create in self.tables.iter().filter_map(|table| table.create.as_ref()) {
            writeln!(f, "{create};")?;
        }
        writeln!(f, "\n2. copy the rows, from one read snapshot")?;
        for table in &self.tables {
            writeln!(f, "  {:<40} {:>12} rows", table.name, table.rows)?;
        }
        writeln!(f, "\n3. add indexes, prove that every reference has its parent, add the foreign keys")?;
        let made = self.tables.iter().filter(|table| table.create.is_some()).count();
        for statement in self.statements().iter().skip(made) {
            writeln!(f, "{statement};")?;
        }
        Ok(())
    }
}

fn tiers(survey: &Survey) -> Vec<Vec<String>> {
    let parents: BTreeMap<String, BTreeSet<String>> = survey
        .tables
        .iter()
        .map(|table| (table.name.clone(), table.foreign_keys.iter().map(|key| key.parent.clone()).collect()))
        .collect();
    order::order(&parents).tiers
}

/// Findings name the columns in the source's order, the key may hold them in its parent's.
fn is_left_out(left_out: &BTreeSet<String>, table: &str, key: &SurveyedForeignKey) -> bool {
    let sorted = |columns: Vec<&str>| {
        let mut columns = columns;
        columns.sort_unstable();
        columns.join(",")
    };
    let own = sorted(key.columns.iter().map(String::as_str).collect());
    left_out.iter().any(|place| {
        place.strip_prefix(table).and_then(|rest| rest.strip_prefix('.')).is_some_and(|columns| {
            let named: Vec<&str> = columns.split(", ").collect();
            let part = named.len() == 1 && key.columns.iter().any(|column| column == named[0]);
            part || sorted(named) == own
        })
    })
}

/// The table with a unique key in the place of its primary key, where NULL in it was accepted: both bind the same rows.
fn with_unique_key(table: &SurveyedTable, without: &LeftOut) -> Option<SurveyedTable> {
    let accepted = |name: &String| without.keys.contains(&format!("{}.{name}", table.name));
    if !table.primary_key.iter().any(accepted) {
        return None;
    }
    let mut table = table.clone();
    let key = std::mem::take(&mut table.primary_key);
    for column in table.columns.iter_mut().filter(|column| key.contains(&column.name)) {
        column.not_null &= column.census.nulls == 0;
    }
    let mut name = ident::bounded(&["pk", &table.name]);
    while table.indexes.iter().any(|index| index.name.eq_ignore_ascii_case(&name)) {
        name = ident::bounded(&[&name, "2"]);
    }
    let columns = key.into_iter().map(|name| SurveyedIndexColumn { name, descending: false, prefix: None });
    let columns = columns.collect();
    table.indexes.push(SurveyedIndex { name, unique: true, columns, helper: None, quarantine: false });
    Some(table)
}

fn planned(table: &SurveyedTable, tier: usize, survey: &Survey, without: &LeftOut) -> PlannedTable {
    let column = |column: &SurveyedColumn| PlannedColumn {
        name: column.name.clone(),
        target: column.target,
        generated: column.generated.is_some(),
        not_null: column.not_null,
        conversions: column.conversions.clone(),
        quarantine: column.quarantine,
    };
    let index = |index: &SurveyedIndex| {
        let accepted = without.unique.contains(&format!("{}.{}", table.name, index.name));
        (index.name.clone(), index_clause(index, index.unique && !accepted))
    };
    let checks: Vec<&SurveyedCheck> = table
        .checks
        .iter()
        .filter(|check| check.breaking == 0 || check.quarantine || !without.checks.contains(&table.name))
        .collect();
    let set_aside_unique = table.indexes.iter().filter(|index| index.quarantine);
    PlannedTable {
        name: table.name.clone(),
        tier,
        rows: table.rows,
        columns: table.columns.iter().map(column).collect(),
        primary_key: table.primary_key.clone(),
        create: (survey.schema == SchemaOrigin::Source)
            .then(|| create_table(table, &survey.collation, &checks)),
        indexes: table.indexes.iter().map(index).collect(),
        next_number: table.auto_increment.as_ref().map(|(_, next)| *next),
        set_aside: checks.iter().filter(|check| check.quarantine).map(|check| check.source.clone()).collect(),
        set_aside_unique: set_aside_unique
            .map(|index| index.columns.iter().map(|column| column.name.clone()).collect())
            .collect(),
        rowid_name: table.rowid_name.clone(),
    }
}

fn create_table(table: &SurveyedTable, collation: &str, checks: &[&SurveyedCheck]) -> String {
    let auto = table.auto_increment.as_ref().map(|(column, _)| column);
    let mut lines: Vec<String> =
        table.columns.iter().map(|column| column_line(column, auto == Some(&column.name))).collect();
    if !table.primary_key.is_empty() {
        lines.push(format!("PRIMARY KEY ({})", ident::mariadb_list(&table.primary_key)));
    }
    for (number, check) in checks.iter().enumerate() {
        let name = ident::bounded(&["ck", &table.name, &(number + 1).to_string()]);
        lines.push(format!("CONSTRAINT {} CHECK ({})", ident::mariadb(&name), check.clause));
    }
    format!(
        "CREATE TABLE IF NOT EXISTS {} (\n  {}\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation} ROW_FORMAT=DYNAMIC",
        ident::mariadb(&table.name),
        lines.join(",\n  ")
    )
}

fn column_line(column: &SurveyedColumn, auto_increment: bool) -> String {
    let mut line = format!("{} {}", ident::mariadb(&column.name), column.target);
    if let Some(expression) = &column.generated {
        let _ = write!(line, " GENERATED ALWAYS AS ({expression}) STORED");
        return line;
    }
    if column.not_null {
        line.push_str(" NOT NULL");
    }
    if auto_increment {
        line.push_str(" AUTO_INCREMENT");
    } else if let Some(default) = &column.default {
        let _ = write!(line, " DEFAULT {default}");
    }
    line
}

fn index_clause(index: &SurveyedIndex, unique: bool) -> String {
    let columns: Vec<String> = index
        .columns
        .iter()
        .map(|column| {
            let mut text = ident::mariadb(&column.name);
            if let Some(prefix) = column.prefix {
                let _ = write!(text, "({prefix})");
            }
            // Downward order came with 10.8; before it the words are taken and passed over, which is right too.
            text + if column.descending { " DESC" } else { "" }
        })
        .collect();
    let kind = if unique { "UNIQUE KEY" } else { "KEY" };
    let mut columns = columns;
    let mut clause = String::new();
    if let Some(helper) = &index.helper {
        let name = ident::mariadb(&helper.name);
        let _ = write!(clause, "ADD COLUMN {name} TINYINT(1) AS ({}) VIRTUAL INVISIBLE, ", helper.expression);
        columns.push(name);
    }
    let _ = write!(clause, "ADD {kind} {} ({})", ident::mariadb(&index.name), columns.join(", "));
    clause
}

fn planned_key(table: &str, key: &SurveyedForeignKey, schema: SchemaOrigin) -> PlannedForeignKey {
    let joined: Vec<String> = key
        .columns
        .iter()
        .zip(&key.parent_columns)
        .map(|(column, parent)| format!("p.{} = c.{}", ident::mariadb(parent), ident::mariadb(column)))
        .collect();
    let given: Vec<String> =
        key.columns.iter().map(|column| format!("c.{} IS NOT NULL", ident::mariadb(column))).collect();
    let orphans = format!(
        "SELECT COUNT(*) FROM {} c LEFT JOIN {} p ON {} WHERE {} AND p.{} IS NULL",
        ident::mariadb(table),
        ident::mariadb(&key.parent),
        joined.join(" AND "),
        given.join(" AND "),
        ident::mariadb(&key.parent_columns[0]),
    );
    let add = format!(
        "ADD CONSTRAINT {} FOREIGN KEY ({}) REFERENCES {} ({}) ON DELETE {} ON UPDATE {}",
        ident::mariadb(&key.name),
        ident::mariadb_list(&key.columns),
        ident::mariadb(&key.parent),
        ident::mariadb_list(&key.parent_columns),
        key.on_delete,
        key.on_update,
    );
    PlannedForeignKey {
        name: key.name.clone(),
        table: table.to_owned(),
        columns: key.columns.clone(),
        parent: key.parent.clone(),
        parent_columns: key.parent_columns.clone(),
        orphans,
        add: (schema == SchemaOrigin::Source).then_some(add),
        quarantine: key.quarantine,
    }
}
