//! Revocation and refresh families in Redis, through golive-cache. No Redis command here.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use golive_cache::{CommandError, FamilyRotation, RefreshFamilies, RevocationStore};

use crate::refresh::{RefreshStore, Rotation, RotationRequest};
use crate::revocation::{Revocation, StoreUnavailable, TokenFacts};

fn revocation(error: CommandError) -> StoreUnavailable {
    StoreUnavailable::new("revocation", error)
}

fn refresh(error: CommandError) -> StoreUnavailable {
    StoreUnavailable::new("refresh token", error)
}

#[async_trait]
impl Revocation for RevocationStore {
    async fn is_revoked(&self, token: &TokenFacts, now: DateTime<Utc>) -> Result<bool, StoreUnavailable> {
        let mut facts = golive_cache::TokenFacts::new(&token.token_id, &token.user, token.issued_at);
        facts.session = Some(token.session.clone());
        facts.tenant.clone_from(&token.tenant);
        RevocationStore::is_revoked(self, &facts, now).await.map_err(revocation)
    }

    async fn revoke_token(&self, token_id: &str, ttl: Duration) -> Result<(), StoreUnavailable> {
        RevocationStore::revoke_token(self, token_id, ttl).await.map_err(revocation)
    }

    async fn revoke_session(&self, session: &str, ttl: Duration) -> Result<(), StoreUnavailable> {
        RevocationStore::revoke_session(self, session, ttl).await.map_err(revocation)
    }

    async fn revoke_user_before(&self, user: &str, instant: DateTime<Utc>) -> Result<(), StoreUnavailable> {
        RevocationStore::revoke_user_before(self, user, instant).await.map_err(revocation)
    }

    async fn revoke_tenant_before(
        &self,
        tenant: &str,
        instant: DateTime<Utc>,
    ) -> Result<(), StoreUnavailable> {
        RevocationStore::revoke_tenant_before(self, tenant, instant).await.map_err(revocation)
    }

    async fn revoke_all_before(&self, instant: DateTime<Utc>) -> Result<(), StoreUnavailable> {
        RevocationStore::revoke_all_before(self, instant).await.map_err(revocation)
    }
}

#[async_trait]
impl RefreshStore for RefreshFamilies {
    async fn start(&self, family: &str, token_id: &str, ttl: Duration) -> Result<(), StoreUnavailable> {
        RefreshFamilies::start(self, family, token_id, ttl).await.map_err(refresh)
    }

    async fn rotate(&self, request: &RotationRequest<'_>) -> Result<Rotation, StoreUnavailable> {
        let rotated = RefreshFamilies::rotate(
            self,
            request.family,
            request.presented,
            request.successor,
            request.now,
            request.grace,
            request.ttl,
        );
        match rotated.await.map_err(refresh)? {
            FamilyRotation::Rotated => Ok(Rotation::Rotated),
            FamilyRotation::Replayed { successor, issued_at } => {
                Ok(Rotation::Replayed { successor, issued_at })
            }
            FamilyRotation::Reused => Ok(Rotation::Reused),
            FamilyRotation::Unknown => Ok(Rotation::Unknown),
            other => {
                Err(StoreUnavailable::new("refresh token", format!("an answer not known here: {other:?}")))
            }
        }
    }

    async fn end(&self, family: &str) -> Result<(), StoreUnavailable> {
        RefreshFamilies::end(self, family).await.map_err(refresh)
    }
}
