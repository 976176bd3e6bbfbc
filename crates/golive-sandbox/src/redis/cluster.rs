//! A private Redis cluster of primaries, with the slots shared out evenly.

use std::fmt;
use std::time::{Duration, Instant};

use secrecy::ExposeSecret;

use super::{Kind, Redis, RedisOptions};
use crate::error::StartError;

const SLOTS: u16 = 16_384;
const AGREED_WITHIN: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);

/// A running cluster; killed and removed when dropped.
pub struct RedisCluster {
    nodes: Vec<Redis>,
}

impl RedisCluster {
    /// Starts so many primaries (at least three) without replicas. Returns when all agree that the cluster is whole.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start(primaries: u16) -> Result<Self, StartError> {
        let settings = ["cluster-enabled yes", "cluster-config-file nodes.conf", "cluster-node-timeout 2000"];
        let options = RedisOptions { settings: settings.map(str::to_owned).to_vec(), ..RedisOptions::new() };
        let mut nodes: Vec<Redis> = Vec::new();
        for _ in 0..primaries.max(3) {
            let password = nodes.first().map(|first| first.password().clone());
            nodes.push(Redis::start_as(Kind::Server, &options, password)?);
        }
        let cluster = Self { nodes };
        cluster.join().map_err(|error| refused(&error.to_string()))?;
        Ok(cluster)
    }

    fn join(&self) -> std::io::Result<()> {
        let first = self.nodes[0].port().to_string();
        let count = u16::try_from(self.nodes.len()).map_err(std::io::Error::other)?;
        let bound = |i: u16| u32::from(SLOTS) * u32::from(i) / u32::from(count);
        for (i, node) in (0..count).zip(&self.nodes) {
            let (from, to) = (bound(i).to_string(), (bound(i + 1) - 1).to_string());
            node.command(&["CLUSTER", "ADDSLOTSRANGE", &from, &to])?;
            node.command(&["CLUSTER", "SET-CONFIG-EPOCH", &(i + 1).to_string()])?;
            if i > 0 {
                node.command(&["CLUSTER", "MEET", "127.0.0.1", &first])?;
            }
        }
        let begun = Instant::now();
        while !self.is_whole()? {
            if begun.elapsed() > AGREED_WITHIN {
                return Err(std::io::Error::other("the nodes do not agree"));
            }
            std::thread::sleep(POLL);
        }
        Ok(())
    }

    /// Whether every node sees all others and all slots served.
    fn is_whole(&self) -> std::io::Result<bool> {
        let known = format!("cluster_known_nodes:{}", self.nodes.len());
        for node in &self.nodes {
            let info = node.command(&["CLUSTER", "INFO"])?;
            let has = |line: &str| info.lines().any(|found| found == line);
            if !(has("cluster_state:ok") && has(&known)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The address for clients: `redis-cluster://` naming every node.
    #[must_use]
    pub fn url(&self) -> String {
        let password = self.nodes[0].password().expose_secret();
        let others: Vec<String> =
            self.nodes.iter().skip(1).map(|node| format!("node=127.0.0.1:{}", node.port())).collect();
        format!("redis-cluster://:{password}@127.0.0.1:{}?{}", self.nodes[0].port(), others.join("&"))
    }

    /// The nodes. The first serves the lowest slots.
    #[must_use]
    pub fn nodes(&self) -> &[Redis] {
        &self.nodes
    }
}

fn refused(problem: &str) -> StartError {
    StartError::Refused { server: "Redis cluster", problem: problem.to_owned() }
}

impl fmt::Debug for RedisCluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisCluster").field("nodes", &self.nodes).finish()
    }
}
