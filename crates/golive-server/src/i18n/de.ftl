# Die Texte der Konsole.

# The frame
skip = Zum Inhalt springen
menu = Seiten
languages = Sprache
log-out = Abmelden
footer = golive beweist einen Produktivgang. Zeiten sind in UTC. Was nicht angesehen werden konnte, ist unbekannt, und Unbekanntes besteht nie.
looked-at = Stand
line-still = Diese Seite zeigt einen Augenblick.
line-connecting = Verbinde …
line-live = Live
line-gone = Verbindung getrennt: die Anzeige kann veraltet sein. Neuer Versuch läuft.
line-paused = Angehalten, solange die Seite im Hintergrund ist.
line-reload = Neu laden

# The pages
page-overview = Überblick
page-gate = Abnahme
page-steps = Schritte
page-migration = Migration
page-credentials = Zugangsdaten und Menschen
page-redis = Redis und Grenzen
page-health = Zustand und Meldungen
page-backups = Sicherung und Wiederherstellung
page-deployment = TLS und Deployment
page-load = Last
page-history = Verlauf
page-access = Zugang zur Konsole
says-page-credentials = Der geheime Schlüssel, was von der Demo übrig blieb, und die Menschen, die von nun an arbeiten.
says-page-redis = Widerrufene Tokens bleiben widerrufen und Grenzen halten: über Neustarts, auf allen Instanzen und solange Redis fehlt.
says-page-health = Fehler kommen an und werden gemeldet, und Health-Prüfungen sagen die Wahrheit, auch solange ein Server fehlt.
says-page-backups = Eine Sicherung zählt erst, wenn sie anderswo wiederhergestellt und verglichen wurde.
says-page-deployment = Womit die Produktion läuft: Konfiguration, Container, der Proxy und sein TLS, die eigenen Prüfungen der Anwendung.
says-page-load = Antworten unter der erwarteten Last und die teuersten Abfragen.

# Phases
phase-0 = Zugangsdaten
phase-1 = MariaDB
phase-2 = Redis
phase-3 = Beobachtung
phase-4 = Sicherung
phase-5 = Deployment
phase-6 = Leistung
phase-gate = Abnahme

# How things stand
status-pass = erfüllt
status-fail = nicht erfüllt
status-unknown = unbekannt
status-waived = erlassen
state-waiting = wartet
state-running = läuft
state-cut-off = abgebrochen
state-passed = bewiesen
state-failed = gescheitert
state-unknown = unbekannt
state-skipped = ausgelassen
verdict-go = Go
verdict-no-go = No-Go
verdict-inconclusive = Unentschieden
value-yes = ja
value-no = nein
value-none = keine
kind-run = Produktivgang
kind-rehearsal = Generalprobe
run-goes-on = im Gange
run-ended = beendet
run-cut-off = wurde abgebrochen
ago-seconds =
    vor { $count ->
        [one] { $count } Sekunde
       *[other] { $count } Sekunden
    }
ago-minutes =
    vor { $count ->
        [one] { $count } Minute
       *[other] { $count } Minuten
    }
ago-hours =
    vor { $count ->
        [one] { $count } Stunde
       *[other] { $count } Stunden
    }
ago-days =
    vor { $count ->
        [one] { $count } Tag
       *[other] { $count } Tagen
    }

# Overview
hero-label = Wo der Produktivgang steht
hero-running = Im Gange
hero-cut-off = Abgebrochen
steps-ended = { $ended } von { $all } Schritten sind beendet
began = Begonnen
last-heard = Zuletzt gehört
judged = Beurteilt
meaning-running = Bisher sind { $pass } von 13 Kriterien erfüllt, { $fail } nicht, für { $unknown } gibt es noch keinen Beleg. { $waived } erlassen.
meaning-cut-off = Der Lauf endete vor seinem Bericht. Was bewiesen ist, bleibt bewiesen: { $pass } von 13 Kriterien sind erfüllt, { $fail } nicht, { $unknown } unbekannt, { $waived } erlassen.
meaning-go =
    { $waived ->
        [0] Alle { $pass } Kriterien sind erfüllt, jedes bewiesen durch das, was gesehen wurde. Nichts spricht gegen den Produktivgang.
       *[other] { $pass } Kriterien sind erfüllt und { $waived } erlassen. Sonst spricht nichts gegen den Produktivgang.
    }
