# The console's own texts.

# The frame
skip = Skip to the content
menu = Pages
languages = Language
log-out = Log out
footer = golive proves a go-live. Times are UTC. What could not be looked at is unknown, and unknown never passes.
looked-at = As of
line-still = This page shows one moment.
line-connecting = Connecting …
line-live = Live
line-gone = Disconnected: what is shown may be out of date. Trying again.
line-paused = Paused while this page is in the background.
line-reload = Reload

# The pages
page-overview = Overview
page-gate = Gate board
page-steps = Steps
page-migration = Migration
page-credentials = Credentials and people
page-redis = Redis and limits
page-health = Health and alerts
page-backups = Backups and recovery
page-deployment = TLS and deployment
page-load = Load
page-history = History
page-access = Access to the console
says-page-credentials = The secret key, what the demo left behind, and the people who work from now on.
says-page-redis = Revoked tokens stay revoked and limits hold, over restarts, on all instances, and while Redis is away.
says-page-health = Errors arrive and are told, and health checks say the truth also while a server is away.
says-page-backups = A backup counts once it was restored elsewhere and compared.
says-page-deployment = What production runs with: configuration, containers, the proxy and its TLS, the application's own checks.
says-page-load = Answers under the load that is expected, and the queries that cost most.

# Phases
phase-0 = Credentials
phase-1 = MariaDB
phase-2 = Redis
phase-3 = Observability
phase-4 = Backup, recovery
phase-5 = Deployment
phase-6 = Performance
phase-gate = Gate

# How things stand
status-pass = pass
status-fail = fail
status-unknown = unknown
status-waived = waived
state-waiting = waiting
state-running = running
state-cut-off = cut off
state-passed = proven
state-failed = failed
state-unknown = unknown
state-skipped = left out
verdict-go = Go
verdict-no-go = No go
verdict-inconclusive = Inconclusive
value-yes = yes
value-no = no
value-none = none
kind-run = Production run
kind-rehearsal = Rehearsal
run-goes-on = under way
run-ended = ended
run-cut-off = was cut off
ago-seconds =
    { $count ->
        [one] { $count } second ago
       *[other] { $count } seconds ago
    }
ago-minutes =
    { $count ->
        [one] { $count } minute ago
       *[other] { $count } minutes ago
    }
ago-hours =
    { $count ->
        [one] { $count } hour ago
       *[other] { $count } hours ago
    }
ago-days =
    { $count ->
        [one] { $count } day ago
       *[other] { $count } days ago
    }

# Overview
hero-label = Where the go-live stands
hero-running = Under way
hero-cut-off = Cut off
steps-ended = { $ended } of { $all } steps have ended
began = Began
last-heard = Last heard of
judged = Judged
meaning-running = So far { $pass } of 13 criteria hold, { $fail } do not, { $unknown } have no evidence yet. { $waived } waived.
meaning-cut-off = The run ended before its report. What is proven stays proven: { $pass } of 13 criteria hold, { $fail } do not, { $unknown } are unknown, { $waived } waived.
meaning-go =
    { $waived ->
        [0] All { $pass } criteria hold, each proven from what was seen. Nothing stands against going live.
       *[other] { $pass } criteria hold and { $waived } are waived. Nothing else stands against going live.
    }
meaning-no-go =
    { $fail ->
        [one] One of 13 criteria does not hold
       *[other] { $fail } of 13 criteria do not hold
    }; { $unknown } could not be judged, { $pass } hold, { $waived } waived.
