//! Random schemas with random data arrive whole, and one changed cell is always found.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod support;

use std::fmt::Write as _;

use golive_migrate::{
    CopyOptions, Method, MismatchKind, Source, Target, TargetOptions, Verdict, VerifyOptions,
    add_constraints, copy, create_schema, verify,
};

/// SplitMix64: the same number gives the same database on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len() as u64) as usize]
    }
}

const TYPES: [&str; 14] = [
    "integer",
    "boolean",
    "real(12, 4)",
    "real_decimal",
    "float",
    "double",
    "varchar(30)",
    "text",
    "datetime_text",
    "timestamp_with_timezone_text",
    "date_text",
    "time_text",
    "json_text",
    "blob",
];
const NAMES: [&str; 8] =
    ["select", "Group", "tab le", "quo\"te", "back`tick", "ünïcode", "semi;colon", "per%cent"];

fn value(random: &mut Random, declared: &str) -> String {
    if random.below(8) == 0 {
        return "NULL".to_owned();
    }
    let number = random.next();
    match declared {
        "integer" => (number as i64).to_string(),
        "boolean" => (number % 2).to_string(),
        "real(12, 4)" => format!("{}.{:04}", (number % 100_000_000) as i64 - 50_000_000, number % 10_000),
        "real_decimal" => format!("{}.{}", number % 1_000, number % 1_000_000),
        "float" | "double" => format!("{:e}", f64::from_bits(number & 0xbfef_ffff_ffff_ffff)),
        "datetime_text" => {
            format!("datetime({}, 'unixepoch') || '.{:06}'", number % 4_000_000_000, number % 1_000_000)
        }
        "timestamp_with_timezone_text" => {
            format!(
                "strftime('%Y-%m-%dT%H:%M:%S', {}, 'unixepoch') || '{}'",
                number % 4_000_000_000,
                random.pick(&["Z", "+00:00", "-05:30"])
            )
        }
        "date_text" => format!("date({}, 'unixepoch')", number % 4_000_000_000),
        "time_text" => format!("time({}, 'unixepoch')", number % 4_000_000_000),
        "json_text" => format!("'{{\"a\": [{}, \"\\n\\\\\", null, 1.50]}}'", number % 99),
        "blob" => format!("x'{number:016x}00ff0a09'"),
        _ => {
            let mut text = String::new();
            for _ in 0..number % 9 {
                text.push_str(
                    random
                        .pick(&["a", "A", " ", "é", "😀", "''", "\\", "\t", "\n", "\r", "\u{1}", "\\N", "%"]),
                );
            }
            format!("'{text}'")
        }
    }
}

fn schema(random: &mut Random) -> String {
    let mut sql = String::new();
    for table in 0..3 + random.below(3) {
        let name = format!("t{table} {}", random.pick(&NAMES)).replace('"', "\"\"");
        let columns: Vec<(String, &str)> = (0..2 + random.below(7))
            .map(|at| (format!("c{at}{}", random.pick(&NAMES)).replace('"', "\"\""), random.pick(&TYPES)))
            .collect();
        let mut parts: Vec<String> =
            columns.iter().map(|(name, declared)| format!("\"{name}\" {declared}")).collect();
        let (key, tail) = match random.below(4) {
            0 => ("\"k\" integer PRIMARY KEY AUTOINCREMENT", ""),
            1 => ("\"k\" varchar(40) NOT NULL PRIMARY KEY", ""),
            2 => (
                "\"k\" integer NOT NULL, \"k2\" date_text NOT NULL DEFAULT '2024-01-01', PRIMARY KEY (k2, k)",
                " WITHOUT ROWID",
            ),
            _ => ("\"k\" integer", ""),
        };
        if key.contains("PRIMARY KEY (") {
            let (columns, primary) = key.split_once(", PRIMARY").unwrap();
            parts.insert(0, columns.to_owned());
            parts.push(format!("PRIMARY{primary}"));
        } else {
            parts.insert(0, key.to_owned());
        }
        writeln!(sql, "CREATE TABLE \"{name}\" ({}){tail};", parts.join(", ")).unwrap();
        let names: Vec<String> = columns.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        for row in 0..random.below(400) {
            let values: Vec<String> = columns.iter().map(|(_, declared)| value(random, declared)).collect();
            writeln!(
                sql,
                "INSERT INTO \"{name}\" (k, {}) VALUES ({row}, {});",
                names.join(", "),
                values.join(", ")
            )
            .unwrap();
        }
    }
    sql
}

#[tokio::test(flavor = "multi_thread")]
async fn random_databases_arrive_whole_and_a_changed_cell_is_found() {
    let db = support::server();
    for seed in 0..8 {
        let mut random = Random(seed);
        let folder = tempfile::tempdir().unwrap();
        let sql = format!("BEGIN; {} COMMIT;", schema(&mut random));
        let source = Source::open(&support::sqlite(folder.path(), &sql)).unwrap();
        let database = format!("random{seed}");
        db.create_database(&database).unwrap();
        let target = Target::connect(&TargetOptions::new(db.url(&database).into())).await.unwrap();
        let (_, plan) = support::plan(&source, &target).await;
        create_schema(&target, &plan).await.unwrap();
        let mut options = CopyOptions::default();
        options.chunk_rows = 1 + random.below(150) as usize;
        copy(&source, &target, &plan, &options, &|_| {})
            .await
            .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        add_constraints(&target, &plan).await.unwrap();
        let verification = support::check(&source, &target).await;
        assert_eq!(verification.verdict, Verdict::Match, "seed {seed}: {verification:#?}");

        let mut far_away = VerifyOptions::default();
        far_away.method = Method::Digests { chunk_rows: 1 + random.below(60) };
        let digested = verify(&source, &target, &far_away, &|_| {}).await.unwrap();
        assert_eq!(digested.verdict, Verdict::Match, "seed {seed}: {digested:#?}");
        assert_eq!(digested.tables.iter().map(|table| table.chunks_differing).sum::<u64>(), 0, "seed {seed}");

        let filled: Vec<_> = plan.tables.iter().filter(|table| table.rows > 0).collect();
        let table = filled[random.below(filled.len() as u64) as usize];
        let column =
            &table.columns.iter().rfind(|column| !table.primary_key.contains(&column.name)).unwrap().name;
        let (quoted, column_quoted) =
            (format!("`{}`", table.name.replace('`', "``")), format!("`{}`", column.replace('`', "``")));
        db.execute(&format!(
            "USE {database}; UPDATE {quoted} SET {column_quoted} = IF({column_quoted} IS NULL, DEFAULT({column_quoted}), NULL) \
             WHERE {column_quoted} IS NOT NULL LIMIT 1"
        ))
        .unwrap();
        let verification = support::check(&source, &target).await;
        let found = verification.tables.iter().find(|one| one.name == table.name).unwrap();
        assert_eq!(verification.mismatch_count(), 1, "seed {seed}: {verification:#?}");
        assert_eq!(found.mismatches[0].kind, MismatchKind::Differs, "seed {seed}: {found:#?}");
        assert_eq!(found.mismatches[0].column.as_deref(), Some(column.as_str()), "seed {seed}");
        let digested = verify(&source, &target, &far_away, &|_| {}).await.unwrap();
        let same = digested.tables.iter().find(|one| one.name == table.name).unwrap();
        assert_eq!(same.mismatches, found.mismatches, "seed {seed}");
    }
}