meaning-no-go =
    { $fail ->
        [one] Eines von 13 Kriterien ist nicht erfüllt
       *[other] { $fail } von 13 Kriterien sind nicht erfüllt
    }; { $unknown } konnten nicht beurteilt werden, { $pass } erfüllt, { $waived } erlassen.
meaning-inconclusive = Nichts, was gesehen wurde, spricht gegen den Produktivgang, aber { $unknown } von 13 Kriterien konnten nicht beurteilt werden ({ $pass } erfüllt, { $fail } nicht, { $waived } erlassen).
next-title = Was als Nächstes zu tun ist
next-wait = Nichts: der Lauf geht von selbst weiter. Dasselbe im Terminal:
next-mend = Kriterium { $number } ist nicht erfüllt: { $title }. Was das bedeutet und wie man es behebt:
next-look = Kriterium { $number } konnte nicht beurteilt werden: { $title }. Was es braucht:
next-aged = Die Belege sind seit der Beurteilung gealtert. Neu erheben:
next-rehearsed = Die Generalprobe endete mit Go. Ansehen, was der echte Lauf tun würde; nichts wird geändert:
next-live = Jederzeit aus frischen Belegen neu beurteilen, ob es noch gilt:
next-resume = Den Lauf dort aufnehmen, wo er abbrach; Bewiesenes wird nicht wiederholt:
criteria-title = Die 13 Kriterien
criteria-so-far = Nach den bisherigen Belegen; der Lauf selbst urteilt am Ende.
figures-title = Zahlen
figure-none = noch niemand hat nachgesehen
flow-title = Der Ablauf
flow-says = Jede Bahn ist eine Phase, jedes Zeichen ein Schritt; eine Linie führt von einem Schritt zu denen, die auf ihn warten.
graph-label = Die Schritte als Graph; die Listen darunter sagen dasselbe in Worten

# Gate board
gate-so-far = bisher
gate-aged = Belege altern: heute beurteilt ergäben dieselben Belege { $verdict }.
downloads = Herunterladen
evidence-bundle = Nachweise, signiert
again-all = Alle Belege neu erheben und beurteilen:
warnings-title = Warnungen
card-holds = { $holds } von { $all }
card-waived = Die Belege sagen: { $under }. Erlassen von { $owner } bis { $until }: { $reason }
evidence-needs = Anforderung
evidence-expected = Erwartet
evidence-found = Gefunden
evidence-from = Beleg
evidence-nothing = nichts
expected-something = etwas
expected-at-least = mindestens { $limit }
expected-at-most = höchstens { $limit }
expected-below = unter { $limit }
mend-title = Wie man es behebt
mend-explain = Was das Kriterium bedeutet, ohne Netz:
again-title = Noch einmal nachsehen
again-by-hand = Dieselben Prüfungen von Hand:

# Steps
step-since-prefix = seit
step-checklist = Checkliste
step-after = nach
step-once-ended = sobald beendet:
step-exclusive = läuft allein
step-plan = Plan
step-plan-lines = { $count } Zeilen
step-proof = Was gesehen wurde
step-alone = Dieser Schritt allein
facts-none = Es wurde nichts festgehalten.
facts-what = Tatsache
facts-seen = Gesehen
facts-where = Wo und wann
command-copy = Kopieren

# Migration
tables-title = Tabellen
tables-none = Der Plan ist noch nicht gemacht, daher ist noch keine Tabelle bekannt.
tables-problem = Der Fortschritt der Tabellen konnte nicht gelesen werden:
tables-far = { $done } von { $all } Zeilen sind kopiert; { $complete } von { $tables } Tabellen sind vollständig
table-name = Tabelle
table-rows = Zeilen
table-copied = Kopiert
table-compared = Verglichen
table-rate = Zeilen/s
table-state = Stand
table-copying = wird kopiert
table-is-copied = kopiert
table-verifying = wird verglichen
table-verified = gleich bewiesen

