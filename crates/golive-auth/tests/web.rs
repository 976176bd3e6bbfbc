//! Tokens in front of real routes: what each caller is answered, and the permission matrix walked with requests.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use chrono::{DateTime, Utc};
use golive_auth::{
    Authenticated, MemoryRevocation, Permission, RequirePermission, RestrictedSession, Revocation,
    RolePolicy, SecretKey, StoreUnavailable, Subject, TenantScope, TokenFacts, TokenGate, TokenKeys,
    TokenService, TokenSettings, require_login,
};
use http_body_util::BodyExt;
use secrecy::ExposeSecret;
use tower::ServiceExt;

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

struct WriteEntries;
impl Permission for WriteEntries {
    const NAME: &'static str = "entries.write";
}

struct ManageUsers;
impl Permission for ManageUsers {
    const NAME: &'static str = "users.manage";
}

const POLICY: &str = "permissions = ['entries.write', 'users.manage']\nacross_tenants = ['admin']\n\
                      [roles]\nadmin = ['users.manage']\noperator = ['entries.write']\nguest = []\n";

fn policy() -> RolePolicy {
    toml::from_str(POLICY).unwrap()
}

async fn reports(scope: TenantScope) -> String {
    scope.tenant().unwrap_or("all").to_owned()
}

fn app(service: &TokenService, revocation: Arc<dyn Revocation>) -> Router {
    let gate = TokenGate::new(service.clone(), revocation, policy(), now);
    let inside = Router::new()
        .route("/inside", get(|| async {}))
        .layer(from_fn_with_state(gate.clone(), require_login));
    Router::new()
        .route("/me", get(|caller: Authenticated| async move { caller.claims.username }))
        .route("/password", get(|_: RestrictedSession| async {}))
        .route("/entries.write", get(|_: RequirePermission<WriteEntries>| async {}))
        .route("/users.manage", get(|_: RequirePermission<ManageUsers>| async {}))
        .route("/reports", get(reports))
        .merge(inside)
        .with_state(gate)
}

async fn ask(app: &Router, path: &str, authorization: &[&str]) -> Response<Body> {
    let mut request = Request::get(path);
    for value in authorization {
        request = request.header(header::AUTHORIZATION, *value);
    }
    app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

async fn text(response: Response<Body>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

fn token(service: &TokenService, role: &str, tenant: Option<&str>, must_change: bool) -> String {
    let mut subject = Subject::new("17", "rosa", role);
    subject.client_id = tenant.map(str::to_owned);
    subject.must_change_password = must_change;
    format!("Bearer {}", service.issue_access(&subject, now()).unwrap().token.expose_secret())
}

fn service() -> TokenService {
    TokenService::new(TokenKeys::new(&SecretKey::generate()), TokenSettings::new("plant", "plant-api"))
}

#[tokio::test]
async fn each_caller_is_answered_as_it_should_be() {
    let service = service();
    let app = app(&service, Arc::new(MemoryRevocation::new()));
    let good = token(&service, "operator", Some("NORTH"), false);
    let answer = ask(&app, "/me", &[&good]).await;
    assert_eq!((answer.status(), text(answer).await.as_str()), (StatusCode::OK, "rosa"));
    assert_eq!(ask(&app, "/inside", &[&good]).await.status(), StatusCode::OK);
    assert_eq!(ask(&app, "/password", &[&good]).await.status(), StatusCode::OK);

    let none = ask(&app, "/me", &[]).await;
    assert_eq!(
        (none.status(), &none.headers()[header::WWW_AUTHENTICATE]),
        (StatusCode::UNAUTHORIZED, &"Bearer".parse().unwrap())
    );
    assert_eq!(none.headers()[header::CONTENT_TYPE], "application/problem+json");
    let basic = good.replace("Bearer", "Basic");
    let twice = [good.as_str(), good.as_str()];
    for bad in [&["Bearer x.y.z"][..], &[basic.as_str()], &twice, &["Bearer"]] {
        for path in ["/me", "/inside", "/password", "/reports", "/users.manage"] {
            assert_eq!(ask(&app, path, bad).await.status(), StatusCode::UNAUTHORIZED, "{path}");
        }
    }
    let restricted = token(&service, "operator", Some("NORTH"), true);
    for path in ["/me", "/inside", "/entries.write", "/reports"] {
        let refused = ask(&app, path, &[&restricted]).await;
        assert_eq!(refused.status(), StatusCode::FORBIDDEN, "{path}");
        assert!(text(refused).await.contains("password_change_required"));
    }
    assert_eq!(ask(&app, "/password", &[&restricted]).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn the_matrix_holds_with_real_requests() {
    let service = service();
    let app = app(&service, Arc::new(MemoryRevocation::new()));
    let policy = policy();
    let mut walked = 0;
    for (role, permission, allowed) in policy.matrix() {
        let caller = token(&service, role, None, false);
        let status = ask(&app, &format!("/{permission}"), &[&caller]).await.status();
        assert_eq!(
            status,
            if allowed { StatusCode::OK } else { StatusCode::FORBIDDEN },
            "{role} {permission}"
        );
        walked += 1;
    }
    assert_eq!(walked, 6);
    let scope = async |role, tenant| {
        let answer = ask(&app, "/reports", &[&token(&service, role, tenant, false)]).await;
        (answer.status(), text(answer).await)
    };
    assert_eq!(scope("operator", Some("NORTH")).await, (StatusCode::OK, "NORTH".to_owned()));
    assert_eq!(scope("admin", None).await, (StatusCode::OK, "all".to_owned()));
    assert_eq!(scope("operator", None).await.0, StatusCode::FORBIDDEN);
}

/// A store that cannot be asked.
#[derive(Debug)]
struct Away;

fn away() -> StoreUnavailable {
    StoreUnavailable::new("revocation", "away")
}

#[async_trait]
impl Revocation for Away {
    async fn is_revoked(&self, _: &TokenFacts, _: DateTime<Utc>) -> Result<bool, StoreUnavailable> {
        Err(away())
    }
    async fn revoke_token(&self, _: &str, _: Duration) -> Result<(), StoreUnavailable> {
        Err(away())
    }
    async fn revoke_session(&self, _: &str, _: Duration) -> Result<(), StoreUnavailable> {
        Err(away())
    }
    async fn revoke_user_before(&self, _: &str, _: DateTime<Utc>) -> Result<(), StoreUnavailable> {
        Err(away())
    }
    async fn revoke_tenant_before(&self, _: &str, _: DateTime<Utc>) -> Result<(), StoreUnavailable> {
        Err(away())
    }
    async fn revoke_all_before(&self, _: DateTime<Utc>) -> Result<(), StoreUnavailable> {
        Err(away())
    }
}

#[tokio::test]
async fn an_outage_is_503_and_logs_nobody_out() {
    let service = service();
    let app = app(&service, Arc::new(Away));
    let good = token(&service, "operator", Some("NORTH"), false);
    for path in ["/me", "/inside", "/password", "/entries.write", "/reports"] {
        let answer = ask(&app, path, &[&good]).await;
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert_eq!(answer.headers()[header::RETRY_AFTER], "5");
        assert!(!answer.headers().contains_key(header::WWW_AUTHENTICATE));
    }
    assert_eq!(ask(&app, "/me", &["Bearer x.y.z"]).await.status(), StatusCode::UNAUTHORIZED, "that is known");
}
