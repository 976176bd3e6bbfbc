// Live updates of pages that work without. The stream says that something changed; the page is then asked for again and what
// differs is put in place. A line that is gone is said so at once: nothing old is ever shown as live.
"use strict";

(() => {
  const body = document.body;
  const line = document.getElementById("line");
  const address = body.dataset.events;
  const BEATS_MISSED = 17000; // three beats of the server
  let stream = null;
  let heard = 0;
  let fetching = false;
  let again = false;

  const say = (kind, text) => {
    if (!line || line.dataset.kind === kind) return;
    line.dataset.kind = kind;
    body.dataset.line = kind;
    line.querySelector(".text").textContent = text;
  };

  const replace = (fresh) => {
    for (const next of fresh.querySelectorAll("[data-live]")) {
      const now = document.getElementById(next.id);
      if (!now || now.innerHTML === next.innerHTML) continue;
      const open = new Map([...now.querySelectorAll("details[id]")].map((one) => [one.id, one.open]));
      const focused = now.contains(document.activeElement) ? path(now, document.activeElement) : null;
      const scrolled = [...now.querySelectorAll(".table-box, .graph")].map((one) => one.scrollLeft);
      now.innerHTML = next.innerHTML;
      for (const one of now.querySelectorAll("details[id]")) if (open.has(one.id)) one.open = open.get(one.id);
      now.querySelectorAll(".table-box, .graph").forEach((one, index) => { one.scrollLeft = scrolled[index] || 0; });
      if (focused) at(now, focused)?.focus({ preventScroll: true });
    }
    copies();
  };

  // Where an element stands among those of its kind, to find its like in what replaces it.
  const path = (root, element) => [element.tagName, [...root.querySelectorAll(element.tagName)].indexOf(element)];
  const at = (root, [tag, index]) => root.querySelectorAll(tag)[index];

  const refresh = async () => {
    if (fetching) { again = true; return; }
    fetching = true;
    try {
      const answer = await fetch(location.pathname + location.search, { headers: { accept: "text/html" }, redirect: "manual" });
      if (answer.type === "opaqueredirect") { location.reload(); return; } // the session has ended
      if (!answer.ok) throw new Error(answer.status);
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      body.dataset.version = fresh.body.dataset.version;
      replace(fresh);
    } catch {
      say("gone", line.dataset.gone);
    }
    await new Promise((done) => setTimeout(done, 700));
    fetching = false;
    if (again) { again = false; refresh(); }
  };

  const alive = () => { heard = Date.now(); say("live", line.dataset.liveText); };

  const connect = () => {
    if (stream) stream.close();
    heard = Date.now();
    stream = new EventSource(address);
    stream.addEventListener("state", (event) => {
      alive();
      if (JSON.parse(event.data).version !== body.dataset.version) refresh();
    });
    stream.addEventListener("beat", alive);
    stream.onerror = () => say("gone", line.dataset.gone);
  };

  const copies = () => {
    if (!navigator.clipboard) return;
    for (const button of document.querySelectorAll("button[data-copy]")) button.hidden = false;
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("button[data-copy]");
    if (button) navigator.clipboard.writeText(button.dataset.copy).then(() => button.classList.add("done"));
  });

  // A link to a folded part opens it.
  const unfold = () => {
    const part = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (part instanceof HTMLDetailsElement) { part.open = true; part.scrollIntoView(); }
  };
  addEventListener("hashchange", unfold);
  unfold();
  copies();
  // On a narrow screen the menu is a strip: the page that is open is in sight.
  document.querySelector(".menu [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

  if (!line || !address || !("EventSource" in window)) return;
  say("connecting", line.dataset.connecting);
  connect();
  setInterval(() => {
    if (document.hidden || Date.now() - heard < BEATS_MISSED) return;
    say("gone", line.dataset.gone);
    connect();
  }, 2000);
  // Browsers allow a handful of streams to one server: a page that nobody sees gives its own back.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) { stream.close(); say("paused", line.dataset.paused); } else { connect(); refresh(); }
  });
})();