# Load
load-latencies = Langsamste Antworten je Szenario (p95)
load-limit = Die Linie markiert { $limit } ms, die Grenze der Dashboards.

# History
history-none = Noch kein Lauf ist bis zu seinem Bericht gekommen.
history-run = Lauf
history-verdict = Urteil
history-counts = { $pass } erfüllt, { $fail } nicht, { $unknown } unbekannt, { $waived } erlassen
history-compare = Was sich zwischen zwei Läufen geändert hat
history-from = Von
history-to = Nach
history-show = Vergleichen
history-same = Jede Anforderung steht wie zuvor, mit demselben Wert.

# Nothing, and what cannot be read
nothing-title = Es gibt noch keinen Lauf
nothing-says = Zuerst den ganzen Ablauf auf Wegwerfservern proben, dann produktiv gehen. Diese Seite zeigt beides, während es geschieht.
unreadable-title = Der Lauf kann nicht gelesen werden
unreadable-says = Nichts wird davon gezeigt, weil nichts bekannt ist. Angetroffen wurde:

# Coming in
login-title = Anmelden
login-name = Name
login-password = Passwort
login-enter = Anmelden
login-wrong = Name oder Passwort ist falsch.
login-wait = Zu viele Versuche. Einen Moment warten, dann noch einmal versuchen.
login-link = Auf diesem Rechner den Link öffnen, den golive serve ausgegeben hat; er gilt einmal. Für einen neuen golive serve noch einmal starten.
role-viewer = Betrachter
role-operator = Bediener
access-you = Sie sind
access-role = Rolle
access-since = Seit
access-may-look = Sie dürfen alles ansehen.
access-may-act = Sie dürfen alles ansehen und handeln.
access-operators = Wer sich anmelden darf
access-nobody = Niemand: nur der Link des Terminals lässt ein. Hinzugefügt wird jemand mit:
access-trail = Prüfspur
access-trail-whole = unversehrt
access-trail-broken = verletzt
access-trail-at = bei Eintrag { $count }
access-trail-entries =
    { $count ->
        [one] { $count } Eintrag
       *[other] { $count } Einträge
    }
access-trail-head = Prüfsumme des letzten Eintrags; anderswo aufbewahrt beweist sie später, dass nichts entfernt wurde:

# Problems
problem-title = Nicht möglich
problem-start = Zum Überblick
problem-missing = Diese Seite gibt es nicht.
problem-no-report = Von diesem Lauf gibt es keinen Bericht: er ist im Gange, wurde abgebrochen oder ist nicht da.
problem-no-bundle = Die Nachweise dieses Laufs lassen sich nicht bündeln: er ging nach seinem Bericht weiter, oder eine Datei oder der Schlüssel ist nicht lesbar; das Protokoll von golive serve sagt, was.
problem-no-run = Es gibt noch keinen Lauf.
problem-unreadable = Die Dateien des Laufs können nicht gelesen werden.
problem-login = Bitte zuerst anmelden.
problem-host = Diese Konsole ist unter dem angefragten Namen nicht bekannt. Die Adresse öffnen, die golive serve ausgegeben hat, oder mit --host starten.
problem-origin = Das Formular kam nicht von einer Seite dieser Konsole, daher wurde nichts getan. Die Seite neu öffnen und dort wiederholen.
problem-csrf = Das Formular ist veraltet, daher wurde nichts getan. Die Seite neu öffnen und dort wiederholen.
problem-form = Das Formular konnte nicht gelesen werden: es ist zu lang oder unvollständig.
problem-entry = Dieser Link ist verbraucht oder falsch: er lässt einmal ein. Für einen neuen golive serve noch einmal starten.
problem-audit = Niemand wird eingelassen, solange die Prüfspur nicht geschrieben werden kann. Siehe Protokoll von golive serve.
problem-operators = Niemand kann sich anmelden: die Datei der Bediener kann nicht gelesen werden. Siehe Protokoll von golive serve.
problem-busy = Zu viele melden sich gerade an. Gleich noch einmal versuchen.
problem-unexpected = Etwas Unerwartetes ist geschehen. Siehe Protokoll von golive serve.
problem-watchers = Es sehen so viele zu, wie können. Die Seite lässt sich inzwischen von Hand neu laden.

