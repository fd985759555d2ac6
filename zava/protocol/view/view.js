// The view of an answer: an MCP App, and a page that opens by itself.
// https://github.com/modelcontextprotocol/ext-apps/blob/main/specification/2026-01-26/apps.mdx
"use strict";
(() => {
  const PROTOCOL = "2026-01-26";
  const FORMS = {
    line: "Line", bar: "Bars", stacked_bar: "Stacked bars", scatter: "Scatter",
    heat_map: "Heat map", table: "Table",
  };
  const PERIODS = [
    "today", "yesterday", "last_week", "last_month", "last_quarter", "last_year", "mtd", "qtd", "ytd",
    "last_30_days", "last_90_days", "last_12_months",
  ];
  const LONGEST_CELL = 300;
  const MOST_ROWS_SHOWN = 2000;
  const MOST_DRAWN_AS_SVG = 1500;
  const WAIT = 60000;

  const $ = (id) => document.getElementById(id);
  const host = window.parent === window ? null : window.parent;
  const state = {
    tool: "", input: {}, chart: null, form: "table", measure: "", sort: null, down: false, drawn: null, turn: 0,
  };

  // The host ---------------------------------------------------------------

  const waiting = new Map();
  let asked = 0;

  function send(message) {
    // The host's origin is not known; nothing secret is said but what the host gave.
    host?.postMessage({ jsonrpc: "2.0", ...message }, "*");
  }

  function request(method, params) {
    const id = ++asked;
    send({ id, method, params });
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => settle(id, () => reject(new Error("no answer"))), WAIT);
      waiting.set(id, { resolve, reject, timer });
    });
  }

  function settle(id, end) {
    const one = waiting.get(id);
    if (!one) return;
    waiting.delete(id);
    clearTimeout(one.timer);
    end(one);
  }

  const RECEIVED = {
    "ui/notifications/tool-input": (params) => { state.input = params?.arguments ?? {}; },
    "ui/notifications/tool-result": (params) => show(params),
    "ui/notifications/tool-cancelled": () => say("The call was cancelled."),
    "ui/notifications/host-context-changed": (params) => adapt(params ?? {}),
  };

  window.addEventListener("message", (event) => {
    if (event.source !== host || event.data?.jsonrpc !== "2.0") return;
    const { id, method, params, result, error } = event.data;
    if (method === undefined) {
      settle(id, (one) => (error ? one.reject(new Error(error.message)) : one.resolve(result)));
    } else if (id !== undefined) {
      const known = method === "ui/resource-teardown" || method === "ping";
      send(known ? { id, result: {} } : { id, error: { code: -32601, message: "no such method" } });
    } else {
      RECEIVED[method]?.(params);
    }
  });

  async function connect() {
    const given = await request("ui/initialize", {
      appCapabilities: {}, appInfo: { name: "zava", version: "1" }, protocolVersion: PROTOCOL,
    });
    adapt(given?.hostContext ?? {});
    state.tool = given?.hostContext?.toolInfo?.tool?.name ?? "";
    send({ method: "ui/notifications/initialized", params: {} });
    new ResizeObserver(() => {
      const { scrollWidth: width, scrollHeight: height } = document.documentElement;
      send({ method: "ui/notifications/size-changed", params: { width, height } });
    }).observe($("view"));
  }

  function adapt(context) {
    for (const [name, value] of Object.entries(context.styles?.variables ?? {})) {
      if (name.startsWith("--") && typeof value === "string") document.documentElement.style.setProperty(name, value);
    }
    if (context.theme) theme(context.theme);
  }

  function theme(name) {
    document.documentElement.dataset.theme = name === "dark" ? "dark" : "light";
    if (state.chart) draw();
  }

  async function call(name, args) {
    say("…");
    const result = await request("tools/call", { name, arguments: args });
    if (result?.isError) throw new Error((result.content ?? []).map((each) => each.text ?? "").join("\n").split("\n")[0]);
    return result;
  }

  // What is shown ------------------------------------------------------------

  function show(result) {
    const chart = result?._meta?.["zava/chart"] ?? plain(result?.structuredContent);
    if (result?.isError || !chart) {
      say(result?.isError ? "The call failed; the assistant says why." : "There is nothing to show.");
      return;
    }
    chart.rows = chart.rows ?? result.structuredContent?.rows ?? [];
    chart.handle = result.structuredContent?.handle ?? null;
    state.tool = chart.tool ?? state.tool;
    state.chart = chart;
    const kept = chart.forms.find((each) => each.form === state.form);
    state.form = state.drawn && kept ? state.form : (chart.form ?? chart.forms[0]?.form ?? "table");
    state.sort = null;
    $("title").textContent = cut(chart.title);
    $("notes").textContent = (chart.notes ?? []).map(cut).join("\n");
    define(chart.definitions ?? {});
    offer();
    draw();
    say("");
  }

  // A host that keeps _meta to itself still shows the rows.
  function plain(structured) {
    if (!Array.isArray(structured?.columns) || !Array.isArray(structured?.rows)) return null;
    const columns = structured.columns.map((each, place) => ({
      name: String(each?.name ?? each), unit: "",
      kind: structured.rows.some((row) => typeof row[place] === "number") ? "number" : "name",
    }));
    return { title: "Rows", notes: [], columns, forms: [] };
  }

  function define(definitions) {
    const list = $("definitions").querySelector("dl");
    list.replaceChildren(...Object.entries(definitions).flatMap(([name, text]) => [
      element("dt", name), element("dd", text),
    ]));
    $("definitions").hidden = !list.children.length;
  }

  function offer() {
    const { chart } = state;
    const forms = [...new Set(chart.forms.map((each) => each.form)), "table"];
    $("forms").replaceChildren(...forms.map((form) => {
      const button = element("button", FORMS[form]);
      button.type = "button";
      button.setAttribute("role", "radio");
      button.dataset.form = form;
      button.addEventListener("click", () => choose(form));
      return button;
    }));
    mark();
    $("more").hidden = !(host && chart.handle);
    const asks = host && chart.tool && chart.tool !== "execute_sales_query";
    $("period").hidden = !asks;
    if (asks) $("time-period").value = state.input.time_period ?? "";
  }

  function choose(form) {
    state.form = form;
    mark();
    draw();
  }

  function mark() {
    for (const button of $("forms").children) {
      const is = button.dataset.form === state.form;
      button.setAttribute("aria-checked", String(is));
      button.tabIndex = is ? 0 : -1;
    }
    const measures = state.chart.forms.filter((each) => each.form === state.form).map((each) => each.measure);
    if (!measures.includes(state.measure)) state.measure = measures[0] ?? "";
    $("measures").hidden = measures.length < 2;
    $("measure").replaceChildren(...measures.map((name) => {
      const option = element("option", name);
      option.value = name;
      option.selected = name === state.measure;
      return option;
    }));
  }

  async function draw() {
    const turn = ++state.turn;
    const isTable = state.form === "table";
    $("table").hidden = !isTable;
    $("chart").hidden = isTable;
    for (const button of document.querySelectorAll(".drawn")) button.hidden = isTable;
    if (isTable) {
      tabulate();
      return;
    }
    const { chart } = state;
    const { spec } = chart.forms.find((each) => each.form === state.form && each.measure === state.measure);
    const rows = fields();
    const { title, ...rest } = spec;
    try {
      const drawn = await vegaEmbed($("chart"), { ...rest, datasets: { rows } }, {
        ast: true, actions: false, mode: "vega-lite", config: look(),
        renderer: rows.length > MOST_DRAWN_AS_SVG ? "canvas" : "svg",
      });
      if (turn !== state.turn) drawn.finalize();
      else { state.drawn?.finalize(); state.drawn = drawn; }
      const label = `${chart.title}. ${FORMS[state.form]} of ${state.measure}. The table has the figures.`;
      $("chart").setAttribute("role", "img");
      $("chart").setAttribute("aria-label", cut(label));
    } catch (error) {
      say(`The chart cannot be drawn: ${error.message}`);
    }
  }

  function look() {
    const style = getComputedStyle(document.documentElement);
    const [ink, faint, line] = ["--ink", "--faint", "--line"].map((name) => resolve(style.getPropertyValue(name)));
    const text = { labelColor: ink, titleColor: faint };
    return {
      background: "transparent", view: { stroke: null },
      axis: { ...text, gridColor: line, domainColor: line, tickColor: line }, legend: text,
      title: { color: ink, subtitleColor: faint }, font: "system-ui, sans-serif",
    };
  }

  // Vega reads no var(): let the browser say what colour it is.
  function resolve(value) {
    const probe = element("span");
    probe.style.color = value.trim();
    document.body.append(probe);
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found;
  }

  // The table ------------------------------------------------------------------

  function sorted() {
    const { chart, sort, down } = state;
    if (sort === null) return chart.rows;
    const isNumber = chart.columns[sort].kind === "number";
    const order = (a, b) => {
      if (a === null || b === null) return (a === null) - (b === null); // what is unknown comes last
      const way = isNumber ? Number(a) - Number(b) : String(a).localeCompare(String(b));
      return down ? -way : way;
    };
    return [...chart.rows].sort((one, other) => order(one[sort], other[sort]));
  }

  function tabulate() {
    const { columns } = state.chart;
    const rows = sorted();
    const table = element("table");
    const head = table.createTHead().insertRow();
    columns.forEach((column, place) => {
      const cell = element("th");
      const isBy = state.sort === place;
      const button = element("button", cut(titled(column)) + (isBy ? (state.down ? " ↓" : " ↑") : ""));
      button.type = "button";
      button.addEventListener("click", () => {
        state.down = isBy ? !state.down : column.kind === "number";
        state.sort = place;
        tabulate();
        $("table").querySelectorAll("th button")[place].focus();
      });
      cell.scope = "col";
      if (isBy) cell.setAttribute("aria-sort", state.down ? "descending" : "ascending");
      if (column.kind === "number") cell.className = "number";
      cell.append(button);
      head.append(cell);
    });
    const body = table.createTBody();
    for (const row of rows.slice(0, MOST_ROWS_SHOWN)) {
      const line = body.insertRow();
      row.forEach((value, place) => {
        const cell = line.insertCell();
        cell.dir = "auto";
        cell.textContent = shown(value, columns[place]);
        if (columns[place]?.kind === "number") cell.className = "number";
      });
    }
    $("table").replaceChildren(table);
    if (rows.length > MOST_ROWS_SHOWN) say(`${MOST_ROWS_SHOWN} of ${rows.length} rows are shown; CSV has all of them.`);
  }

  function shown(value, column) {
    if (value === null || value === undefined) return "–";
    if (typeof value === "number") {
      const money = /^[A-Z]{3}$/.test(column?.unit ?? "") ? 2 : 0;
      return value.toLocaleString("en-US", { minimumFractionDigits: money, maximumFractionDigits: Math.max(money, 6) });
    }
    return cut(typeof value === "object" ? JSON.stringify(value) : String(value));
  }

  const titled = (column) => (column.unit && column.unit !== column.name ? `${column.name} (${column.unit})` : column.name);
  // Short, and without signs that turn the text around them.
  const cut = (text) => {
    const clean = String(text).slice(0, 2 * LONGEST_CELL).replace(/[\u202a-\u202e\u2066-\u2069]/g, "");
    return clean.length > LONGEST_CELL ? `${clean.slice(0, LONGEST_CELL)}…` : clean;
  };
  const fields = () => state.chart.rows.map((row) => Object.fromEntries(
    row.map((value, place) => [`c${place}`, typeof value === "string" ? cut(value) : value])));

  function element(name, text) {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function say(text) {
    $("status").textContent = text;
  }

  // What is taken away ------------------------------------------------------------

  function csv() {
    const { columns } = state.chart;
    const lines = [columns.map((each) => each.name), ...sorted()];
    return `${lines.map((line) => line.map(field).join(",")).join("\r\n")}\r\n`;
  }

  function field(value) {
    if (value === null || value === undefined) return "";
    let text = typeof value === "object" ? JSON.stringify(value) : String(value);
    // A spreadsheet would run it as a formula.
    if (typeof value === "string" && /^[=+\-@\t\r]/.test(text)) text = `'${text}`;
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  }

  function save(blob, ending) {
    const link = element("a");
    const name = state.chart.title.replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "").slice(0, 80) || "zava";
    link.href = URL.createObjectURL(blob);
    link.download = `${name}.${ending}`;
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), WAIT);
    say(`${link.download} was handed over. If nothing was saved, this program allows no downloads: copy instead.`);
  }

  async function copy() {
    try {
      await navigator.clipboard.writeText(csv());
    } catch {
      const text = element("textarea", csv());
      document.body.append(text);
      text.select();
      const done = document.execCommand("copy");
      text.remove();
      if (!done) {
        say("This program allows no copying.");
        return;
      }
    }
    say(`${state.chart.rows.length} rows were copied.`);
  }

  // What a drawing that leaves has on it besides: title, source, period.
  async function whole() {
    const { spec } = state.chart.forms.find((each) => each.form === state.form && each.measure === state.measure);
    const rows = fields();
    const box = element("div");
    box.style.cssText = "position:fixed;left:-9999px;width:800px";
    document.body.append(box);
    const options = { ast: true, actions: false, mode: "vega-lite", renderer: "none" };
    // Without what the legend hides on the screen.
    const { params, encoding: { opacity, ...encoding }, ...rest } = spec;
    const full = { ...rest, encoding, width: 760, padding: 16, background: "#ffffff", datasets: { rows } };
    const drawn = await vegaEmbed(box, full, options);
    return { view: drawn.view, end: () => { drawn.finalize(); box.remove(); } };
  }

  async function saveDrawing(ending) {
    const { view, end } = await whole();
    try {
      if (ending === "svg") save(new Blob([await view.toSVG()], { type: "image/svg+xml" }), ending);
      else {
        const canvas = await view.toCanvas(2);
        save(await new Promise((resolve) => canvas.toBlob(resolve, "image/png")), ending);
      }
    } finally {
      end();
    }
  }

  const attempt = (act) => async (event) => {
    event?.preventDefault();
    try {
      await act();
    } catch (error) {
      say(cut(error.message));
    }
  };

  $("copy").addEventListener("click", attempt(copy));
  $("save-csv").addEventListener("click", attempt(() => save(new Blob(["\ufeff", csv()], { type: "text/csv" }), "csv")));
  $("save-png").addEventListener("click", attempt(() => saveDrawing("png")));
  $("save-svg").addEventListener("click", attempt(() => saveDrawing("svg")));
  $("measure").addEventListener("change", () => { state.measure = $("measure").value; draw(); });
  // No form: a host's sandbox lets none be sent.
  const ask = attempt(async () => {
    const args = { ...state.input, time_period: $("time-period").value.trim() };
    const result = await call(state.chart.tool, args);
    state.input = args;
    show(result);
  });
  $("ask").addEventListener("click", ask);
  $("time-period").addEventListener("keydown", (event) => { if (event.key === "Enter") ask(event); });
  $("more").addEventListener("click", attempt(async () => {
    const { handle } = state.chart;
    const { max_rows } = state.input; // as many again as were asked for
    const result = await call("get_more_rows", max_rows ? { handle, max_rows } : { handle });
    const next = result.structuredContent ?? {};
    state.chart.rows = [...state.chart.rows, ...(next.rows ?? [])];
    state.chart.handle = next.handle ?? null;
    $("more").hidden = !state.chart.handle;
    draw();
    say(`${state.chart.rows.length} rows.${next.truncated && !next.handle ? " More are not kept." : ""}`);
  }));
  $("forms").addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const buttons = [...$("forms").children];
    const at = buttons.findIndex((each) => each.dataset.form === state.form);
    const next = buttons[(at + step + buttons.length) % buttons.length];
    choose(next.dataset.form);
    next.focus();
  });
  $("periods").replaceChildren(...PERIODS.map((name) => {
    const option = element("option");
    option.value = name;
    return option;
  }));

  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  theme(dark.matches ? "dark" : "light");
  if (window.zavaChart) show({ _meta: { "zava/chart": window.zavaChart } });
  else if (host) connect().catch((error) => say(`This program does not answer: ${error.message}`));
})();
