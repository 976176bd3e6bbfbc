//! Redis: fetched through the replication protocol, and started on again.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use golive_backup::{
    Content, Depth, Key, Keys, Progress, RedisError, RedisServer, Repository, Tools, create_redis,
    restore_redis, verify_backup,
};
use golive_sandbox::{Redis, RedisOptions};
use secrecy::{ExposeSecret, SecretString};

use crate::world::noon;

const LIMIT: Duration = Duration::from_secs(60);

#[tokio::test]
async fn what_redis_held_comes_back_and_what_is_cut_off_is_no_backup() {
    let redis = Redis::start(&RedisOptions::new()).unwrap();
    for number in 0..200 {
        redis.command(&["SET", &format!("planted:{number}"), &format!("value {number}")]).unwrap();
    }
    redis.command(&["SET", "brief", "x", "PX", "1"]).unwrap();
    redis.command(&["HSET", "hash", "a", "1", "b", "2"]).unwrap();
    let server = RedisServer::parse(&SecretString::from(redis.url())).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let keys = Keys::with_identity(Key::generate());
    let repository = Repository::open_local(directory.path().join("repository"), keys).unwrap();
    let silent = Progress::silent();
    let take = |tools: Tools| {
        let (server, repository, silent) = (server.clone(), repository.clone(), silent.clone());
        async move { create_redis(&server, &repository, &tools, LIMIT, noon(0), &silent).await }
    };
    let manifest = take(Tools::new()).await.unwrap();
    let Content::Redis(facts) = &manifest.content else { panic!("{manifest:?}") };
    assert!(facts.is_checked && facts.may_have(201) && !facts.may_have(0), "{facts:?}");
    assert!(
        verify_backup(&repository, &manifest.id, Depth::Contents, noon(0), &silent).await.unwrap().passed()
    );

    let root = tempfile::tempdir().unwrap();
    let file = restore_redis(&repository, &manifest.id, &root.path().join("data")).unwrap();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let again = restore_redis(&repository, &manifest.id, &root.path().join("data"));
    assert!(matches!(again, Err(RedisError::NotEmpty { .. })), "{again:?}");
    let mut options = RedisOptions::new();
    options.directory = Some(root.path().to_owned());
    options.append_only = false;
    let copy = Redis::start(&options).unwrap();
    assert_eq!(copy.command(&["DBSIZE"]).unwrap().trim(), "201");
    assert_eq!(copy.command(&["GET", "planted:7"]).unwrap().trim(), "value 7");
    assert_eq!(copy.command(&["HGET", "hash", "b"]).unwrap().trim(), "2");

    // Ways in which a fetch lies: cut off with success, nothing with success, another account.
    let fake = directory.path().join("fake-cli");
    for body in ["redis-cli \"$@\" 2>/dev/null | head -c 900; exit 0", "exit 0"] {
        let rdb_only = format!("#!/bin/sh\ncase \"$*\" in *INFO) exec redis-cli \"$@\";; esac\n{body}\n");
        fs::write(&fake, rdb_only).unwrap();
        fs::set_permissions(&fake, fs::Permissions::from_mode(0o755)).unwrap();
        let mut tools = Tools::new();
        tools.redis.clone_from(&fake);
        let refused = take(tools).await;
        assert!(matches!(refused, Err(RedisError::Rdb(_))), "{body}: {refused:?}");
    }
    let stranger = redis.url().replace(redis.password().expose_secret(), "wrong");
    let stranger = RedisServer::parse(&SecretString::from(stranger)).unwrap();
    let refused = create_redis(&stranger, &repository, &Tools::new(), LIMIT, noon(0), &silent).await;
    assert!(refused.is_err());
    assert_eq!(repository.list().unwrap().len(), 1);
}