meaning-inconclusive = Nothing that was seen speaks against going live, but { $unknown } of 13 criteria could not be judged ({ $pass } hold, { $fail } fail, { $waived } waived).
next-title = What to do next
next-wait = Nothing: the run goes on by itself. The same in a terminal:
next-mend = Criterion { $number } does not hold: { $title }. What it means and how it is mended:
next-look = Criterion { $number } could not be judged: { $title }. What it needs:
next-aged = The evidence has grown old since it was judged. Gather it anew:
next-rehearsed = The rehearsal came to Go. Look at everything that the real run would do; nothing is changed:
next-live = Judge again from fresh evidence whenever you want to know that it still holds:
next-resume = Take the run up where it was cut off; what is proven is not done again:
criteria-title = The 13 criteria
criteria-so-far = As the evidence stands so far; the run itself judges at its end.
figures-title = Figures
figure-none = nobody has looked yet
flow-title = The flow
flow-says = Each lane is a phase, each mark a step; a line leads from a step to those that wait for it.
graph-label = The steps as a graph; the lists below say the same in words

# Gate board
gate-so-far = so far
gate-aged = Evidence grows old: judged now, the same evidence would come to { $verdict }.
downloads = Download
evidence-bundle = Evidence, signed
again-all = Gather all evidence anew and judge it:
warnings-title = Warnings
card-holds = { $holds } of { $all }
card-waived = The evidence says { $under }. Waived by { $owner } until { $until }: { $reason }
evidence-needs = Requirement
evidence-expected = Expected
evidence-found = Found
evidence-from = Evidence
evidence-nothing = nothing
expected-something = something
expected-at-least = at least { $limit }
expected-at-most = at most { $limit }
expected-below = below { $limit }
mend-title = How to mend it
mend-explain = What the criterion means, offline:
again-title = Look again
again-by-hand = The same looks, by hand:

# Steps
step-since-prefix = since
step-checklist = Checklist
step-after = after
step-once-ended = once ended:
step-exclusive = runs alone
step-plan = Plan
step-plan-lines = { $count } lines
step-proof = What was seen
step-alone = This step alone
facts-none = No facts were recorded.
facts-what = Fact
facts-seen = Seen
facts-where = Where and when
command-copy = Copy

# Migration
tables-title = Tables
tables-none = The plan is not made yet, so no table is known.
tables-problem = How far the tables are could not be read:
tables-far = { $done } of { $all } rows are copied; { $complete } of { $tables } tables are complete
table-name = Table
table-rows = Rows
table-copied = Copied
table-compared = Compared
table-rate = Rows/s
table-state = State
table-copying = copying
table-is-copied = copied
table-verifying = comparing
table-verified = proven equal

# Load
load-latencies = Slowest answers by scenario (p95)
load-limit = The line marks { $limit } ms, the limit of the dashboards.

# History
history-none = No run has come to its report yet.
history-run = Run
history-verdict = Verdict
history-counts = { $pass } pass, { $fail } fail, { $unknown } unknown, { $waived } waived
history-compare = What changed between two runs
history-from = From
history-to = To
history-show = Compare
history-same = Every requirement stands as it did, with the same value.

# Nothing, and what cannot be read
nothing-title = There is no run yet
nothing-says = Rehearse the whole flow on disposable servers first, then go live. This page shows either as it happens.
unreadable-title = The run cannot be read
unreadable-says = Nothing is shown of it, because nothing is known. What was met:

# Coming in
login-title = Log in
login-name = Name
login-password = Password
login-enter = Log in
login-wrong = Name or password is wrong.
login-wait = Too many attempts. Wait a moment, then try again.
login-link = On this machine, open the link that golive serve printed; it is good once. For another, start golive serve again.
role-viewer = viewer
role-operator = operator
access-you = You are
access-role = Role
access-since = Since
access-may-look = You may look at everything.
access-may-act = You may look at everything, and act.
access-operators = Who may log in
access-nobody = Nobody: only the link of the terminal lets in. Somebody is added by:
access-trail = Audit trail
access-trail-whole = whole
access-trail-broken = broken
access-trail-at = at entry { $count }
access-trail-entries =
    { $count ->
        [one] { $count } entry
       *[other] { $count } entries
    }
access-trail-head = Digest of the last entry; kept elsewhere, it proves later that nothing was taken away:

