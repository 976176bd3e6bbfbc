//! Translates a view's `CREATE VIEW` to MariaDB where every word of it means the same in both. Everything else is refused
//! and becomes a finding. Whether MariaDB then answers the same rows is for the verification to see.

use super::concat;
use super::sqltext::Token;
use super::translate::is_null_follows;
use crate::ident;

/// Words that both databases read alike.
const CARRIED: [&str; 43] = [
    "select",
    "distinct",
    "all",
    "from",
    "where",
    "group",
    "by",
    "having",
    "order",
    "asc",
    "desc",
    "join",
    "inner",
    "left",
    "outer",
    "cross",
    "on",
    "as",
    "union",
    "limit",
    "and",
    "or",
    "not",
    "in",
    "is",
    "null",
    "between",
    "case",
    "when",
    "then",
    "else",
    "end",
    "exists",
    "using",
    "count",
    "min",
    "max",
    "coalesce",
    "ifnull",
    "nullif",
    "abs",
    "json_valid",
    "concat",
];
/// Words of SQLite's language that MariaDB does not have or reads otherwise.
const REFUSED: [&str; 30] = [
    "like",
    "glob",
    "match",
    "regexp",
    "cast",
    "collate",
    "escape",
    "with",
    "recursive",
    "intersect",
    "except",
    "over",
    "window",
    "partition",
    "filter",
    "isnull",
    "notnull",
    "natural",
    "full",
    "right",
    "offset",
    "indexed",
    "rowid",
    "oid",
    "_rowid_",
    "current_timestamp",
    "current_date",
    "current_time",
    "values",
    "raise",
];

/// The statement that makes the view; `Err` says which part has no equal. `tables` are the names of tables and views as
/// they will be in MariaDB; `alike` tells whether the values of a column of that name are spelled alike in both.
pub(crate) fn create(
    name: &str,
    tokens: &[Token],
    tables: &[String],
    alike: &dyn Fn(&str) -> bool,
) -> Result<String, String> {
    let body = tokens.iter().position(|token| token.is_word("as")).ok_or("its statement, which has no AS")?;
    let columns = columns(&tokens[..body]);
    let mut sql = format!("CREATE OR REPLACE SQL SECURITY INVOKER VIEW {}", ident::mariadb(name));
    if !columns.is_empty() {
        sql.push_str(&format!(" ({})", ident::mariadb_list(&columns)));
    }
    sql.push_str(" AS");
    let body = concat::rewrite(&tokens[body + 1..], alike)?;
    for (at, token) in body.iter().enumerate() {
        let piece = piece(&body, at, token, tables)?;
        // MariaDB takes a word for a function only where its parenthesis follows at once.
        let called =
            piece == "(" && at > 0 && matches!(&body[at - 1], Token::Word(word) if is_function(word));
        if !called {
            sql.push(' ');
        }
        sql.push_str(&piece);
    }
    Ok(sql)
}

fn piece(body: &[Token], at: usize, token: &Token, tables: &[String]) -> Result<String, String> {
    let called = body.get(at + 1).is_some_and(|next| next.is_symbol("("));
    let known = |word: &str, list: &[&str]| list.iter().any(|one| word.eq_ignore_ascii_case(one));
    let after_point = at > 0 && body[at - 1].is_symbol(".");
    Ok(match token {
        Token::Word(word) if known(word, &CARRIED) && !after_point => {
            if token.is_word("is") && !is_null_follows(&body[at + 1..]) {
                return Err("`IS` with anything but NULL".to_owned());
            }
            word.to_ascii_uppercase()
        }
        Token::Word(word) if called && !after_point && word.eq_ignore_ascii_case("iif") => "IF".to_owned(),
        Token::Word(word) if known(word, &REFUSED) && !after_point => return Err(format!("`{word}`")),
        Token::Word(word) if called && !after_point => return Err(format!("the function `{word}`")),
        Token::Word(word) | Token::Name(word) => {
            // Names of tables are told apart by case in MariaDB.
            let table = tables.iter().find(|table| !after_point && table.eq_ignore_ascii_case(word));
            ident::mariadb(table.unwrap_or(word))
        }
        Token::Text(text) => ident::mariadb_literal(text),
        Token::Number(number) => number.clone(),
        Token::Blob(hex) => format!("x'{hex}'"),
        Token::Symbol(symbol) => match symbol.as_str() {
            "==" => "=".to_owned(),
            "(" | ")" | "," | "." | "*" | "=" | "<" | ">" | "<=" | ">=" | "<>" | "!=" | "+" | "-" => {
                symbol.clone()
            }
            other => return Err(format!("the operator `{other}`")),
        },
    })
}

fn is_function(word: &str) -> bool {
    ["count", "min", "max", "coalesce", "ifnull", "nullif", "abs", "json_valid", "concat", "iif"]
        .iter()
        .any(|one| word.eq_ignore_ascii_case(one))
}

/// The columns that stand between the view's name and `AS`.
fn columns(head: &[Token]) -> Vec<String> {
    let names = head.iter().skip_while(|token| !token.is_symbol("("));
    names
        .filter_map(|token| match token {
            Token::Word(name) | Token::Name(name) => Some(name.clone()),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::sqltext::tokenize;

    fn of(sql: &str) -> Result<String, String> {
        create("v", &tokenize(sql).unwrap(), &["Item".to_owned(), "line".to_owned()], &|name| name == "a")
    }

    #[test]
    fn plain_views_are_carried_and_others_refused() {
        let carried = of("CREATE VIEW v(a, \"b c\") AS SELECT i.id, count(*) FROM item i LEFT JOIN line AS l ON l.item = i.id \
                          WHERE i.name <> 'x\\' AND l.gone IS NOT NULL GROUP BY i.id ORDER BY 2 DESC")
            .unwrap();
        assert_eq!(
            carried,
            "CREATE OR REPLACE SQL SECURITY INVOKER VIEW `v` (`a`, `b c`) AS SELECT `i` . `id` , COUNT( * ) FROM `Item` `i` \
             LEFT JOIN `line` AS `l` ON `l` . `item` = `i` . `id` WHERE `i` . `name` <> 'x\\\\' AND `l` . `gone` IS NOT NULL \
             GROUP BY `i` . `id` ORDER BY 2 DESC"
        );
        let joined = of("CREATE VIEW v AS SELECT a || 'x' AS b FROM item").unwrap();
        assert!(joined.ends_with(" AS SELECT CONCAT( `a` , 'x' ) AS `b` FROM `Item`"), "{joined}");
        let chosen = of("CREATE VIEW v AS SELECT iif(a > 1, 'x', '') FROM item").unwrap();
        assert!(chosen.ends_with(" AS SELECT IF( `a` > 1 , 'x' , '' ) FROM `Item`"), "{chosen}");
        for sql in [
            "CREATE VIEW v AS SELECT a || b FROM item",
            "CREATE VIEW v AS SELECT a / 2 FROM item",
            "CREATE VIEW v AS SELECT strftime('%Y', a) FROM item",
            "CREATE VIEW v AS SELECT a FROM item WHERE a LIKE 'x%'",
            "CREATE VIEW v AS SELECT sum(a) FROM item",
            "CREATE VIEW v AS SELECT rowid FROM item",
            "CREATE VIEW v AS SELECT a IS b FROM item",
        ] {
            assert!(of(sql).is_err(), "{sql}");
        }
    }
}
