// The usage chart: orders of each day as bars, the included quantity of a day as a level.
(function () {
  "use strict";
  const figures = JSON.parse(document.getElementById("usage-figures").textContent);
  const holder = document.getElementById("usage-chart");

  function css(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  function options() {
    return {
      autoSize: true,
      layout: { background: { color: css("--panel") }, textColor: css("--muted") },
      grid: { vertLines: { visible: false }, horzLines: { color: css("--line") } },
      rightPriceScale: { borderColor: css("--line"), scaleMargins: { top: 0.08, bottom: 0 } },
      timeScale: { borderColor: css("--line") },
      localization: { priceFormatter: (value) => String(Math.round(value)) },
    };
  }

  const chart = window.LightweightCharts.createChart(holder, options());
  const bars = chart.addHistogramSeries({
    color: css("--accent"),
    priceFormat: { type: "custom", minMove: 1, formatter: (value) => String(Math.round(value)) },
    lastValueVisible: false,
    priceLineVisible: false,
  });
  bars.setData(figures.days.map((day) => ({ time: day.date, value: day.quantity })));
  const busiest = Math.max(1, ...figures.days.map((day) => day.quantity));
  // A level far above the bars would press them flat: the caption tells it instead.
  if (figures.included_per_day && figures.included_per_day <= 20 * busiest) {
    bars.createPriceLine({
      price: figures.included_per_day,
      color: css("--sell"),
      lineWidth: 2,
      title: figures.quota_title,
    });
    // Without this the level would lie outside the picture on a quiet month.
    bars.applyOptions({
      autoscaleInfoProvider: () => ({
        priceRange: {
          minValue: 0,
          maxValue: Math.max(figures.included_per_day * 1.1, busiest),
        },
      }),
    });
  }
  chart.timeScale().fitContent();
  document.addEventListener("tradsys:theme", () => {
    chart.applyOptions(options());
    bars.applyOptions({ color: css("--accent") });
  });
})();
