//! The letters that the rating guide gives, on a real nginx.

use golive_deploy::tls::{Letter, TlsVersion, TrustProblem};

use crate::endpoint::Endpoint;

pub(crate) const RSA: (&str, &str) =
    (include_str!("../fixtures/rsa2048.pem"), include_str!("../fixtures/rsa2048.key"));

pub(crate) fn rsa() -> Endpoint {
    Endpoint::fixture(RSA.0, RSA.1)
}

#[test]
fn a_good_server_is_a_plus() {
    let report = Endpoint::good().grade();
    assert_eq!(report.grade, Letter::APlus, "{report:#?}");
    assert_eq!(
        (report.scores.protocol, report.scores.key_exchange, report.scores.cipher, report.scores.total),
        (100, 90, 90, 93)
    );
    let suites: Vec<&str> = report.facts.suites.iter().map(|suite| suite.name.as_str()).collect();
    assert_eq!(suites.len(), 5, "{suites:?}");
    assert!(report.facts.groups.iter().any(|group| group == "X25519"), "{:?}", report.facts.groups);
}

#[test]
fn the_order_of_the_server_is_told_from_that_of_the_client() {
    let order = |extra: &str| {
        let extra = format!("{} ssl_prefer_server_ciphers {extra};", crate::endpoint::HSTS);
        Endpoint { extra, ..Endpoint::good() }.grade().facts.server_order
    };
    assert_eq!((order("on"), order("off")), (Some(true), Some(false)));
}

#[test]
fn without_hsts_it_is_a() {
    let report = Endpoint { extra: String::new(), ..Endpoint::good() }.grade();
    assert_eq!(report.grade, Letter::A);
    assert!(report.below_a_plus.iter().any(|reason| reason.contains("HSTS")), "{:?}", report.below_a_plus);
}

#[test]
fn short_hsts_is_a_and_disabled_hsts_is_a_minus() {
    let with = |seconds: u32| {
        let extra = format!("add_header Strict-Transport-Security max-age={seconds} always;");
        Endpoint { extra, ..Endpoint::good() }.letter()
    };
    assert_eq!(with(86_400), Letter::A);
    assert_eq!(with(0), Letter::AMinus);
}

#[test]
fn without_tls13_it_is_a_minus() {
    assert_eq!(Endpoint { protocols: "TLSv1.2", ..Endpoint::good() }.letter(), Letter::AMinus);
}

#[test]
fn tls13_alone_is_a_plus() {
    assert_eq!(Endpoint { protocols: "TLSv1.3", ..Endpoint::good() }.letter(), Letter::APlus);
}

#[test]
fn no_forward_secrecy_is_b() {
    let endpoint = Endpoint { protocols: "TLSv1.2", ciphers: "AES256-GCM-SHA384:AES128-GCM-SHA256", ..rsa() };
    let report = endpoint.grade();
    assert_eq!(report.grade, Letter::B, "{report:#?}");
    assert!(report.caps.iter().any(|cap| cap.reason.contains("forward secrecy")));
    assert!(report.unverified.iter().any(|item| item.check == "ROBOT" && item.blocks_a_plus));
}

#[test]
fn no_aead_is_b() {
    let ciphers = "ECDHE-RSA-AES256-SHA384:ECDHE-RSA-AES128-SHA256";
    assert_eq!(Endpoint { protocols: "TLSv1.2", ciphers, ..rsa() }.letter(), Letter::B);
}

#[test]
fn cbc_beside_aead_is_not_a_plus() {
    let ciphers = "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-SHA384";
    assert_eq!(Endpoint { ciphers, ..rsa() }.letter(), Letter::A);
}

#[test]
fn tls10_and_tls11_beside_the_new_ones_are_b() {
    let protocols = "TLSv1 TLSv1.1 TLSv1.2 TLSv1.3";
    let report = Endpoint { protocols, ciphers: "DEFAULT:@SECLEVEL=0", ..rsa() }.grade();
    assert_eq!(report.grade, Letter::B, "{report:#?}");
    assert_eq!(report.scores.protocol, 95);
}

#[test]
fn only_tls10_and_tls11_are_c() {
    let report = Endpoint { protocols: "TLSv1 TLSv1.1", ciphers: "DEFAULT:@SECLEVEL=0", ..rsa() }.grade();
    assert_eq!(report.grade, Letter::C, "{report:#?}");
    assert_eq!(report.scores.protocol, 92);
    // No library here completes that handshake, so nothing is claimed about HSTS.
    assert!(report.unverified.iter().any(|item| item.check == "HSTS"));
}

#[test]
fn a_short_rsa_key_is_b() {
    let endpoint =
        Endpoint::fixture(include_str!("../fixtures/rsa1024.pem"), include_str!("../fixtures/rsa1024.key"));
    let report = Endpoint { ciphers: "ECDHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0", ..endpoint }.grade();
    assert_eq!(report.grade, Letter::B, "{report:#?}");
    assert_eq!(report.scores.key_exchange, 80);
}

#[test]
fn a_short_diffie_hellman_prime_is_b() {
    let files = vec![("dh.pem".into(), include_str!("../fixtures/dh1024.pem").into())];
    let extra = format!("{} ssl_dhparam {{directory}}/dh.pem;", crate::endpoint::HSTS);
    let ciphers = "ECDHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0";
    let report = Endpoint { ciphers, extra, files, ..rsa() }.grade();
    assert_eq!(report.facts.dh_bits, Some(1024));
    assert_eq!(report.grade, Letter::B, "{report:#?}");
}

#[test]
fn no_encryption_and_no_authentication_are_f() {
    let ciphers = "NULL:aNULL:ECDHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0";
    let report = Endpoint { protocols: "TLSv1.2", ciphers, ..rsa() }.grade();
    assert_eq!((report.grade, report.scores.total), (Letter::F, 0), "{report:#?}");
}