# Problems
problem-title = Not possible
problem-start = To the overview
problem-missing = There is no such page.
problem-no-report = There is no report of that run: it goes on, was cut off, or is not there.
problem-no-bundle = The evidence of that run cannot be bundled: it went on after its report, or a file or key cannot be read; the log of golive serve says which.
problem-no-run = There is no run yet.
problem-unreadable = The run's files cannot be read.
problem-login = Log in first.
problem-host = This console is not known by the name that was asked for. Open the address that golive serve printed, or start it with --host.
problem-origin = The form did not come from a page of this console, so nothing was done. Open the page again and repeat it there.
problem-csrf = The form is out of date, so nothing was done. Open the page again and repeat it there.
problem-form = The form could not be read: it is too long or not whole.
problem-entry = This link is used up or wrong: it lets in once. Start golive serve again for another.
problem-audit = Nobody is let in while the audit trail cannot be written. See the log of golive serve.
problem-operators = Nobody can log in: the file of operators cannot be read. See the log of golive serve.
problem-busy = Too many are logging in. Try again in a moment.
problem-unexpected = Something unexpected happened. See the log of golive serve.
problem-watchers = As many watch as can. The page can be reloaded by hand meanwhile.

# What facts are called
fact-demo-token_issued = a token of the demo was kept
fact-survey-tables = tables in the source
fact-survey-rows = rows in the source
fact-survey-blocking = findings that block
fact-survey-changing = findings that change values
fact-survey-notes = findings to know of
fact-schema-tables = tables made
fact-schema-tiers = levels of dependence
fact-schema-tables_after_up = tables after migrating up
fact-schema-tables_after_down = tables after migrating down
fact-schema-tables_after_second_up = tables after migrating up again
fact-copy-rows = rows copied
fact-copy-set_aside = rows set aside
fact-migrate-rows_per_second = copy speed (rows/s)
fact-constraints-foreign_keys = foreign keys in place
fact-constraints-planned = foreign keys planned
fact-migrate-rows_verified = rows compared
fact-migrate-cells_verified = cells compared
fact-migrate-tables_verified = tables compared
fact-migrate-tables_unverified = tables not compared
fact-migrate-row_count_mismatches = tables with another number of rows
fact-migrate-value_mismatches = cells that differ
fact-migrate-schema_mismatches = differences of the schema
fact-migrate-tables_excluded = tables left out on purpose
fact-migrate-policies = decisions about findings
fact-migrate-rows_set_aside = rows set aside
fact-migrate-switched = switched to MariaDB
fact-switch-by = switched by
fact-switch-at = switched at
fact-switch-source_digest = digest of the source
fact-switch-plan_digest = digest of the plan
fact-switch-record_digest = digest of the record
fact-application-database = database that the application uses
fact-secret-length = characters of the secret key
fact-secret-known_insecure = the key is a known example
fact-secret-old_token_refused = old tokens are refused
fact-environment-mode = mode of the environment file
fact-tenants-demo = demo tenants
fact-tenants-demo_active = active demo tenants
fact-tenants-demo_visible = demo tenants that are visible
fact-tenants-production_active = the real tenant is active
fact-tenants-production_visible = the real tenant is visible
fact-admin-hash_algorithm = hash of the administrator's password
fact-admin-password_length = characters of the generated password
fact-admin-handover_file_private = the handover file is private
fact-admin-first_login_forces_change = the first login forces a new password
fact-admin-login_works = the administrator can log in
fact-accounts-total = accounts
fact-accounts-demo_users_active = active demo users
fact-accounts-known_credentials_active = active accounts with a known password
fact-accounts-demo_logins_tried = demo logins tried
fact-accounts-demo_logins_accepted = demo logins accepted
fact-team-members = members of the team
fact-team-signed_in = members who signed in
fact-team-in_target = members found in MariaDB
fact-operator-sees_shift = an operator sees the shift
fact-operator-submits_entry = an operator submits an entry
fact-operator-settings_refused = an operator is refused the settings
fact-audit-names_admin = the audit trail names the administrator
fact-audit-demo_users = demo users in the audit trail
fact-redis-latency_ms = Redis answers within (ms)
fact-redis-append_only = append-only file is on
fact-redis-password = a password is asked for
fact-redis-findings = findings about the server
fact-revocation-logout_refused = a token is refused after logout
fact-revocation-survives_restart = it stays refused after a restart
fact-revocation-fails_closed = without Redis no token is trusted
fact-rate_limit-allowed = requests let through
fact-rate_limit-refused = requests refused
fact-rate_limit-enforced = the limit is enforced
fact-rate_limit-forged_header_ignored = a forged address does not evade it
fact-rate_limit-shared = all instances share it
fact-rate_limit-survives_restart = it survives a restart
fact-cache-second_read = the second read
fact-logs-request_id_returned = the request's identifier is returned
fact-logs-lines = lines of the request
fact-logs-complete_lines = lines with client and user
fact-errors-captured = the exception was captured
fact-errors-events = events captured
fact-errors-with_release_and_environment = with release and environment
fact-errors-alerted = an alert went out
fact-errors-secrets_leaked = secrets in what was sent
fact-health-live = alive
fact-health-live_ms = liveness answers within (ms)
fact-health-ready = ready
fact-health-ready_ms = readiness answers within (ms)
fact-health-deep = deep check passes
fact-health-deep_ms = deep check answers within (ms)
fact-health-anonymous = no login is needed
fact-health-not_ready_without_redis = not ready without Redis
fact-health-live_without_redis = alive without Redis
fact-health-not_ready_without_database = not ready without MariaDB
fact-health-live_without_database = alive without MariaDB
fact-health-recovers = ready again afterwards
fact-metrics-status = status of the metrics page
fact-metrics-families = kinds of metrics
fact-metrics-latency_histogram = latency histogram is there
fact-backup-age_hours = age of the newest backup (h)
fact-backup-verified = its checksums hold
fact-backup-size_bytes = size of the backup (bytes)
fact-backup-rows = rows in the backup
fact-backup-retention_days = kept for (days)
fact-backup-scheduled_daily = scheduled daily
fact-backup-restored_equal = restored, it equals the original
fact-backup-restored_tables = tables restored
fact-backup-restored_rows = rows restored
fact-backup-restore_seconds = restoring took (s)
fact-backup-state_files = files of the state
fact-backup-state_equal = read back, they are equal
fact-backup-state_encrypted = encrypted
fact-recovery-rto_seconds = time to recover (s)
fact-recovery-rpo_seconds = data lost at most (s)
fact-backup-binlog_lag_seconds = archive of the binary log behind (s)
fact-recovery-documented = the runbooks exist
fact-recovery-scenarios_tested = disasters rehearsed
fact-recovery-scenarios_failed = rehearsals that failed
fact-outage-redis_recovered = Redis was back
fact-outage-redis_recovery_seconds = ready after Redis returned (s)
fact-outage-server_recovery_seconds = ready after MariaDB returned (s)
fact-outage-server_recovered = MariaDB was back
fact-outage-partition_not_ready = not ready while cut off
fact-outage-partition_live = alive while cut off
fact-outage-partition_recovered = ready after being cut off
fact-outage-partition_recovery_seconds = ready after being cut off (s)
fact-outage-application_recovery_seconds = ready after a crash (s)
fact-config-variables = variables checked
fact-config-errors = errors of the configuration
fact-config-warnings = warnings of the configuration
fact-config-not_checked = not checked
fact-deploy-files = files audited
fact-deploy-errors = errors of container and proxy files
fact-deploy-warnings = warnings of container and proxy files
fact-tls-grade = TLS grade
fact-tls-grade_ignoring_trust = grade, trust aside
fact-tls-caps = what caps the grade
fact-tls-warnings = warnings
fact-tls-below_a_plus = what is missing for A+
fact-tls-unverified = not verified
fact-tls-redirects_http = HTTP redirects to HTTPS
fact-load-dashboard_p50_ms = dashboards, p50 (ms)
fact-load-dashboard_p95_ms = dashboards, p95 (ms)
fact-load-dashboard_p99_ms = dashboards, p99 (ms)
fact-load-entry_p95_ms = entries, p95 (ms)
fact-load-upload_p95_ms = uploads, p95 (ms)
fact-load-requests = requests under load
fact-load-requests_per_second = requests a second
fact-load-error_rate = share of requests that failed
fact-load-scenarios_missing = scenarios missing
fact-load-content_failures = answers with wrong content
fact-queries-reviewed = queries reviewed
fact-queries-explained = queries explained
fact-queries-advice = advice
fact-queries-findings = findings
fact-ci-checks = CI checks
fact-ci-failed = CI checks that failed
fact-ci-skipped = CI checks that were skipped