# Wie Tatsachen heißen
fact-demo-token_issued = ein Token der Demo wurde aufgehoben
fact-survey-tables = Tabellen der Quelle
fact-survey-rows = Zeilen der Quelle
fact-survey-blocking = blockierende Befunde
fact-survey-changing = Befunde, die Werte ändern
fact-survey-notes = Befunde zur Kenntnis
fact-schema-tables = angelegte Tabellen
fact-schema-tiers = Ebenen der Abhängigkeit
fact-schema-tables_after_up = Tabellen nach dem Vorwärts
fact-schema-tables_after_down = Tabellen nach dem Rückwärts
fact-schema-tables_after_second_up = Tabellen nach dem zweiten Vorwärts
fact-copy-rows = kopierte Zeilen
fact-copy-set_aside = beiseitegelegte Zeilen
fact-migrate-rows_per_second = Kopiertempo (Zeilen/s)
fact-constraints-foreign_keys = vorhandene Fremdschlüssel
fact-constraints-planned = geplante Fremdschlüssel
fact-migrate-rows_verified = verglichene Zeilen
fact-migrate-cells_verified = verglichene Zellen
fact-migrate-tables_verified = verglichene Tabellen
fact-migrate-tables_unverified = nicht verglichene Tabellen
fact-migrate-row_count_mismatches = Tabellen mit anderer Zeilenzahl
fact-migrate-value_mismatches = abweichende Zellen
fact-migrate-schema_mismatches = Abweichungen des Schemas
fact-migrate-tables_excluded = absichtlich ausgelassene Tabellen
fact-migrate-policies = Entscheidungen zu Befunden
fact-migrate-rows_set_aside = beiseitegelegte Zeilen
fact-migrate-switched = auf MariaDB umgestellt
fact-switch-by = umgestellt von
fact-switch-at = umgestellt am
fact-switch-source_digest = Prüfsumme der Quelle
fact-switch-plan_digest = Prüfsumme des Plans
fact-switch-record_digest = Prüfsumme der Aufzeichnung
fact-application-database = Datenbank, die die Anwendung benutzt
fact-secret-length = Zeichen des geheimen Schlüssels
fact-secret-known_insecure = der Schlüssel ist ein bekanntes Beispiel
fact-secret-old_token_refused = alte Tokens werden abgelehnt
fact-environment-mode = Rechte der Umgebungsdatei
fact-tenants-demo = Demo-Mandanten
fact-tenants-demo_active = aktive Demo-Mandanten
fact-tenants-demo_visible = sichtbare Demo-Mandanten
fact-tenants-production_active = der echte Mandant ist aktiv
fact-tenants-production_visible = der echte Mandant ist sichtbar
fact-admin-hash_algorithm = Hash des Administratorpassworts
fact-admin-password_length = Zeichen des erzeugten Passworts
fact-admin-handover_file_private = die Übergabedatei ist privat
fact-admin-first_login_forces_change = die erste Anmeldung erzwingt ein neues Passwort
fact-admin-login_works = der Administrator kann sich anmelden
fact-accounts-total = Konten
fact-accounts-demo_users_active = aktive Demo-Benutzer
fact-accounts-known_credentials_active = aktive Konten mit bekanntem Passwort
fact-accounts-demo_logins_tried = versuchte Demo-Anmeldungen
fact-accounts-demo_logins_accepted = angenommene Demo-Anmeldungen
fact-team-members = Mitglieder des Teams
fact-team-signed_in = Mitglieder, die sich angemeldet haben
fact-team-in_target = in MariaDB gefundene Mitglieder
fact-operator-sees_shift = ein Bediener sieht seine Schicht
fact-operator-submits_entry = ein Bediener gibt eine Meldung ab
fact-operator-settings_refused = einem Bediener werden die Einstellungen verwehrt
fact-audit-names_admin = die Prüfspur nennt den Administrator
fact-audit-demo_users = Demo-Benutzer in der Prüfspur
fact-redis-latency_ms = Redis antwortet in (ms)
fact-redis-append_only = Append-only-Datei ist an
fact-redis-password = ein Passwort wird verlangt
fact-redis-findings = Befunde zum Server
fact-revocation-logout_refused = ein Token wird nach dem Abmelden abgelehnt
fact-revocation-survives_restart = es bleibt nach einem Neustart abgelehnt
fact-revocation-fails_closed = ohne Redis wird keinem Token vertraut
fact-rate_limit-allowed = durchgelassene Anfragen
fact-rate_limit-refused = abgelehnte Anfragen
fact-rate_limit-enforced = die Grenze wird durchgesetzt
fact-rate_limit-forged_header_ignored = eine gefälschte Adresse umgeht sie nicht
fact-rate_limit-shared = alle Instanzen teilen sie
fact-rate_limit-survives_restart = sie übersteht einen Neustart
fact-cache-second_read = der zweite Abruf
fact-logs-request_id_returned = die Kennung der Anfrage kommt zurück
fact-logs-lines = Zeilen der Anfrage
fact-logs-complete_lines = Zeilen mit Mandant und Benutzer
fact-errors-captured = die Ausnahme wurde erfasst
fact-errors-events = erfasste Ereignisse
fact-errors-with_release_and_environment = mit Version und Umgebung
fact-errors-alerted = eine Meldung ging hinaus
fact-errors-secrets_leaked = Geheimnisse im Gesendeten
fact-health-live = lebendig
fact-health-live_ms = Lebenszeichen antwortet in (ms)
fact-health-ready = bereit
fact-health-ready_ms = Bereitschaft antwortet in (ms)
fact-health-deep = die tiefe Prüfung besteht
fact-health-deep_ms = die tiefe Prüfung antwortet in (ms)
fact-health-anonymous = keine Anmeldung nötig
fact-health-not_ready_without_redis = nicht bereit ohne Redis
fact-health-live_without_redis = lebendig ohne Redis
fact-health-not_ready_without_database = nicht bereit ohne MariaDB
fact-health-live_without_database = lebendig ohne MariaDB
fact-health-recovers = danach wieder bereit
fact-metrics-status = Status der Metrikseite
fact-metrics-families = Arten von Metriken
fact-metrics-latency_histogram = Latenzhistogramm ist da
fact-backup-age_hours = Alter der neuesten Sicherung (h)
fact-backup-verified = ihre Prüfsummen stimmen
fact-backup-size_bytes = Größe der Sicherung (Bytes)
fact-backup-rows = Zeilen der Sicherung
fact-backup-retention_days = aufbewahrt für (Tage)
fact-backup-scheduled_daily = täglich eingeplant
fact-backup-restored_equal = wiederhergestellt gleicht sie dem Original
fact-backup-restored_tables = wiederhergestellte Tabellen
fact-backup-restored_rows = wiederhergestellte Zeilen
fact-backup-restore_seconds = Wiederherstellung dauerte (s)
fact-backup-state_files = Dateien des Status
fact-backup-state_equal = zurückgelesen sind sie gleich
fact-backup-state_encrypted = verschlüsselt
fact-recovery-rto_seconds = Zeit bis zur Wiederherstellung (s)
fact-recovery-rpo_seconds = Datenverlust höchstens (s)
fact-backup-binlog_lag_seconds = Archiv des Binärlogs zurück (s)
fact-recovery-documented = die Handbücher sind da
fact-recovery-scenarios_tested = geübte Notfälle
fact-recovery-scenarios_failed = gescheiterte Übungen
fact-outage-redis_recovered = Redis war zurück
fact-outage-redis_recovery_seconds = bereit nach Rückkehr von Redis (s)
fact-outage-server_recovery_seconds = bereit nach Rückkehr von MariaDB (s)
fact-outage-server_recovered = MariaDB war zurück
fact-outage-partition_not_ready = nicht bereit, solange getrennt
fact-outage-partition_live = lebendig, solange getrennt
fact-outage-partition_recovered = bereit nach der Trennung
fact-outage-partition_recovery_seconds = bereit nach der Trennung (s)
fact-outage-application_recovery_seconds = bereit nach einem Absturz (s)
fact-config-variables = geprüfte Variablen
fact-config-errors = Fehler der Konfiguration
fact-config-warnings = Warnungen der Konfiguration
fact-config-not_checked = nicht geprüft
fact-deploy-files = geprüfte Dateien
fact-deploy-errors = Fehler in Container- und Proxy-Dateien
fact-deploy-warnings = Warnungen in Container- und Proxy-Dateien
fact-tls-grade = TLS-Note
fact-tls-grade_ignoring_trust = Note ohne Vertrauenskette
fact-tls-caps = was die Note begrenzt
fact-tls-warnings = Warnungen
fact-tls-below_a_plus = was zu A+ fehlt
fact-tls-unverified = nicht geprüft
fact-tls-redirects_http = HTTP leitet auf HTTPS um
fact-load-dashboard_p50_ms = Dashboards, p50 (ms)
fact-load-dashboard_p95_ms = Dashboards, p95 (ms)
fact-load-dashboard_p99_ms = Dashboards, p99 (ms)
fact-load-entry_p95_ms = Eingaben, p95 (ms)
fact-load-upload_p95_ms = Uploads, p95 (ms)
fact-load-requests = Anfragen unter Last
fact-load-requests_per_second = Anfragen je Sekunde
fact-load-error_rate = Anteil gescheiterter Anfragen
fact-load-scenarios_missing = fehlende Szenarien
fact-load-content_failures = Antworten mit falschem Inhalt
fact-queries-reviewed = geprüfte Abfragen
fact-queries-explained = erklärte Abfragen
fact-queries-advice = Ratschläge
fact-queries-findings = Befunde
fact-ci-checks = CI-Prüfungen
fact-ci-failed = gescheiterte CI-Prüfungen
fact-ci-skipped = übersprungene CI-Prüfungen

