// The trading page: live quotes, depth, chart and blotter around one selected instrument.
(function () {
  "use strict";

  const desk = document.getElementById("desk");
  const stream = new window.TradSysStream("/ws/v1/stream");
  const rows = new Map();
  const lastPrices = new Map();
  const words = JSON.parse(document.getElementById("trading-words").textContent);
  let selected = null;
  let chart = null;
  let series = null;
  let lastBar = null;
  let interval = 60;
  let range = desk.dataset.range;
  const market = window.TradSysMarketStatus;

  function css(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  function setText(row, name, value) {
    const cell = row.querySelector('[data-cell="' + name + '"]');
    if (cell && cell.textContent !== String(value)) {
      cell.textContent = value;
    }
  }

  function blank(value) {
    return value === null || value === undefined || value === "" ? "–" : value;
  }

  function showQuote(row, quote) {
    const key = row.dataset.key;
    if (!quote) {
      return;
    }
    market.showState(row, quote);
    setText(row, "bid", blank(quote.bid));
    setText(row, "ask", blank(quote.ask));
    setText(row, "last", blank(quote.last));
    setText(row, "change", quote.change_pct === null || quote.change_pct === undefined ? "–" : quote.change_pct + "%");
    const falling = String(quote.change_pct || "").startsWith("-");
    const change = row.querySelector('[data-cell="change"]');
    change.classList.toggle("down", falling);
    change.classList.toggle("up", !falling && Number(quote.change_pct) !== 0);
    const before = lastPrices.get(key);
    const now = Number(quote.last);
    if (before !== undefined && now !== before && quote.last) {
      const cell = row.querySelector('[data-cell="last"]');
      cell.classList.remove("flash-up", "flash-down");
      void cell.offsetWidth;
      cell.classList.add(now > before ? "flash-up" : "flash-down");
    }
    if (quote.last) {
      lastPrices.set(key, now);
    }
    if (key === selected) {
      showHead(quote);
    }
  }

  function showHead(quote) {
    market.showHead(quote);
    document.getElementById("head-last").textContent = blank(quote.last);
    const change = document.getElementById("head-change");
    change.textContent = quote.change_pct === null || quote.change_pct === undefined ? "" : quote.change_pct + "%";
    change.className = "figure " + (String(quote.change_pct || "").startsWith("-") ? "down" : "up");
    document.getElementById("head-volume").textContent = blank(quote.volume);
    const price = document.getElementById("id_price");
    if (price.value === "" && document.activeElement !== price) {
      price.value = quote.last || quote.bid || quote.ask || "";
    }
    if (series && quote.last) {
      const last = Number(quote.last);
      const time = Math.floor(Date.now() / 1000 / interval) * interval;
      if (!lastBar || time > lastBar.time) {
        lastBar = { time: time, open: last, high: last, low: last, close: last };
      } else {
        lastBar.close = last;
        lastBar.high = Math.max(lastBar.high, last);
        lastBar.low = Math.min(lastBar.low, last);
      }
      series.update(lastBar);
      showWhetherTraded(true);
    }
  }

  function ladderRow(kind, level, largest) {
    const row = document.createElement("tr");
    row.className = kind;
    const [price, quantity, orders] = level;
    const priceCell = document.createElement("td");
    const pick = document.createElement("button");
    pick.type = "button";
    pick.className = "price figure";
    pick.textContent = price;
    pick.setAttribute("aria-label", words.use_price + " " + price);
    pick.addEventListener("click", () => {
      document.getElementById("id_price").value = price;
    });
    priceCell.append(pick);
    const quantityCell = document.createElement("td");
    quantityCell.className = "figure";
    const bar = document.createElement("div");
    bar.className = "depth-bar";
    bar.style.setProperty("--share", String(Math.round((100 * quantity) / largest)));
    const text = document.createElement("span");
    text.textContent = quantity;
    quantityCell.append(bar, text);
    const ordersCell = document.createElement("td");
    ordersCell.className = "figure muted";
    ordersCell.textContent = orders;
    row.append(priceCell, quantityCell, ordersCell);
    return row;
  }

  function showDepth(depth) {
    const body = document.getElementById("ladder-rows");
    const bids = (depth.bids || []).slice(0, 10);
    const asks = (depth.asks || []).slice(0, 10);
    const largest = Math.max(1, ...bids.map((level) => level[1]), ...asks.map((level) => level[1]));
    const made = [...asks].reverse().map((level) => ladderRow("ask", level, largest));
    const spread = document.createElement("tr");
    spread.className = "spread";
    const cell = document.createElement("td");
    cell.colSpan = 3;
    cell.textContent = bids.length && asks.length ? words.spread + " " : words.one_sided;
    if (bids.length && asks.length) {
      const width = document.createElement("span");
      width.className = "figure";
      const places = Math.max(...[asks[0][0], bids[0][0]].map((price) => (price.split(".")[1] || "").length));
      width.textContent = (Number(asks[0][0]) - Number(bids[0][0])).toFixed(places);
      cell.append(width);
    }
    spread.append(cell);
    body.replaceChildren(...made, spread, ...bids.map((level) => ladderRow("bid", level, largest)));
  }

  function chartColours() {
    return {
      layout: { background: { color: css("--panel") }, textColor: css("--muted") },
      grid: { vertLines: { color: css("--line") }, horzLines: { color: css("--line") } },
      rightPriceScale: { borderColor: css("--line") },
      timeScale: { borderColor: css("--line"), timeVisible: true },
    };
  }

  function makeChart() {
    const holder = document.getElementById("price-chart");
    chart = window.LightweightCharts.createChart(holder, { autoSize: true, ...chartColours() });
    series = chart.addCandlestickSeries();
    paintSeries();
  }

  function paintSeries() {
    series.applyOptions({
      upColor: css("--buy"),
      downColor: css("--sell"),
      wickUpColor: css("--buy"),
      wickDownColor: css("--sell"),
      borderVisible: false,
    });
  }

  // Without trades the scale would keep the prices of the instrument before.
  function showWhetherTraded(traded) {
    document.getElementById("no-trades").hidden = traded;
    chart.priceScale("right").applyOptions({ visible: traded });
  }

  async function loadCandles(key) {
    const wanted = range;
    const address = "/trade/candles?instrument=" + encodeURIComponent(key) + "&range=" + encodeURIComponent(wanted);
    const answer = await fetch(address, { headers: { Accept: "application/json" } });
    if (!answer.ok || key !== selected || wanted !== range) {
      return;
    }
    const found = await answer.json();
    const candles = found.candles;
    interval = found.interval;
    series.setData(candles);
    window.TradSysCandleTable.show(interval, candles);
    showWhetherTraded(candles.length > 0);
    lastBar = candles.length ? { ...candles[candles.length - 1] } : null;
    // A handful of minutes is not blown up over the whole width.
    if (candles.length > 40) {
      chart.timeScale().fitContent();
    } else {
      const room = document.getElementById("price-chart").clientWidth / (candles.length + 4);
      chart.timeScale().applyOptions({ barSpacing: Math.max(8, Math.min(32, room)), rightOffset: 2 });
      chart.timeScale().scrollToRealTime();
    }
  }

  function choose(key) {
    const row = rows.get(key);
    if (!row || key === selected) {
      return;
    }
    if (selected) {
      stream.unsubscribe("depth:" + selected);
      rows.get(selected).setAttribute("aria-selected", "false");
    }
    selected = key;
    row.setAttribute("aria-selected", "true");
    document.getElementById("head-symbol").textContent = row.dataset.symbol;
    document.getElementById("head-name").textContent = row.dataset.name;
    document.getElementById("head-exchange").textContent = row.dataset.exchange;
    document.getElementById("head-last").textContent = "–";
    document.getElementById("head-change").textContent = "";
    const verdict = row.querySelector('[data-cell="sharia"]');
    document.getElementById("head-sharia").replaceChildren(
      ...(verdict.hidden ? [] : Array.from(verdict.childNodes, (node) => node.cloneNode(true))),
    );
    document.getElementById("id_instrument").value = key;
    document.getElementById("ticket-symbol").textContent = row.dataset.symbol + " · " + row.dataset.exchange;
    document.getElementById("id_price").value = row.querySelector('[data-cell="last"]').textContent.replace("–", "");
    showDepth({ bids: [], asks: [] });
    lastBar = null;
    series.setData([]);
    stream.subscribe("depth:" + key, showDepth);
    stream.subscribe("quotes:" + key, (quote) => showQuote(row, quote));
    loadCandles(key);
  }

  const ranges = [...desk.querySelectorAll("[data-range-choice]")];

  function chooseRange(button) {
    range = button.dataset.rangeChoice;
    for (const each of ranges) {
      each.setAttribute("aria-pressed", String(each === button));
    }
    if (selected) {
      lastBar = null;
      loadCandles(selected);
    }
  }

  for (const [place, button] of ranges.entries()) {
    button.addEventListener("click", () => chooseRange(button));
    button.addEventListener("keydown", (event) => {
      const forward = document.documentElement.dir === "rtl" ? "ArrowLeft" : "ArrowRight";
      const backward = forward === "ArrowLeft" ? "ArrowRight" : "ArrowLeft";
      const next = { [forward]: place + 1, [backward]: place - 1, Home: 0, End: ranges.length - 1 }[event.key];
      if (next !== undefined && ranges[next]) {
        event.preventDefault();
        ranges[next].focus();
        chooseRange(ranges[next]);
      }
    });
  }
  market.follow(stream, desk.dataset.exchanges.split(" ").filter(Boolean));

  for (const row of desk.querySelectorAll("tr[data-key]")) {
    rows.set(row.dataset.key, row);
    stream.subscribe("quotes:" + row.dataset.key, (quote) => showQuote(row, quote));
    row.addEventListener("click", () => choose(row.dataset.key));
  }

  // Many updates of one order arrive together: one look at the blotter serves them all. The snapshot counts too: what
  // happened between the making of the page and the subscription would otherwise stay unseen.
  let refresh = null;
  stream.subscribe("orders", () => {
    if (refresh === null) {
      refresh = window.setTimeout(() => {
        refresh = null;
        window.htmx.trigger("#blotter-rows", "refresh");
      }, 150);
    }
  });

  document.addEventListener("tradsys:theme", () => {
    chart.applyOptions(chartColours());
    paintSeries();
  });
  document.addEventListener("tradsys:live", (event) => {
    document.getElementById("live-text").textContent = event.detail ? words.live : words.reconnecting;
  });
  const kind = document.getElementById("id_order_type");
  kind.addEventListener("change", () => {
    document.getElementById("id_price").disabled = kind.value === "MARKET";
  });

  makeChart();
  const first = desk.querySelector("tr[data-key]");
  if (first) {
    choose(desk.dataset.instrument && rows.has(desk.dataset.instrument) ? desk.dataset.instrument : first.dataset.key);
  }
})();
