// The chart's candles as a table, for whoever cannot see a picture.
(function () {
  "use strict";

  const holder = document.getElementById("candle-table");
  const body = document.getElementById("candle-rows");
  const empty = document.getElementById("no-candles");
  const language = document.documentElement.lang || "en";
  const MOST_ROWS = 300;
  const DAY = 86400;
  let shown = { interval: 60, candles: [] };

  const minutes = new Intl.DateTimeFormat(language + "-u-nu-latn", {
    month: "short",
    day: "numeric",
    hour: "2-digit",
    minute: "2-digit",
  });
  const days = new Intl.DateTimeFormat(language + "-u-nu-latn", { year: "numeric", month: "short", day: "numeric", timeZone: "UTC" });

  function cell(text, kind) {
    const made = document.createElement(kind || "td");
    made.textContent = text;
    if (kind === "th") {
      made.scope = "row";
    } else {
      made.className = "figure";
    }
    return made;
  }

  function row(candle) {
    const made = document.createElement("tr");
    const format = shown.interval >= DAY ? days : minutes;
    made.append(cell(format.format(new Date(candle.time * 1000)), "th"));
    for (const text of [...candle.text, candle.volume]) {
      made.append(cell(text));
    }
    return made;
  }

  function draw() {
    if (holder.open) {
      body.replaceChildren(...shown.candles.slice(-MOST_ROWS).reverse().map(row));
      empty.hidden = shown.candles.length > 0;
    }
  }

  holder.addEventListener("toggle", draw);
  window.TradSysCandleTable = {
    show(interval, candles) {
      shown = { interval: interval, candles: candles };
      draw();
    },
  };
})();