# Handeln
page-act = Planen und ausführen
act-says = Zuerst den Plan machen: er sagt alles, was ein Lauf tun würde, und ändert nichts.
act-plan = Plan machen
act-plan-again = Neu machen
act-planning = Der Plan wird gemacht
act-planned = Der Plan, gemacht
act-not-ready = Der Lauf käme nicht durch: was im Weg steht, ist unten markiert. Nichts wurde geändert.
act-warning = Dies nimmt die Anwendung in Betrieb: Daten werden kopiert, Demo-Konten abgeschaltet, Schlüssel ausgetauscht.
act-type = Um fortzufahren, den Namen eingeben: { $name }
act-start = In Betrieb nehmen
act-resume = Fortsetzen
act-resumed = wieder aufgenommen
act-running = Der Lauf ist im Gange
act-ending = Der Lauf wird beendet
act-by = begonnen von { $by }
act-watch = Zusehen
act-end-says = Geordnet beendet kann er wieder aufgenommen werden; Bewiesenes bleibt bewiesen.
act-end = Lauf beenden
act-failed = Er konnte nicht durchgeführt werden:
act-elsewhere = Ein anderer Prozess arbeitet daran; hier lässt sich zusehen, beenden nur dort.
problem-may-not = Ihre Rolle darf ansehen, nicht handeln.
problem-acts-not = Diese Konsole sieht nur zu: sie wurde ohne golive.toml gestartet.
problem-confirm = Der eingegebene Name ist nicht der der Anwendung, daher wurde nichts getan.
problem-act-busy = Etwas anderes ist im Gange, daher wurde nichts getan.
problem-other-plan = Dieser Plan ist zu alt oder nicht der letzte. Nichts wurde getan: neu machen und lesen.
problem-not-proven = Seitdem wurde nicht jede Zelle verglichen, oder es sind welche verschieden. Nichts wurde umgeschaltet: Kopie und Nachweis ansehen.

