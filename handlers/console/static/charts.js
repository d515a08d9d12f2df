// Draws the figures of a call: its line, the limits of the rules that apply, and
// the alerts it made.
"use strict";
(() => {
  const colour = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const severity = {critical: "--bad", warning: "--fair", info: "--link"};
  const plots = [];

  function over(chart) {
    return plot => {
      const {ctx, bbox} = plot, ratio = devicePixelRatio;
      ctx.save();
      ctx.beginPath();
      ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
      ctx.clip();
      ctx.lineWidth = ratio;
      for (const limit of chart.thresholds) {
        const y = Math.round(plot.valToPos(limit.y, "y", true));
        ctx.setLineDash([5 * ratio, 4 * ratio]);
        ctx.strokeStyle = colour("--bad");
        ctx.beginPath();
        ctx.moveTo(bbox.left, y);
        ctx.lineTo(bbox.left + bbox.width, y);
        ctx.stroke();
      }
      ctx.setLineDash([]);
      for (const alert of chart.markers) {
        const x = Math.min(Math.max(plot.valToPos(alert.x, "x", true), bbox.left + ratio), bbox.left + bbox.width - ratio);
        ctx.strokeStyle = colour(severity[alert.severity] || "--none");
        ctx.beginPath();
        ctx.moveTo(x, bbox.top);
        ctx.lineTo(x, bbox.top + bbox.height);
        ctx.stroke();
      }
      ctx.restore();
    };
  }

  function range(chart) {
    const limits = chart.thresholds.map(t => t.y);
    return (plot, low, high) => {
      if (chart.name === "mos") return [1, 4.6];
      const near = limits.filter(y => y <= high * 4 || y - high < 1);
      const top = Math.max(high || 0, ...near, 1);
      return [0, top * 1.15];
    };
  }

  function draw(figure) {
    const chart = JSON.parse(figure.dataset.chart), box = figure.querySelector(".plot"), out = figure.querySelector("output"), still = out.textContent;
    const axis = {stroke: colour("--quiet"), grid: {stroke: colour("--line"), width: 1}, ticks: {show: false}, font: "11px system-ui, sans-serif"};
    box.replaceChildren();
    plots.push(new uPlot({
      width: box.clientWidth, height: 170,
      legend: {show: false},
      cursor: {sync: {key: "call"}, drag: {x: false, y: false}},
      tzDate: t => uPlot.tzDate(new Date(t * 1000), "Etc/UTC"),
      scales: {y: {range: range(chart)}},
      axes: [{...axis, size: 28, space: 80, values: (_, all) => all.map(t => new Date(t * 1000).toISOString().slice(11, 19))}, {...axis, size: 44}],
      series: [{}, {stroke: colour("--link"), width: 2, points: {show: chart.x.length < 80, size: 5}}],
      hooks: {
        draw: [over(chart)],
        setCursor: [plot => {
          const i = plot.cursor.idx, y = i == null ? null : chart.y[i];
          out.textContent = y == null ? still : `${new Date(chart.x[i] * 1000).toISOString().slice(11, 19)}  ${y.toFixed(2)} ${chart.unit}`;
        }],
      },
    }, [chart.x, chart.y], box));
    figure.dataset.drawn = "yes";
  }

  function all() {
    plots.splice(0).forEach(plot => plot.destroy());
    document.querySelectorAll("[data-chart]").forEach(draw);
  }
  all();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", all);
  let width = innerWidth, later;
  addEventListener("resize", () => {
    if (innerWidth === width) return;
    width = innerWidth;
    clearTimeout(later);
    later = setTimeout(all, 100);
  });
})();
