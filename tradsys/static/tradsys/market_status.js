// What the venues say besides prices: halts, phases and auctions of instruments, and notices.
(function () {
  "use strict";

  const words = JSON.parse(document.getElementById("trading-words").textContent);
  const language = document.documentElement.lang || "en";
  const STOPPED = ["HALTED", "UNAVAILABLE"];
  const TONES = { HALTED: "bad", UNAVAILABLE: "bad", AUCTION: "warn", PRE_OPEN: "warn", CLOSED: "" };
  const SHOWN = 30;
  const NS_PER_MS = 1e6;
  const byExchange = new Map();

  // Arabic pages keep the digits of the prices beside them.
  const clock = new Intl.DateTimeFormat(language + "-u-nu-latn", { hour: "2-digit", minute: "2-digit" });
  const dateAndClock = new Intl.DateTimeFormat(language + "-u-nu-latn", {
    day: "numeric",
    month: "short",
    hour: "2-digit",
    minute: "2-digit",
  });

  function moment(nanoseconds, format) {
    return format.format(new Date(nanoseconds / NS_PER_MS));
  }

  function badge(element, state) {
    const name = words.states[state];
    element.hidden = !name;
    element.textContent = name || "";
    element.className = "badge " + (TONES[state] || "");
  }

  function showState(row, quote) {
    const element = row.querySelector('[data-cell="state"]');
    // Most quotes change nothing here.
    if (element.dataset.state !== (quote.state || "")) {
      element.dataset.state = quote.state || "";
      badge(element, quote.state);
    }
  }

  function why(quote) {
    const given = quote.status_text || "";
    return quote.reason === "NOT_GIVEN" && given ? "" : words.reasons[quote.reason] || "";
  }

  function showHead(quote) {
    badge(document.getElementById("head-state"), quote.state);
    const indicative = document.getElementById("head-indicative");
    indicative.hidden = !quote.indicative;
    document.getElementById("head-indicative-price").textContent = quote.indicative || "";
    document.getElementById("head-indicative-quantity").textContent = quote.indicative ? "× " + quote.indicative_qty : "";
    const banner = document.getElementById("halt-banner");
    const stopped = STOPPED.includes(quote.state);
    const key = stopped ? [quote.symbol, quote.state, quote.reason, quote.status_text, quote.since, quote.until].join("|") : "";
    // A screen reader would read the banner again with every quote.
    if (banner.dataset.told === key) {
      return;
    }
    banner.dataset.told = key;
    banner.hidden = !stopped;
    if (!stopped) {
      return;
    }
    const title = document.createElement("strong");
    title.textContent = quote.symbol + ": " + (quote.state === "HALTED" ? words.is_halted : words.is_unavailable);
    const parts = [];
    if (why(quote)) {
      parts.push(words.reason + ": " + why(quote));
    }
    if (quote.since) {
      parts.push(words.since + " " + moment(quote.since, clock));
    }
    if (quote.until) {
      parts.push(words.until + " " + moment(quote.until, clock));
    }
    const details = document.createElement("span");
    details.textContent = parts.join(" · ");
    banner.replaceChildren(title, details);
    if (quote.status_text) {
      // The exchange's own words, in whatever language they are.
      const own = document.createElement("q");
      own.dir = "auto";
      // Its end is told above in the reader's own time.
      own.textContent = quote.until ? quote.status_text.replace(/,? until [0-9:.-]+ UTC$/, "") : quote.status_text;
      banner.append(own);
    }
  }

  function headline(notice) {
    if (notice.kind === "CORPORATE_ACTION") {
      return notice.headline
        .split(", ")
        .map((part) => words.actions[part] || part)
        .join(", ");
    }
    if (notice.kind === "HALT") {
      return notice.reason === "NOT_GIVEN" && notice.text ? "" : words.reasons[notice.reason] || "";
    }
    return notice.headline;
  }

  function item(notice) {
    const entry = document.createElement("li");
    const kind = document.createElement("span");
    kind.className = "badge " + ({ HALT: "bad", RESUME: "good", CORPORATE_ACTION: "warn" }[notice.kind] || "");
    kind.textContent = words.kinds[notice.kind] || notice.kind;
    const concerned = document.createElement("strong");
    concerned.textContent = notice.exchange + " · " + (notice.symbols.length ? notice.symbols.join(", ") : words.whole_market);
    const time = document.createElement("time");
    time.className = "muted";
    time.dateTime = new Date(notice.time / NS_PER_MS).toISOString();
    time.textContent = moment(notice.time, dateAndClock);
    entry.append(kind, concerned, time);
    for (const text of [headline(notice), notice.text]) {
      if (text) {
        const line = document.createElement("p");
        line.dir = "auto";
        line.textContent = text;
        entry.append(line);
      }
    }
    return entry;
  }

  function showNotices(exchange, notices) {
    byExchange.set(exchange, notices || []);
    const all = [...byExchange.values()].flat().sort((one, other) => other.time - one.time);
    document.getElementById("notice-list").replaceChildren(...all.slice(0, SHOWN).map(item));
    document.getElementById("no-notices").hidden = all.length > 0;
  }

  function follow(stream, exchanges) {
    for (const exchange of exchanges) {
      stream.subscribe("notices:" + exchange, (notices) => showNotices(exchange, notices));
    }
  }

  window.TradSysMarketStatus = { showState: showState, showHead: showHead, follow: follow };
})();