# Leute der Anwendung
page-people = Leute
people-says = Die Leute der Anwendung: wer hineinkommt, und in welcher Rolle. Jede Änderung wird hier und in der Datenbank der Anwendung festgehalten, in Ihrem Namen.
people-accounts =
    { $count ->
        [one] { $count } Konto
       *[other] { $count } Konten
    }
people-more =
    { $count ->
        [one] { $count } weiteres ist nicht gezeigt.
       *[other] { $count } weitere sind nicht gezeigt.
    }
people-state = Zustand
people-tenant = Mandant
people-login = Letzte Anmeldung
people-switch = Ändern
people-demo = der Demo
people-active = aktiv
people-inactive = inaktiv
people-unclear = unklar
people-must-change = muss das Passwort ändern
people-reference = bleibt für das, was darauf verweist
people-assign = Rolle zuweisen
people-assigned = { $name } hat jetzt die Rolle { $role }. Vorher ausgegebene Token gelten, bis sie enden oder widerrufen werden.
people-reissue = Neues Passwort ausgeben
people-type-reissue = Das alte Passwort endet. Zum Fortfahren { $name } eingeben
people-reissued = { $name } hat ein neues Passwort, das bei der nächsten Anmeldung zu ändern ist. Vorher ausgegebene Token gelten, bis sie enden oder widerrufen werden. Das Passwort:
people-active-accounts = Aktive Konten
people-permissions = Was jede Rolle darf
people-permission = Recht
people-permissions-not = Welche Rolle was darf, steht hier, wenn golive.toml die Rollendatei der Anwendung nennt:
people-permissions-away = Welche Rolle was darf, ist nicht bekannt:
people-role-unknown = Die Rolle { $role } wird vergeben, hat aber kein bekanntes Recht: die Rollendatei nennt sie nicht.
people-all-tenants = sieht alle Mandanten, wenn das Konto keinen hat
people-deactivate = Abschalten
people-type = Zum Abschalten { $name } eingeben
people-new = Jemand Neues
people-full-name = Voller Name
people-create = Anlegen, mit einem hier gemachten Passwort
people-made = { $name } ist angelegt. Das erste Passwort:
people-once = Es wird dieses eine Mal gezeigt und steht nirgends. Übergeben Sie es auf sicherem Weg.
people-off = { $name } ist abgeschaltet. Ausgegebene Token gelten, bis sie enden oder widerrufen werden.
people-absent = Es gibt { $name } nicht; nichts wurde geändert.
people-refused = Nicht getan:
people-away = Die Konten lassen sich nicht ansehen:
people-roles = Rollen
people-administers = Verwaltet
people-tenant-required = muss einen haben
people-tenant-forbidden = darf keinen haben
people-tenant-optional = kann einen haben
problem-people-typed = Nichts wurde geändert: der eingegebene Name ist nicht der des Kontos.
problem-people-not = golive.toml beschreibt keine Konten, oder nicht, wo sie sind.

