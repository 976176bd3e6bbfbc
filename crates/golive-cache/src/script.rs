//! Lua scripts, sent by digest. No script text here: each lives beside its use.

use fred::prelude::FromValue;
use fred::types::{ClusterHash, Value};
use tokio::sync::OnceCell;

use crate::command::CommandError;
use crate::connection::Cache;

/// A script whose keys share one hash tag, so that it runs on a cluster too.
#[derive(Debug)]
pub(crate) struct Script {
    text: &'static str,
    digest: OnceCell<String>,
}

impl Script {
    pub(crate) const fn new(text: &'static str) -> Self {
        Self { text, digest: OnceCell::const_new() }
    }

    pub(crate) async fn run<T: FromValue>(
        &self,
        cache: &Cache,
        keys: &[&str],
        arguments: &[Value],
    ) -> Result<T, CommandError> {
        let digest = self
            .digest
            .get_or_try_init(|| async {
                let text = vec![Value::from("LOAD"), Value::from(self.text)];
                cache.run::<String>("SCRIPT", ClusterHash::Random, text).await
            })
            .await?;
        match cache.run("EVALSHA", ClusterHash::Offset(2), call(digest, keys, arguments)).await {
            // A restarted or failed-over server has forgotten it; EVAL runs and loads it again.
            Err(CommandError::Refused { reason, .. }) if reason.starts_with("NOSCRIPT") => {
                cache.run("EVAL", ClusterHash::Offset(2), call(self.text, keys, arguments)).await
            }
            answer => answer,
        }
    }
}

fn call(script: &str, keys: &[&str], arguments: &[Value]) -> Vec<Value> {
    let mut call = Vec::with_capacity(2 + keys.len() + arguments.len());
    call.push(Value::from(script));
    call.push(Value::from(i64::try_from(keys.len()).expect("a handful of keys")));
    call.extend(keys.iter().map(|&key| Value::from(key)));
    call.extend(arguments.iter().cloned());
    call
}
