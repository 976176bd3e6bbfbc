//! `migrate switch`: to MariaDB after a verification that matched, or back; and whether the application follows.

use std::path::PathBuf;
use std::time::Duration;

use golive_migrate::{
    AcceptedLoss, ApplicationQuestion, CancellationToken, DatabaseInUse, Provider, ProviderFile,
    ProviderState, SwitchBackRequest, SwitchError, SwitchProof, SwitchRequest, Target, Verification,
    VerifyError, VerifyOptions, WritesSince, judge_answer, observe, record, switch, switch_back,
    verify_recorded,
};
use serde_json::json;

use super::failure::ToFailure;
use super::verify::compared;
use super::{Sides, connect, moving, open, text};
use crate::args::Global;
use crate::commands::support::{self, Meter, show};
use crate::exit::{End, Failure, Result};
use crate::{clock, commands};

/// How long one question to the application may take.
const ASK_TIMEOUT: Duration = Duration::from_secs(5);
/// Between two questions while the application restarts.
const ASK_EVERY: Duration = Duration::from_millis(500);

/// What `switch` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct SwitchArgs {
    #[command(flatten)]
    sides: Sides,
    /// The provider state file that the application reads.
    #[arg(long, value_name = "FILE")]
    state: PathBuf,
    /// Who switches, for the record; the name of the user otherwise.
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// Do not record the state in the target. `verify --against recorded` and the loss of a switch back are then unknown.
    #[arg(long)]
    no_record: bool,
    /// Back to SQLite. Refused when rows were written to MariaDB since, unless their loss is accepted.
    #[arg(long, requires = "reason")]
    back: bool,
    /// Why, for the record; a switch back must say it.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Lose exactly so many rows that were written to MariaDB since the switch, or `unknown`.
    #[arg(long, value_name = "ROWS|unknown", requires = "back", value_parser = accepted_loss)]
    dangerous_accept_loss: Option<AcceptedLoss>,
    #[command(flatten)]
    proof: ProofArgs,
}

/// How it is proven that the application follows.
#[derive(Debug, clap::Args)]
pub(crate) struct ProofArgs {
    /// Ask the running application which database it uses: GET this URL. Its answer must name MariaDB and the database.
    #[arg(long, value_name = "URL")]
    ask: Option<String>,
    /// Where in the JSON answer it stands, as a JSON pointer; the whole answer otherwise.
    #[arg(long, value_name = "POINTER", requires = "ask")]
    ask_pointer: Option<String>,
    /// What must stand there instead; may be given more than once, and `a|b` is either.
    #[arg(long, value_name = "TEXT", requires = "ask")]
    ask_expect: Vec<String>,
    /// For how long it is asked again while the application restarts.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    ask_for: u64,
    /// Look, without the application's help, at connections on the target and at processes that hold the SQLite file.
    #[arg(long)]
    observe: bool,
    /// The database user whose connections are the application's; every other than golive's own otherwise.
    #[arg(long, value_name = "USER", requires = "observe")]
    application_user: Option<String>,
}

fn accepted_loss(text: &str) -> std::result::Result<AcceptedLoss, String> {
    match text {
        "unknown" => Ok(AcceptedLoss::Unknown),
        rows => {
            rows.parse().map(AcceptedLoss::Rows).map_err(|_| "give a number of rows, or unknown".to_owned())
        }
    }
}

pub(super) async fn run(global: &Global, args: &SwitchArgs) -> Result {
    let target = connect(global, &args.sides).await?;
    let by =
        args.by.clone().or_else(|| clock::environment("USER")).unwrap_or_else(|| "an operator".to_owned());
    if args.back {
        return back(global, args, &target, &by).await;
    }
    let source = open(global, &args.sides).await?;
    let options = VerifyOptions::default();
    let before = ProviderState::read(&args.state).map_err(ToFailure::failure)?;
    let before =
        before.filter(|state| state.provider == Provider::Mariadb && state.target == target.display_name());
    let verification = compared(global, &source, &target, options, CancellationToken::new()).await?;
    let Some(proof) = verification.verified() else {
        show(global, &verification, || {
            text::verification(&verification) + &refused(args, &verification, before.as_ref())
        });
        return Ok(End::NotReady);
    };
    let mut request = SwitchRequest::new(proof, clock::now(), by);
    request.reason.clone_from(&args.reason);
    // Asked again about what is switched already, what was recorded at the switch stands.
    let is_switched = before.is_some_and(|state| state.source_digest == request.verified.source_digest());
    if !args.no_record && !is_switched {
        let meter = Meter::new(global, "recording the state");
        let mut options = VerifyOptions::default();
        options.exclude.clone_from(&commands::config_or_nothing(global)?.migrate.exclude);
        let tell = moving(&meter, "recording", 0);
        let recorded = record(&source, &target, &request.verified, &options, request.now, &tell).await;
        meter.clear();
        request.record_digest = Some(recorded.map_err(ToFailure::failure)?.digest);
    }
    let state = switch(&args.state, &request).map_err(ToFailure::failure)?;
    let proof = prove(global, &args.proof, &args.sides, &target).await?;
    show(global, &json!({ "state_file": args.state, "state": state, "proof": proof }), || {
        told(args, &state, &proof)
    });
    Ok(if proof.is_none_or(|proof| proof.passes()) { End::Ready } else { End::NotReady })
}