# Die Migration, Schritt für Schritt
page-wizard = Migrieren
wizard-says = Von SQLite nach MariaDB in vier Schritten. Nichts wird geändert, bevor Sie es bestätigen, und was hier steht, kommt aus den Dateien von golive: nach einem Neuladen, oder wenn die Konsole weg war, geht es weiter, wo Sie waren.
wizard-stage-survey = 1 · Die Quelle ansehen und entscheiden
wizard-stage-plan = 2 · Der Plan
wizard-stage-run = 3 · Kopieren und beweisen
wizard-stage-switch = 4 · Umschalten
wizard-survey = Quelle untersuchen
wizard-survey-again = Erneut untersuchen
wizard-survey-says = Die Quelle wird einmal gelesen, und alles, was schiefginge oder sich änderte, wird aufgezählt. Geändert wird dabei nichts.
wizard-surveying = Die Quelle wird gelesen
wizard-found = { $tables } Tabellen, { $rows } Zeilen
wizard-nothing-blocks = Einem Plan steht nichts im Weg
wizard-blocking =
    { $count ->
        [one] { $count } Befund steht im Weg
       *[other] { $count } Befunde stehen im Weg
    }
wizard-filter = Welche Befunde gezeigt werden
wizard-show-all = Alle
wizard-show-blocks = Was im Weg steht
wizard-show-changes = Was Daten ändert
wizard-none-shown = Keine davon.
wizard-more =
    { $count ->
        [one] { $count } weiterer ist nicht gezeigt.
       *[other] { $count } weitere sind nicht gezeigt.
    }
