// Replays a run. Times are simulated seconds from the start of the window. animation_stage.js stands before this file.

const CALM = 0.25; // seconds between still frames, where less motion is asked for

// ── The run ─────────────────────────────────────────────────────────────────────────────────────────────────────────

function readRun({ start, end: stop, kinds, times, marks, flight, kept, values }) {
  const aligned = (view) => view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength);
  const rows = (view, count) => {
    const numbers = new Float32Array(aligned(view));
    const size = numbers.length / count;
    return Array.from({ length: count }, (_, row) => numbers.subarray(row * size, (row + 1) * size));
  };
  const [arrival, reached, left, end] = rows(times, 4);
  const duration = stop - start;
  const travel = duration / 60;
  const served = end.map((time, mark) => (isNaN(reached[mark]) ? time : reached[mark])); // at the cache until then
  const hop = left.map((time, mark) => Math.min(travel, 0.15 * (time - reached[mark]))); // from cache to database
  const leaving = left.map((time, mark) => time - hop[mark]);
  return {
    ...{ start, duration, travel, kinds, values, arrival, reached, leaving, left, end, served, hop },
    kind: new Uint8Array(aligned(marks)),
    flight: stepsOf(...rows(flight, 2)),
    kept: stepsOf(...rows(kept, 2)),
    database: heaped(reached, leaving, 0),
    waiting: heaped(arrival, served, travel / 4),
  };
}

// What holds from each of the times on.
function stepsOf(times, counts) {
  const at = (moment) => counts[times.findLastIndex((time) => time <= moment)] ?? 0;
  return { times, counts, at, most: Math.max(0, ...counts) };
}

// Where in a heap each mark lies, as moments and places numbered from 0, and how many lie there at most. A mark comes
// on top; where one leaves, the topmost falls into its place. Marks that stay no longer than `brief` come to no heap.
function heaped(begins, ends, brief) {
  const lasting = [...begins.keys()].filter((mark) => ends[mark] - begins[mark] > brief); // NaN is not
  const events = lasting.flatMap((mark) => [[begins[mark], 1, mark], [ends[mark], 0, mark]]);
  events.sort((one, other) => one[0] - other[0] || one[1] - other[1]);
  const [heap, falls] = [[], new Map()];
  let most = 0;
  for (const [time, comes, mark] of events) {
    if (comes) {
      falls.set(mark, [[time, heap.push(mark) - 1]]);
      most = Math.max(most, heap.length);
      continue;
    }
    const [, hole] = falls.get(mark).at(-1);
    const topmost = heap.pop();
    if (topmost === mark) continue;
    heap[hole] = topmost;
    falls.get(topmost).push([time, hole]);
  }
  return { falls, most };
}

function countsAt(run, moment) {
  const counts = { flight: run.flight.at(moment), kept: run.kept.at(moment), loads: 0, requests: 0, waiting: 0 };
  const passed = (time) => 0 <= time && time <= moment;
  for (let mark = 0; mark < run.kind.length; mark++) {
    if (passed(run.reached[mark])) counts.loads++;
    if (passed(run.arrival[mark])) counts.requests++;
    const loading = run.reached[mark] <= moment && moment < run.left[mark];
    if (!loading && run.arrival[mark] <= moment && moment < run.end[mark]) counts.waiting++;
  }
  return counts;
}

const many = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;

function presence(run, kept) {
  if (run.values === 0) return "nothing kept";
  if (run.values === 1) return kept ? "value kept" : "value gone";
  return `${kept} of ${run.values} values kept`;
}

function describe(run, moment) {
  const counts = countsAt(run, moment);
  return (
    `At ${(run.start + moment).toFixed(2)} s: ${presence(run, counts.kept)}; ${many(counts.flight, "load")} in ` +
    `flight at the database, ${many(counts.waiting, "request")} waiting at the cache; ` +
    `${many(counts.requests, "request")} and ${many(counts.loads, "load")} so far.`
  );
}

// ── The element ─────────────────────────────────────────────────────────────────────────────────────────────────────

const PAGE = `<div class="cachesim-animation">
  <div role="alert"></div>
  <canvas role="img"></canvas>
  <label class="cachesim-moment"><span>time</span><input type="range" data-lm-suppress-shortcuts="true"></label>
  <div class="cachesim-play">
    <button type="button" data-lm-suppress-shortcuts="true"></button>
    <label>speed <select data-lm-suppress-shortcuts="true">
      <option value="0.25">¼ of real time</option><option value="0.5">½ of real time</option>
      <option value="1">real time</option><option value="2">2 × real time</option>
    </select></label>
    <span class="cachesim-time" aria-hidden="true"></span>
  </div>
  <ul aria-label="What the marks are"></ul>
</div>`;