/// Why nothing was switched, and what can be done instead.
fn refused(args: &SwitchArgs, found: &Verification, before: Option<&ProviderState>) -> String {
    let file = args.state.display();
    let Some(state) = before else {
        return format!("{}not switched: source and target differ\n", text::changed_source(found));
    };
    // It has been in use since, so it must differ.
    format!(
        "not switched again, for it is switched, and the target has moved on since:\n\
         state   {}\n\
         next    golive migrate status --state {file} --ask URL\n          \
         asks the application which database it uses\n        \
         golive migrate verify --against recorded\n          \
         tells what was written since\n        \
         golive migrate switch --state {file} --back --reason TEXT\n          \
         goes back to SQLite\n",
        text::said(&args.state, state)
    )
}

async fn back(global: &Global, args: &SwitchArgs, target: &Target, by: &str) -> Result {
    let since = match verify_recorded(target, &VerifyOptions::default()).await {
        Ok(found) => WritesSince::from(&found),
        Err(VerifyError::NothingRecorded { .. }) => WritesSince::Unknown,
        Err(error) => return Err(error.failure()),
    };
    let reason = args.reason.clone().unwrap_or_default();
    let mut request = SwitchBackRequest::new(since, clock::now(), by, reason);
    request.dangerous_loss = args.dangerous_accept_loss;
    let state = match switch_back(&ProviderFile::new(&args.state), &request) {
        Ok(state) => state,
        Err(refusal @ (SwitchError::WouldLose { .. } | SwitchError::LossUnknown)) => {
            let said = refusal.to_string();
            show(global, &json!({ "state_file": args.state, "refused": said }), || {
                let loss = match since {
                    WritesSince::Known { added, changed, deleted } => (added + changed + deleted).to_string(),
                    _ => "unknown".to_owned(),
                };
                format!(
                    "refused to {said}\nnext  golive migrate verify --against recorded   names what was changed or deleted\n      \
                     or add --dangerous-accept-loss {loss} to lose it"
                )
            });
            return Ok(End::NotReady);
        }
        Err(error) => return Err(error.failure()),
    };
    show(global, &json!({ "state_file": args.state, "state": state }), || told(args, &state, &None));
    Ok(End::Ready)
}

fn told(args: &SwitchArgs, state: &ProviderState, proof: &Option<SwitchProof>) -> String {
    let mut text = format!("state   {}\n", text::said(&args.state, state));
    match (proof, state.provider) {
        (Some(proof), _) => text.push_str(&proof_text(Some(proof))),
        (None, Provider::Mariadb) => text.push_str(&format!(
            "next    restart the application with its new DATABASE_URL, then see that it follows:\n        \
             golive migrate status --state {} --ask URL\n",
            args.state.display()
        )),
        (None, _) => text.push_str("next    restart the application on the SQLite file\n"),
    }
    text
}

/// What was seen of the application, and what follows where it is not as it must be.
pub(super) fn proof_text(proof: Option<&SwitchProof>) -> String {
    let Some(proof) = proof else { return String::new() };
    let (uses, next) = match proof.uses {
        DatabaseInUse::Mariadb => ("the application uses this MariaDB", None),
        DatabaseInUse::Other => (
            "the application does not use this MariaDB",
            Some("restart it with its new DATABASE_URL and ask again; what it writes until then is lost"),
        ),
        _ => (
            "which database the application uses is not known",
            Some("ask an address that tells it (--ask URL), or look while it works (--observe)"),
        ),
    };
    let seen: String = proof.seen.iter().map(|one| format!("          {one}\n")).collect();
    let next = next.map(|next| format!("next    {next}\n")).unwrap_or_default();
    format!("proof   {uses}\n{seen}{next}")
}

/// Asks and looks, as wanted; `None` when neither is.
pub(super) async fn prove(
    global: &Global,
    args: &ProofArgs,
    sides: &Sides,
    target: &Target,
) -> std::result::Result<Option<SwitchProof>, Failure> {
    let asked = match &args.ask {
        Some(url) => Some(ask(global, args, url, target).await?),
        None => None,
    };
    if !args.observe {
        return Ok(asked);
    }
    let path = support::source(global, sides.source.as_deref())?;
    let seen = observe(target, args.application_user.as_deref(), &path).await.map_err(Failure::reach)?;
    Ok(Some(match asked {
        Some(asked) => asked.and(seen),
        None => seen,
    }))
}

async fn ask(
    global: &Global,
    args: &ProofArgs,
    url: &str,
    target: &Target,
) -> std::result::Result<SwitchProof, Failure> {
    let mut question = ApplicationQuestion::new(target.database());
    question.pointer.clone_from(&args.ask_pointer);
    if !args.ask_expect.is_empty() {
        question.expected.clone_from(&args.ask_expect);
    }
    let client =
        reqwest::Client::builder().timeout(ASK_TIMEOUT).no_proxy().build().map_err(Failure::reach)?;
    let meter = Meter::new(global, "asking the application which database it uses");
    let until = tokio::time::Instant::now() + Duration::from_secs(args.ask_for);
    loop {
        let answer = answer(&client, url).await;
        let proof = judge_answer(&question, answer.as_deref().map_err(String::as_str));
        if proof.passes() || tokio::time::Instant::now() >= until {
            meter.clear();
            return Ok(proof);
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

async fn answer(client: &reqwest::Client, url: &str) -> std::result::Result<String, String> {
    let plain = |error: reqwest::Error| golive::error_chain(&error.without_url());
    let response = client.get(url).send().await.map_err(plain)?;
    if !response.status().is_success() {
        return Err(format!("it answered {}", response.status().as_u16()));
    }
    response.text().await.map_err(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_is_accepted_in_numbers() {
        assert_eq!(accepted_loss("12"), Ok(AcceptedLoss::Rows(12)));
        assert_eq!(accepted_loss("unknown"), Ok(AcceptedLoss::Unknown));
        assert!(accepted_loss("yes").is_err());
    }
}
