// The chart of a deployment's throughput. Its drawing lives in a shadow tree, which live parts leave alone;
// without a script the sentence inside the element says the same.
"use strict";

class ThroughputChart extends HTMLElement {
  static observedAttributes = ["points"];

  connectedCallback() {
    if (this.shadowRoot) return;
    const root = this.attachShadow({ mode: "open" });
    const sheet = document.createElement("link");
    sheet.rel = "stylesheet";
    sheet.href = this.getAttribute("sheet");
    this.place = document.createElement("div");
    root.append(sheet, this.place, document.createElement("slot"));
    sheet.addEventListener("load", () => this.draw());
    new ResizeObserver(() => this.chart?.setSize(this.room())).observe(this);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  attributeChangedCallback() {
    if (this.chart) this.chart.setData(this.data());
  }

  data() {
    const points = JSON.parse(this.getAttribute("points"));
    return [points.map((point) => point[0]), points.map((point) => point[1])];
  }

  room() {
    return { width: Math.max(200, this.clientWidth), height: 160 };
  }

  colour(name) {
    return getComputedStyle(this).getPropertyValue(name).trim();
  }

  draw() {
    this.chart?.destroy();
    const quiet = { stroke: this.colour("--pico-muted-color"), grid: { stroke: this.colour("--line"), width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
    const speed = (value) => (value === null ? "" : `${(value / 1e6).toFixed(0)} MB/s`);
    this.chart = new uPlot({
      ...this.room(),
      legend: { show: false },
      cursor: { y: false },
      scales: { x: { time: false }, y: { range: (_, __, most) => [0, Math.max(1, most * 1.1)] } },
      axes: [
        { ...quiet, values: (_, ticks) => ticks.map((tick) => duration(tick)), space: 90, size: 30 },
        { ...quiet, values: (_, ticks) => ticks.map(speed), size: 74 },
      ],
      series: [{}, { stroke: this.colour("--busy"), width: 2, fill: this.colour("--busy-ground"), points: { show: false }, value: (_, value) => speed(value) }],
    }, this.data(), this.place);
  }
}
customElements.define("throughput-chart", ThroughputChart);