function legend(run) {
  const present = new Set(run.kind);
  const items = run.kinds.map((kind, code) => {
    if (!present.has(code)) return "";
    const { name, colour, shape } = LOOKS[kind];
    const path = `<path d="${shape}" fill="${colour ?? "currentColor"}" fill-rule="evenodd"/>`;
    return `<li><svg viewBox="-6 -6 12 12" aria-hidden="true">${path}</svg>${name}</li>`;
  });
  return items.join("");
}

// The picture of a run on a canvas, made anew when its size, the theme or the paper is another.
function stageOn(canvas, on) {
  let [run, layout, ways, moment] = [];
  const draw = (printed = false) => layout && drawAll(canvas, run, layout, ways, moment, printed);
  const arrange = () => {
    if (!canvas.clientWidth) return; // not shown yet
    layout = layoutOf(run, canvas.clientWidth);
    ways = journeys(run, layout);
    draw();
  };
  for (const event of ["transitionend", "transitioncancel"]) on(canvas, event, () => draw()); // another theme
  on(window, "resize", () => draw()); // a zoomed page has other pixels
  on(window, "beforeprint", () => draw(true));
  on(window, "afterprint", () => draw());
  const resized = new ResizeObserver(arrange);
  resized.observe(canvas);
  on(canvas, "removed", () => resized.disconnect());
  return {
    show(other) {
      [run, layout, moment] = [other, null, 0];
      arrange();
    },
    at(time) {
      moment = time;
      draw();
    },
  };
}

// Calls `pass` with the seconds that go by, while it is on. What nobody sees costs no frames, and stands still.
function clockFor(canvas, on, pass) {
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  let [ticking, visible, last, frame, timer] = [false, false];
  const flow = (now) => {
    const seconds = last === undefined ? 0 : Math.min((now - last) / 1000, 0.1); // after a hitch nothing leaps
    last = now;
    frame = requestAnimationFrame(flow);
    pass(seconds);
  };
  const restart = () => {
    cancelAnimationFrame(frame);
    clearInterval(timer);
    last = undefined;
    if (!ticking || !visible || document.hidden) return;
    if (calm.matches) timer = setInterval(pass, 1000 * CALM, CALM);
    else frame = requestAnimationFrame(flow);
  };
  const turn = (does) => {
    ticking = does;
    restart();
  };
  on(document, "visibilitychange", restart);
  on(calm, "change", restart);
  const seen = new IntersectionObserver((entries) => {
    visible = entries.at(-1).isIntersecting;
    restart();
  });
  seen.observe(canvas);
  on(canvas, "removed", () => {
    seen.disconnect();
    turn(false);
  });
  return turn;
}

function render({ model, el }) {
  el.innerHTML = PAGE;
  const [canvas, slider, button, speed, time, list, alert] = [
    ...["canvas", "input", "button", "select", ".cachesim-time", "ul", "[role=alert]"],
  ].map((name) => el.querySelector(name));
  const gone = new AbortController();
  const on = (target, event, does) => target.addEventListener(event, does, { signal: gone.signal });
  let [run, moment, playing] = [null, 0, false];

  const stage = stageOn(canvas, on);
  const turn = clockFor(canvas, on, (seconds) => goTo(moment + seconds * speed.value, true));
  const goTo = (to, plays) => {
    moment = Math.min(run.duration, to);
    stage.at(moment);
    time.textContent = `${(run.start + moment).toFixed(2)} s`;
    slider.value = run.start + moment;
    play(plays && moment < run.duration);
  };
  const play = (plays) => {
    if (plays !== playing) turn(plays);
    playing = plays;
    button.textContent = playing ? "Pause" : "Play";
    const text = playing ? "Playing; a description follows when paused" : describe(run, moment); // not at each frame
    canvas.setAttribute("aria-label", text);
    slider.setAttribute("aria-valuetext", text);
  };
  const show = () => {
    run = readRun(model.get("run"));
    Object.assign(slider, { min: run.start, max: run.start + run.duration, step: run.duration / 500 });
    list.innerHTML = legend(run);
    stage.show(run);
    goTo(0, false);
  };
  const warn = () => (alert.innerHTML = model.get("problem"));

  on(button, "click", () => (moment < run.duration ? play(!playing) : goTo(0, true)));
  on(slider, "input", () => goTo(slider.value - run.start, false));
  model.on("change:run", show);
  model.on("change:problem", warn);
  speed.value = "0.5";
  show();
  warn();
  return () => {
    canvas.dispatchEvent(new Event("removed"));
    gone.abort();
  };
}

export default { render };