# Acting
page-act = Plan and run
act-says = Make the plan first: it says everything that a run would do, and changes nothing.
act-plan = Make the plan
act-plan-again = Make it again
act-planning = The plan is being made
act-planned = The plan, made
act-not-ready = The run would not get through: what stands in its way is marked below. Nothing was changed.
act-warning = This takes the application live: data is copied, demo accounts are switched off, keys are replaced.
act-type = To go on, type its name: { $name }
act-start = Go live
act-resume = Resume
act-resumed = taken up again
act-running = The run is under way
act-ending = The run is being ended
act-by = begun by { $by }
act-watch = Watch it
act-end-says = Ended in order, it can be taken up again; what is proven stays proven.
act-end = End the run
act-failed = It could not be carried through:
act-elsewhere = Another process is at work on it; it can be watched here, and ended there.
problem-may-not = Your role may look, not act.
problem-acts-not = This console only looks: it was started without a golive.toml.
problem-confirm = The name that was typed is not the application's, so nothing was done.
problem-act-busy = Something else goes on, so nothing was done.
problem-other-plan = That plan is too old, or not the last one that was made. Nothing was done: make it again and read it.
problem-not-proven = Not every cell was compared since, or some differ. Nothing was switched: look at the copy and its proof.

# People of the application
page-people = People
people-says = The people of the application: who may get in, and with which role. Each change is recorded here and in the application's own database, in your name.
people-accounts =
    { $count ->
        [one] { $count } account
       *[other] { $count } accounts
    }