wizard-try = Diese Entscheidungen erproben
wizard-no-file = Von hier lassen sich keine Entscheidungen schreiben: diese Konsole wurde nicht mit einer golive.toml gestartet. Schreiben Sie sie in [migrate.policy].
wizard-blocks = steht im Weg
wizard-changes = ändert Daten
wizard-note = zu wissen
wizard-times =
    { $count ->
        [one] einmal
       *[other] { $count } Mal
    }
wizard-keys = Zum Beispiel:
wizard-otherwise = Wenn nichts entschieden wird:
wizard-mend = Was sich tun lässt:
wizard-decide = Entscheidung
wizard-decided = Entschieden:
wizard-undecided = keine
policy-quarantine = diese Zeilen beiseitelegen
policy-accept = weglassen, was nicht zu halten ist
policy-stop = im Weg stehen lassen
policy-convert = die Werte umwandeln
wizard-proposal = Was in golive.toml geschrieben würde
wizard-proposal-says = Die Befunde darunter sind die einer Untersuchung damit. Geschrieben ist noch nichts.
wizard-write = golive.toml schreiben
wizard-drop = Verwerfen
wizard-plan = Plan machen
wizard-plan-says = Der Plan ändert nichts. Er wird ganz gezeigt und einmal bestätigt.
wizard-plan-first = Zuerst die Untersuchung: der Plan wird gemacht, wenn ihm nichts im Weg steht.
wizard-plan-later = Etwas ist im Gange.
wizard-begins = Es beginnt.
wizard-run-not = Noch ist nichts kopiert.
wizard-resume = Weitermachen
wizard-resume-says = Es ist noch nicht bewiesen. Weitermachen tut nichts doppelt: was kopiert ist, bleibt, und jede Zelle wird neu verglichen.
wizard-differs = Quelle und Ziel sind nicht gleich
wizard-differs-says = Jede Zelle wurde auf beiden Seiten gelesen, und mindestens eine ist verschieden: Tabelle, Schlüssel und Spalte stehen oben. Umgeschaltet wird erst, wenn keine mehr verschieden ist.
wizard-differs-who = Sehen Sie jeden Unterschied an. Was nur im Ziel anders steht, hat dort jemand anders geschrieben; was in der Quelle anders steht, wurde nach der Kopie geschrieben.
wizard-differs-mend = Halten Sie an, wer schreibt, und berichtigen Sie die Zeile im Ziel, oder leeren Sie ihre Tabelle, damit sie neu kopiert wird.
wizard-differs-again = Machen Sie unten weiter: jede Zelle wird neu verglichen.
wizard-switch = Auf MariaDB umschalten
wizard-switch-first = Es wird angeboten, wenn jede Zelle verglichen wurde und keine verschieden ist.
wizard-switch-says = Jede Zelle wurde verglichen und keine ist verschieden. Das Umschalten hält fest, dass von hier an MariaDB die Datenbank ist; wer die Anwendung betreibt, gibt ihr diese Umgebung.
wizard-switched = Von hier an ist MariaDB die Datenbank.
wizard-go-on = Mit dem Rest des Go-live weitermachen
problem-no-choice = Das ist nicht unter dem Gefundenen, oder darf so nicht entschieden werden. Nichts wurde getan: sehen Sie die Befunde erneut an.
problem-nothing-chosen = Nichts wurde gewählt, was nicht schon entschieden ist.

# Kurven
plot-copy = Zeilen je Sekunde, kopiert
plot-verify = Zeilen je Sekunde, verglichen
plot-summary = im Mittel { $mean }, höchstens { $most }, in { $time }
