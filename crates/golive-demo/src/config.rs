//! The environment, read once at the edge and passed on. No other file of the platform looks at it.

use std::collections::BTreeMap;

use secrecy::SecretString;

/// The variables the process was started with.
#[derive(Clone, Default)]
pub(crate) struct Environment {
    variables: BTreeMap<String, String>,
}

/// A variable that is missing or unusable.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EnvironmentError {
    /// Not set, or empty.
    #[error("the environment variable {name} is not set; {remedy}")]
    Missing { name: &'static str, remedy: &'static str },
}

impl Environment {
    /// The environment of this process.
    pub(crate) fn of_process() -> Self {
        Self { variables: std::env::vars_os().filter_map(text_pair).collect() }
    }

    /// The value of `name`, unless it is unset or empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Where the data is: `sqlite:///path?mode=rwc` or `mysql://user:password@host:port/name`.
    pub(crate) fn database_url(&self) -> Result<SecretString, EnvironmentError> {
        self.get("DATABASE_URL").map(SecretString::from).ok_or(EnvironmentError::Missing {
            name: "DATABASE_URL",
            remedy: "set it to sqlite:///path/to/file.db?mode=rwc or mysql://user:password@host:3306/name",
        })
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self { variables: variables.into_iter().collect() }
    }
}

fn text_pair((name, value): (std::ffi::OsString, std::ffi::OsString)) -> Option<(String, String)> {
    Some((name.into_string().ok()?, value.into_string().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_variable_counts_as_missing() {
        let environment = Environment::from_iter([(String::from("DATABASE_URL"), String::new())]);
        let error = environment.database_url().unwrap_err().to_string();
        assert!(error.contains("DATABASE_URL") && error.contains("sqlite:///"), "{error}");
    }
}