people-more =
    { $count ->
        [one] { $count } more is not shown.
       *[other] { $count } more are not shown.
    }
people-state = State
people-tenant = Tenant
people-login = Last login
people-switch = Change
people-demo = of the demo
people-active = active
people-inactive = inactive
people-unclear = unclear
people-must-change = must change the password
people-reference = kept for what refers to it
people-assign = Assign role
people-assigned = { $name } has the role { $role } now. Tokens that were issued before live until they end or are revoked.
people-reissue = Issue a new password
people-type-reissue = The old password ends. To go on, type { $name }
people-reissued = { $name } has a new password, to be changed at the next login. Tokens that were issued before live until they end or are revoked. The password:
people-active-accounts = Active accounts
people-permissions = What each role may do
people-permission = Permission
people-permissions-not = Which role may do what is shown where golive.toml names the application's file of roles:
people-permissions-away = It is not known which role may do what:
people-role-unknown = The role { $role } is handed out, but has no permission that is known: the file of roles does not name it.
people-all-tenants = sees all tenants, where the account has none
people-deactivate = Deactivate
people-type = To deactivate, type { $name }
people-new = Somebody new
people-full-name = Full name
people-create = Create, with a password made here
people-made = { $name } is created. The first password:
people-once = It is shown this once and stands nowhere. Hand it over by a safe way.
people-off = { $name } is switched off. Tokens that were issued live until they end or are revoked.
people-absent = There is no { $name }; nothing was changed.
people-refused = Not done:
people-away = The accounts cannot be looked at:
people-roles = Roles
people-administers = Administers
people-tenant-required = must have one
people-tenant-forbidden = must have none
people-tenant-optional = may have one
problem-people-typed = Nothing was changed: the name that was typed is not that of the account.
problem-people-not = golive.toml describes no accounts, or not where they are.

