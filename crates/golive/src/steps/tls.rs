//! 5.3: the TLS endpoint, graded as the strictest public grader would. A rehearsal renders and starts its own.

use std::sync::Arc;

use async_trait::async_trait;
use golive_deploy::tls::{GradeOptions, GradeTarget, grade};
use golive_deploy::{NginxOptions, render_nginx};
use golive_sandbox::{Nginx, free_port};

use crate::config::Tls;
use crate::context::Context;
use crate::rehearsal::Rehearsal;
use crate::step::{About, Doing, Plan, Proof, Step, StepError, Witness};

pub(crate) struct TlsGrade;

#[async_trait]
impl Step for TlsGrade {
    fn about(&self) -> About {
        About::new("tls", 5, "Render the TLS proxy, start it, grade it")
            .checklist(&["5.1", "5.3"])
            .after(&["environment"])
            .supplies(&["tls.grade", "tls.redirects_http"])
    }

    async fn plan(&self, context: &Context) -> Result<Plan, StepError> {
        let tls = tls(context)?;
        Ok(match (&tls.endpoint, &context.rehearsal) {
            (_, Some(_)) => Plan::line(format!(
                "start nginx with a rendered configuration for {}, grade it",
                tls.server_names.join(", ")
            )),
            (Some(endpoint), None) => Plan::line(format!("grade {endpoint}")),
            (None, None) => return Err(StepError::unknown("golive.toml gives no `endpoint` in [tls]")),
        })
    }

    async fn prove(&self, context: &Context) -> Result<Proof, StepError> {
        let tls = tls(context)?;
        let mut options = GradeOptions::new(context.now());
        if let Ok(servers) = context.rehearsal() {
            let proxy = start_proxy(context, tls, Arc::clone(servers)).await?;
            options.extra_anchors_pem.push(servers.authority.certificate_pem().to_owned());
            options.system_anchors = false;
            let proof = look(context, &proxy.target, &options).await;
            tokio::task::spawn_blocking(move || drop(proxy)).await.expect("stopping nginx does not panic");
            return proof;
        }
        let endpoint = tls.endpoint.as_deref();
        let endpoint =
            endpoint.ok_or_else(|| StepError::unknown("golive.toml gives no `endpoint` in [tls]"))?;
        look(context, &target(endpoint)?, &options).await
    }
}

async fn look(context: &Context, target: &GradeTarget, options: &GradeOptions) -> Result<Proof, StepError> {
    let report = grade(target, options).await.doing("grade the TLS endpoint")?;
    let mut seen = Witness::new(format!("{} ({})", report.target, report.guide), context.now());
    let caps: Vec<String> = report.caps.iter().map(|cap| format!("{}: {}", cap.grade, cap.reason)).collect();
    let unverified: Vec<String> =
        report.unverified.iter().map(|open| format!("{}: {}", open.check, open.reason)).collect();
    seen.saw("tls.grade", report.grade.as_str())
        .saw("tls.grade_ignoring_trust", report.grade_ignoring_trust.as_str())
        .saw("tls.caps", caps)
        .saw("tls.warnings", report.warnings.clone())
        .saw("tls.below_a_plus", report.below_a_plus.clone())
        .saw("tls.unverified", unverified);
    match report.facts.redirects_to_https {
        Some(redirects) => seen.saw("tls.redirects_http", redirects),
        None => seen.could_not("nothing answers on the plain port: the redirect cannot be seen"),
    };
    Ok(seen.done())
}

/// A proxy that ends with the value.
struct Proxy {
    _nginx: Nginx,
    target: GradeTarget,
}

async fn start_proxy(context: &Context, tls: &Tls, servers: Arc<Rehearsal>) -> Result<Proxy, StepError> {
    let endpoint = context.application().await?;
    let upstream = endpoint.base().trim_start_matches("http://").to_owned();
    let folder = context.directory.folder("proxy").doing("make the folder of the proxy")?;
    let names = tls.server_names.clone();
    let first = names.first().cloned().ok_or_else(|| StepError::unknown("[tls] names no server"))?;
    let policy = tls.content_security_policy.clone();
    let hsts = tls.hsts_seconds;
    let start = move || {
        let name_words: Vec<&str> = names.iter().map(String::as_str).collect();
        let leaf = servers.authority.issue(&name_words).doing("issue a certificate for the rehearsal")?;
        let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
        crate::run_dir::write_private(&certificate, leaf.certificate_pem.as_bytes())
            .doing("write the certificate")?;
        crate::run_dir::write_private(&key, leaf.expose_key_pem().as_bytes())
            .doing("write the certificate's key")?;
        let (http, https) = (free_port().doing("find a port")?, free_port().doing("find a port")?);
        let mut options =
            NginxOptions::new(names.clone(), upstream, certificate.to_string_lossy(), key.to_string_lossy());
        options.http_port = http;
        options.https_port = https;
        options.listen_address = Some("127.0.0.1".to_owned());
        if let Some(policy) = policy {
            options.content_security_policy = policy;
        }
        options.hsts_seconds = hsts.unwrap_or(options.hsts_seconds);
        let site = render_nginx(&options).doing("render the proxy's configuration")?;
        crate::run_dir::write_private(&folder.join("site.conf"), site.as_bytes())
            .doing("write the configuration")?;
        let whole = format!("events {{}}\nhttp {{\n{{temporary_paths}}\naccess_log off;\n{site}\n}}\n");
        let nginx = Nginx::start(&golive_sandbox::NginxOptions::new(whole)).doing("start nginx")?;
        let mut target = GradeTarget::new("127.0.0.1", https);
        target.server_name = Some(first);
        target.http_port = Some(http);
        Ok::<_, StepError>(Proxy { _nginx: nginx, target })
    };
    tokio::task::spawn_blocking(start).await.expect("starting nginx does not panic")
}

fn target(endpoint: &str) -> Result<GradeTarget, StepError> {
    let (host, port) = endpoint.rsplit_once(':').unwrap_or((endpoint, "443"));
    let port = port.parse().map_err(|_| StepError::unknown("`endpoint` in [tls] must be host:port"))?;
    Ok(GradeTarget::new(host, port))
}

fn tls(context: &Context) -> Result<&Tls, StepError> {
    context.config.tls.as_ref().ok_or_else(|| StepError::unknown("golive.toml describes no [tls]"))
}
