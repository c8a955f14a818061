// What the pages do beyond what links and forms can: refresh by themselves, and show a chart's
// figures at once. Without it everything still works.
"use strict";

(() => {
  const EVERY = 10_000; // milliseconds
  const MEMORY = "moorline.auto-refresh";
  const controls = document.querySelector("[data-live-controls]");
  if (!controls) return;
  const button = controls.querySelector("[data-live-switch]");
  const state = controls.querySelector("[data-live-state]");
  const region = () => document.querySelector("[data-live]");
  let timer = 0;
  let loading = false;
  let on = false;

  const remembered = () => {
    try { return localStorage.getItem(MEMORY) === "on"; } catch { return false; }
  };
  const remember = (value) => {
    try { localStorage.setItem(MEMORY, value ? "on" : "off"); } catch { /* storage is refused */ }
  };

  // What the reader has done to the region must survive its replacement.
  const kept = () => ({
    open: [...region().querySelectorAll("details[id][open]")].map((each) => each.id),
    focus: region().contains(document.activeElement)
      ? document.activeElement.id || document.activeElement.getAttribute("href") : null,
  });
  const restore = ({ open, focus }) => {
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    if (!focus) return;
    const same = [...region().querySelectorAll("a, summary, button")]
      .find((each) => each.id === focus || each.getAttribute("href") === focus);
    same?.focus({ preventScroll: true });
  };
  const selecting = () => {
    const selection = getSelection();
    return !selection.isCollapsed && region().contains(selection.anchorNode);
  };

  const refresh = async () => {
    if (loading || selecting()) return;
    loading = true;
    try {
      const response = await fetch(location.href, { headers: { accept: "text/html" } });
      if (response.redirected) { location.reload(); return; } // signed out
      if (!response.ok) throw new Error(String(response.status));
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      const fresh = page.querySelector("[data-live]");
      if (!fresh || !on) return;
      const before = kept();
      hideTip();
      region().replaceWith(document.adoptNode(fresh));
      restore(before);
      state.textContent = `Updated ${new Date().toISOString().slice(11, 19)}`;
    } catch {
      state.textContent = "The gateway does not answer; trying again";
    } finally {
      loading = false;
    }
  };

  const schedule = () => {
    clearInterval(timer);
    if (on && !document.hidden) timer = setInterval(refresh, EVERY);
  };
  const turn = (value) => {
    on = value;
    button.setAttribute("aria-pressed", String(on));
    if (!on) state.textContent = "";
    schedule();
  };

  button.addEventListener("click", () => {
    turn(!on);
    remember(on);
    if (on) refresh();
  });
  document.addEventListener("visibilitychange", () => {
    schedule();
    if (on && !document.hidden) refresh();
  });

  // A title shows after a second and not at all on touch; this one shows at once.
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  tip.setAttribute("aria-hidden", "true");
  document.body.append(tip);
  const hideTip = () => { tip.hidden = true; };
  document.addEventListener("pointermove", (event) => {
    const column = event.target instanceof Element ? event.target.closest(".column") : null;
    if (!column) { hideTip(); return; }
    const title = column.querySelector("title");
    if (title) {
      column.dataset.tip = title.textContent;
      title.remove(); // or the browser shows its own as well
    }
    tip.textContent = column.dataset.tip;
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    const left = event.clientX + 14 + box.width > innerWidth ? event.clientX - 14 - box.width : event.clientX + 14;
    tip.style.left = `${Math.max(4, left)}px`;
    tip.style.top = `${Math.max(4, event.clientY - box.height - 8)}px`;
  });
  document.addEventListener("pointerleave", hideTip);

  controls.hidden = false;
  turn(remembered());
})();