# The migration, step by step
page-wizard = Migrate
wizard-says = From SQLite to MariaDB in four steps. Nothing is changed before you confirm it, and what is shown comes from the files of golive: after a reload, or when the console was gone, you go on where you were.
wizard-stage-survey = 1 · Look at the source, and decide
wizard-stage-plan = 2 · The plan
wizard-stage-run = 3 · Copy, and prove
wizard-stage-switch = 4 · Switch
wizard-survey = Survey the source
wizard-survey-again = Survey again
wizard-survey-says = The source is read once, and everything that would go wrong or change is listed. Nothing is changed by it.
wizard-surveying = The source is read
wizard-found = { $tables } tables, { $rows } rows
wizard-nothing-blocks = Nothing stands in the way of a plan
wizard-blocking =
    { $count ->
        [one] { $count } finding stands in the way
       *[other] { $count } findings stand in the way
    }
wizard-filter = Which findings are shown
wizard-show-all = All
wizard-show-blocks = What stands in the way
wizard-show-changes = What changes data
wizard-none-shown = None of them.
wizard-more =
    { $count ->
        [one] { $count } more is not shown.
       *[other] { $count } more are not shown.
    }
wizard-try = Try these decisions
wizard-no-file = Decisions cannot be written from here: this console was not started with a golive.toml. Put them into [migrate.policy].
wizard-blocks = stands in the way
wizard-changes = changes data
wizard-note = to be known
wizard-times =
    { $count ->
        [one] once
       *[other] { $count } times
    }
wizard-keys = For example:
wizard-otherwise = If nothing is decided:
wizard-mend = What can be done:
wizard-decide = Decision
wizard-decided = Decided:
wizard-undecided = none
policy-quarantine = set those rows aside
policy-accept = leave out what cannot be kept
policy-stop = let it stand in the way
policy-convert = convert the values
wizard-proposal = What would be written into golive.toml
wizard-proposal-says = The findings below are those of a survey with it. Nothing is written yet.
wizard-write = Write golive.toml
wizard-drop = Drop it
wizard-plan = Make the plan
wizard-plan-says = The plan changes nothing. It is shown in full, and confirmed once.
wizard-plan-first = First the survey: the plan is made when nothing stands in its way.
wizard-plan-later = Something is going on.
wizard-begins = It begins.
wizard-run-not = Nothing has been copied yet.
wizard-resume = Go on
wizard-resume-says = It is not proven yet. Going on does nothing twice: what was copied stays, and every cell is compared anew.
wizard-differs = Source and target are not equal
wizard-differs-says = Every cell was read on both sides, and at least one differs: table, key and column stand above. The switch is not offered until none does.
wizard-differs-who = Look at every difference. A row that only the target has otherwise was written there by somebody else; one that the source has otherwise was written after the copy.
wizard-differs-mend = Stop whoever writes, and mend the row in the target, or empty its table to have it copied again.
wizard-differs-again = Go on, below: every cell is compared again.
wizard-switch = Switch to MariaDB
wizard-switch-first = It is offered when every cell was compared and none differs.
wizard-switch-says = Every cell was compared and none differs. The switch writes down that MariaDB is the database from here on; whoever runs the application gives it that environment.
wizard-switched = MariaDB is the database from here on.
wizard-go-on = Go on with the rest of the go-live
problem-no-choice = That is not among what was found, or may not be decided so. Nothing was done: look at the findings again.
problem-nothing-chosen = Nothing was chosen that is not decided already.

# Plots
plot-copy = Rows a second, copied
plot-verify = Rows a second, compared
plot-summary = on average { $mean }, at most { $most }, over { $time }
