//! Which grants a complete dump needs. Lacking TRIGGER or access to routines, `mariadb-dump` leaves them out and
//! reports success; the account cannot see them in `information_schema` either, so no comparison would notice.

/// The grants on `database` that the lines of `SHOW GRANTS` do not give.
pub(crate) fn missing(grants: &[String], database: &str) -> Vec<&'static str> {
    let given = |privilege: &str| grants.iter().any(|line| gives(line, privilege, database));
    let mut missing: Vec<&'static str> = ["SELECT", "SHOW VIEW", "TRIGGER", "EVENT"]
        .into_iter()
        .filter(|privilege| !given(privilege))
        .collect();
    let routines = grants.iter().any(|line| gives(line, "SELECT", "mysql") || gives_on_proc(line))
        || given("SHOW CREATE ROUTINE")
        // These make routines visible; a body that stays hidden is found when definitions are read.
        || ["EXECUTE", "ALTER ROUTINE", "CREATE ROUTINE"].into_iter().any(given);
    if !routines {
        missing.push("SELECT ON mysql.proc");
    }
    missing
}

fn gives(line: &str, privilege: &str, database: &str) -> bool {
    let Some((privileges, scope)) = split(line) else { return false };
    let covers = scope == "*.*"
        || scope.strip_suffix(".*").is_some_and(|pattern| matches_pattern(&unquote(pattern), database));
    covers && holds(privileges, privilege)
}

fn gives_on_proc(line: &str) -> bool {
    split(line).is_some_and(|(privileges, scope)| {
        scope.replace('`', "") == "mysql.proc" && holds(privileges, "SELECT")
    })
}

fn holds(privileges: &str, privilege: &str) -> bool {
    privileges.split(", ").map(str::trim).any(|held| held == "ALL PRIVILEGES" || held == privilege)
}

/// `GRANT <privileges> ON <scope> TO ...`
fn split(line: &str) -> Option<(&str, &str)> {
    let (privileges, rest) = line.strip_prefix("GRANT ")?.split_once(" ON ")?;
    let (scope, _) = rest.split_once(" TO ")?;
    Some((privileges, scope))
}

fn unquote(name: &str) -> String {
    name.trim_matches('`').replace("``", "`")
}

/// The pattern of a database grant: `%` and `_` are wildcards unless escaped.
fn matches_pattern(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    matches_from(&pattern, &name)
}

fn matches_from(pattern: &[char], name: &[char]) -> bool {
    match pattern {
        [] => name.is_empty(),
        ['%', rest @ ..] => (0..=name.len()).any(|skipped| matches_from(rest, &name[skipped..])),
        ['\\', literal, rest @ ..] => name.first() == Some(literal) && matches_from(rest, &name[1..]),
        ['_', rest @ ..] => !name.is_empty() && matches_from(rest, &name[1..]),
        [literal, rest @ ..] => name.first() == Some(literal) && matches_from(rest, &name[1..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[&str]) -> Vec<String> {
        text.iter().map(|line| (*line).to_owned()).collect()
    }

    #[test]
    fn everything_given_globally_or_on_the_database_is_enough() {
        let root = lines(&["GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` WITH GRANT OPTION"]);
        assert!(missing(&root, "kpi").is_empty());
        let narrow = lines(&[
            "GRANT RELOAD ON *.* TO `bk`@`localhost`",
            "GRANT SELECT, SHOW VIEW, EVENT, TRIGGER ON `k\\_pi`.* TO `bk`@`localhost`",
            "GRANT SELECT ON `mysql`.`proc` TO `bk`@`localhost`",
        ]);
        assert!(missing(&narrow, "k_pi").is_empty());
        assert_eq!(missing(&narrow, "kxpi"), ["SELECT", "SHOW VIEW", "TRIGGER", "EVENT"]);
    }

    #[test]
    fn a_missing_trigger_or_routine_grant_is_named() {
        let grants = lines(&["GRANT SELECT, SHOW VIEW, EVENT ON `kpi%`.* TO `bk`@`%`"]);
        assert_eq!(missing(&grants, "kpi_1"), ["TRIGGER", "SELECT ON mysql.proc"]);
    }
}