pub(crate) mod trust {
    use std::time::{Duration, SystemTime};

    use golive_sandbox::CertificateAuthority;

    use super::*;

    pub(crate) fn valid(from_day: u64, to_day: u64) -> Endpoint {
        let day = |days: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(days * 86_400);
        let authority = CertificateAuthority::new("test authority").expect("an authority");
        let certificate =
            authority.issue_between(&["localhost"], day(from_day), day(to_day)).expect("a certificate");
        Endpoint {
            certificate: certificate.certificate_pem.clone(),
            key: certificate.expose_key_pem().to_owned(),
            anchors: vec![authority.certificate_pem().to_owned()],
            ..Endpoint::good()
        }
    }

    #[test]
    fn expired_is_t() {
        // 2027-01-01 is day 20819.
        let report = valid(20_000, 20_818).grade();
        assert_eq!((report.grade, report.grade_ignoring_trust), (Letter::T, Letter::APlus));
        assert_eq!(report.facts.certificates[0].trust_problems, vec![TrustProblem::Expired]);
    }

    #[test]
    fn not_yet_valid_is_t() {
        let report = valid(20_820, 21_000).grade();
        assert_eq!(report.grade, Letter::T);
        assert_eq!(report.facts.certificates[0].trust_problems, vec![TrustProblem::NotYetValid]);
    }

    #[test]
    fn a_wrong_name_is_m() {
        let report = Endpoint { host: "other.test", ..Endpoint::good() }.grade();
        assert_eq!((report.grade, report.grade_ignoring_trust), (Letter::M, Letter::APlus));
    }

    #[test]
    fn an_unknown_authority_is_t() {
        let report = Endpoint { anchors: Vec::new(), ..Endpoint::good() }.grade();
        assert_eq!((report.grade, report.grade_ignoring_trust), (Letter::T, Letter::APlus));
        assert_eq!(report.facts.certificates[0].trust_problems, vec![TrustProblem::UnknownIssuer]);
    }

    #[test]
    fn self_signed_is_t() {
        let key = rcgen::KeyPair::generate().expect("a key");
        let parameters = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
        let certificate = parameters.self_signed(&key).expect("signed");
        let report =
            Endpoint { certificate: certificate.pem(), key: key.serialize_pem(), ..Endpoint::good() }.grade();
        assert_eq!(report.grade, Letter::T);
        assert_eq!(report.facts.certificates[0].trust_problems, vec![TrustProblem::SelfSigned]);
    }

    #[test]
    fn a_missing_intermediate_is_b_when_it_is_known_and_t_when_not() {
        let below = || {
            Endpoint::fixture(include_str!("../fixtures/below.pem"), include_str!("../fixtures/below.key"))
        };
        let intermediate = include_str!("../fixtures/intermediate.pem");
        let report = Endpoint { intermediates: vec![intermediate.into()], ..below() }.grade();
        assert_eq!(report.grade, Letter::B, "{report:#?}");
        assert_eq!(below().letter(), Letter::T);
        let certificate = format!("{}{intermediate}", below().certificate);
        assert_eq!(Endpoint { certificate, ..below() }.letter(), Letter::APlus);
    }

    #[test]
    fn sha1_is_t() {
        let endpoint =
            Endpoint::fixture(include_str!("../fixtures/sha1.pem"), include_str!("../fixtures/sha1.key"));
        let report = Endpoint { ciphers: "ECDHE-ECDSA-AES128-GCM-SHA256:@SECLEVEL=0", ..endpoint }.grade();
        assert_eq!(report.grade, Letter::T, "{report:#?}");
        assert_eq!(report.facts.certificates[0].trust_problems, vec![TrustProblem::Sha1Signature]);
    }

    #[test]
    fn revocation_is_looked_up_or_said_to_be_open() {
        let endpoint = || {
            Endpoint::fixture(
                include_str!("../fixtures/revoked.pem"),
                include_str!("../fixtures/revoked.key"),
            )
        };
        let with = |list: &str| Endpoint { revocation_lists: vec![list.into()], ..endpoint() };
        assert_eq!(with(include_str!("../fixtures/ca.crl")).letter(), Letter::T);
        assert_eq!(with(include_str!("../fixtures/empty.crl")).letter(), Letter::APlus);
        let report = endpoint().grade();
        assert_eq!(report.grade, Letter::A);
        assert!(report.unverified.iter().any(|item| item.check == "revocation" && item.blocks_a_plus));
    }
}

#[test]
fn two_keys_are_both_judged() {
    let endpoint = Endpoint::good();
    let extra = format!(
        "{} ssl_certificate {{directory}}/rsa.pem; ssl_certificate_key {{directory}}/rsa.key;",
        crate::endpoint::HSTS
    );
    let files = vec![("rsa.pem".into(), RSA.0.into()), ("rsa.key".into(), RSA.1.into())];
    // Only the authority of the EC certificate is trusted.
    let report = Endpoint { extra, files, ..endpoint }.grade();
    assert_eq!(report.facts.certificates.len(), 2);
    assert_eq!(report.grade, Letter::T);
}

#[test]
fn the_json_has_the_documented_shape() {
    let report = Endpoint::good().grade();
    let json = serde_json::to_value(&report).expect("a report is data");
    assert_eq!(json["grade"], "A+");
    for field in ["grade_ignoring_trust", "scores", "caps", "warnings", "unverified", "guide", "collected_at"]
    {
        assert!(!json[field].is_null(), "{field}");
    }
    assert_eq!(json["facts"]["protocols"][4]["version"], TlsVersion::Tls12.as_str());
}
