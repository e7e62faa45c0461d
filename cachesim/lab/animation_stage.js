// What a moment of a run looks like: where every mark is, and the picture of it. Lengths are CSS pixels.
//
// Drawn, not simulated: the way between clients and cache, before the arrival and after the end, and that a load spends
// the first and the last part of its time on the way to the database and back.

const WIDTH = 768; // of the drawing below; it shrinks with its container
const HEIGHT = 376;
const PEOPLE = 5; // drawn for all the clients
const STORM = 40; // loads in flight, from which on the database glows no brighter
const ROOM = 10; // for so many loads at least, in the small picture of the window
const VALUE = "#f0e442";
const LOAD = "#d55e00";

// Colours are Okabe and Ito's; no colour: that of the text. Shapes are some 8 wide, around 0, 0.
const RING = "M-4.5,0a4.5,4.5 0 1 0 9,0a4.5,4.5 0 1 0 -9,0zM-2,0a2,2 0 1 1 4,0a2,2 0 1 1 -4,0z";
const CROSS = "M-4.6,-2.8L-2.8,-4.6L0,-1.8L2.8,-4.6L4.6,-2.8L1.8,0L4.6,2.8L2.8,4.6L0,1.8L-2.8,4.6L-4.6,2.8L-1.8,0z";
const PLUS = "M-1.5,-4.8h3v3.3h3.3v3h-3.3v3.3h-3v-3.3h-3.3v-3h3.3z";
const LOOKS = {
  hit: { name: "hit", colour: "#0072b2", shape: "M-4,0a4,4 0 1 0 8,0a4,4 0 1 0 -8,0z" },
  stale_hit: { name: "stale hit", colour: "#56b4e9", shape: RING },
  delayed_hit: { name: "delayed hit: waits", colour: "#e69f00", shape: "M0,-4.8L4.8,3.8L-4.8,3.8z" },
  miss: { name: "miss: loads", colour: "#d55e00", shape: "M-3.8,-3.8h7.6v7.6h-7.6z" },
  early: { name: "early recompute: loads", colour: "#009e73", shape: "M0,-5.2L5.2,0L0,5.2L-5.2,0z" },
  error: { name: "error", colour: "#cc79a7", shape: CROSS },
  write: { name: "write", colour: "#f0e442", shape: "M0,4.8L4.8,-3.8L-4.8,-3.8z" },
  background: { name: "background load", colour: null, shape: PLUS },
};

// ── Where everything is ─────────────────────────────────────────────────────────────────────────────────────────────

function layoutOf(run, width) {
  const unit = width / WIDTH;
  const box = (x, y, w, h) => ({ x: x * unit, y: y * unit, w: w * unit, h: h * unit });
  const layout = {
    ...{ unit, width, height: HEIGHT * unit, letter: Math.max(10.5, 13 * unit) },
    clients: box(1, 68, 122, 200),
    cache: box(274, 68, 186, 200),
    tile: box(302, 82, 130, 56),
    database: box(566, 68, 201, 200),
    strip: box(0.12 * WIDTH + 8, 292, 0.88 * WIDTH - 16, 42), // above the slider, whose thumb is 16 wide
  };
  layout.heap = pile(box(576, 96, 181, 158), 11 * unit, run.database.most);
  layout.queue = pile(box(284, 150, 166, 110), 11 * unit, run.waiting.most);
  return layout;
}

// Places for so many marks, nearest first to the middle of the bottom: what is piled up there makes a mound.
function pile(box, usual, count) {
  let gap = usual;
  while (Math.floor(box.w / gap) * Math.floor(box.h / gap) < count) gap *= 0.95;
  const [columns, rows] = [Math.floor(box.w / gap), Math.floor(box.h / gap)];
  const places = [];
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const aside = column - (columns - 1) / 2;
      const x = box.x + box.w / 2 + aside * gap;
      places.push({ x, y: box.y + box.h - (row + 0.5) * gap, far: Math.hypot(row, 0.75 * aside) });
    }
  }
  places.sort((one, other) => one.far - other.far);
  return { places, scale: gap / usual };
}

// The way of each mark, as moments with where it is and how large; in between it glides.
function journeys(run, layout) {
  const { clients, tile, heap, queue } = layout;
  const part = (mark, step) => (mark * step) % 1; // evenly spread, and looks random
  return Array.from({ length: run.kind.length }, (_, mark) => {
    const [arrival, end] = [run.arrival[mark], run.end[mark]];
    const lane = tile.y + tile.h * (0.1 + 0.8 * part(mark, 0.618034));
    const person = Math.floor(PEOPLE * part(mark, 0.754878));
    const client = { x: clients.x + clients.w * 0.66, y: personAt(clients, person), scale: 1 };
    const [asks, answers] = [tile.x, tile.x + tile.w].map((x) => ({ x, y: lane, scale: 1 }));
    const way = [];
    if (!isNaN(arrival)) {
      way.push([arrival - run.travel, client]);
      const falls = run.waiting.falls.get(mark);
      way.push(...(falls ? settle(falls, queue, arrival, run.served[mark], run.travel) : [[arrival, asks]]));
    }
    const falls = run.database.falls.get(mark);
    if (falls) {
      const [reached, left] = [run.reached[mark], run.left[mark]];
      way.push([reached, way.at(-1)?.[1] ?? answers]);
      way.push(...settle(falls, heap, reached + run.hop[mark], run.leaving[mark], run.travel), [left, answers]);
    }
    if (!isNaN(end)) way.push([end, way.at(-1)[1]], [end + run.travel, client]);
    return way;
  });
}

// The way of a mark within a heap.
function settle(falls, heap, from, until, travel) {
  const at = (place) => ({ ...heap.places[place], scale: heap.scale });
  const way = [[from, at(falls[0][1])]];
  for (const [time, place] of falls.slice(1)) {
    const begins = Math.max(time, way.at(-1)[0]);
    if (begins >= until) break;
    way.push([begins, way.at(-1)[1]], [Math.min(begins + travel / 4, until), at(place)]);
  }
  way.push([until, way.at(-1)[1]]);
  return way;
}

// Where on its way a mark is, or null before and after. Fades where it appears and where it goes.
function placeAt(way, moment) {
  if (moment < way[0][0] || moment >= way[way.length - 1][0]) return null;
  let step = 0;
  while (moment >= way[step + 1][0]) step++;
  const [[from, one], [to, other]] = [way[step], way[step + 1]];
  const share = (moment - from) / (to - from);
  const eased = share * share * (3 - 2 * share);
  const glide = (name) => one[name] + (other[name] - one[name]) * eased;
  const ends = Math.min(step === 0 ? share : 1, step === way.length - 2 ? 1 - share : 1);
  return { x: glide("x"), y: glide("y"), scale: glide("scale"), alpha: Math.min(1, 5 * ends) };
}

// ── Drawing ─────────────────────────────────────────────────────────────────────────────────────────────────────────

function write(pen, text, x, y, { size = 1, weight = "normal", align = "center" } = {}) {
  pen.context.font = `${weight} ${size * pen.layout.letter}px ${pen.family}`;
  pen.context.textAlign = align;
  pen.context.fillText(text, x, y);
}

function drawPlaces(pen, run, counts) {
  const { context, layout, ink } = pen;
  const { clients, cache, database, unit } = layout;
  const middle = (box) => box.x + box.w / 2;
  const heads = [
    [clients, "clients", many(counts.requests, "request"), "so far"],
    [cache, "cache", presence(run, counts.kept), `${counts.waiting} waiting now`],
    [database, "database", `${many(counts.flight, "load")} now`, `${counts.loads} so far`],
  ];
  for (const [box, name, first, second] of heads) {
    write(pen, name, middle(box), 14 * unit, { size: 1.15, weight: "bold" });
    write(pen, first, middle(box), 34 * unit, { weight: box === clients ? "normal" : "bold" });
    write(pen, second, middle(box), 53 * unit);
  }
  context.lineWidth = 1.25;
  for (const box of [clients, cache]) outline(pen, rounded(box, 8 * unit));
  drawPeople(pen);
  context.globalAlpha = 0.3;
  for (const [from, to] of [[clients, cache], [cache, database]]) {
    const y = from.y + from.h / 2;
    context.strokeStyle = ink;
    context.stroke(new Path2D(`M${from.x + from.w + 5 * unit},${y}H${to.x - 5 * unit}`));
  }
  context.globalAlpha = 1;
}

const personAt = (clients, person) => clients.y + (clients.h * (person + 0.5)) / PEOPLE;

function drawPeople(pen) {
  const { context, layout, ink } = pen;
  const { clients, unit } = layout;
  const path = new Path2D();
  const x = clients.x + clients.w * 0.42;
  for (let person = 0; person < PEOPLE; person++) {
    const y = personAt(clients, person);
    path.moveTo(x + 4.5 * unit, y - 6 * unit);
    path.arc(x, y - 6 * unit, 4.5 * unit, 0, 2 * Math.PI);
    path.moveTo(x - 9 * unit, y + 10 * unit);
    path.arc(x, y + 10 * unit, 9 * unit, Math.PI, 2 * Math.PI);
    path.closePath();
  }
  context.fillStyle = ink;
  context.globalAlpha = 0.4;
  context.fill(path);
  context.globalAlpha = 1;
}

function outline(pen, path) {
  const { context, ink } = pen;
  context.fillStyle = context.strokeStyle = ink;
  context.globalAlpha = 0.05;
  context.fill(path);
  context.globalAlpha = 0.45;
  context.stroke(path);
  context.globalAlpha = 1;
}

function rounded(box, radius) {
  const path = new Path2D();
  path.roundRect(box.x, box.y, box.w, box.h, radius);
  return path;
}

// A drum that glows in a storm.
function drawDatabase(pen, heat) {
  const { context, layout } = pen;
  const { x, y, w, h } = layout.database;
  const high = 11 * layout.unit;
  const [right, top, bottom] = [x + w, y + high, y + h - high];
  const arc = `A${w / 2},${high} 0 0 1`;
  const body = new Path2D(`M${x},${top}${arc} ${right},${top}V${bottom}${arc} ${x},${bottom}Z`);
  context.fillStyle = LOAD;
  context.globalAlpha = 0.25 * heat;
  context.fill(body);
  outline(pen, body);
  outline(pen, new Path2D(`M${x},${top}${arc} ${right},${top}${arc} ${x},${top}Z`));
}

// What the cache holds: filled while the value is there, as far as values are.
function drawTile(pen, run, kept) {
  const { context, layout, ink, paper } = pen;
  const { tile, unit } = layout;
  const shape = rounded(tile, 6 * unit);
  const share = run.values ? kept / run.values : 0;
  context.save();
  context.fillStyle = paper;
  context.fill(shape);
  context.clip(shape);
  context.fillStyle = VALUE;
  context.fillRect(tile.x, tile.y + tile.h * (1 - share), tile.w, tile.h * share);
  context.restore();
  context.strokeStyle = ink;
  context.setLineDash(kept ? [] : [5 * unit, 4 * unit]);
  context.lineWidth = 1.5;
  context.stroke(shape);
  context.setLineDash([]);
}

function nameTile(pen, run, kept) {
  const { tile } = pen.layout;
  pen.context.fillStyle = 2 * kept > run.values ? "#000" : pen.ink; // the text stands on the value or on the paper
  const one = kept ? "value" : run.values ? "gone" : "empty";
  const text = run.values > 1 ? `${Math.round((100 * kept) / run.values)} % kept` : one;
  write(pen, text, tile.x + tile.w / 2, tile.y + tile.h / 2, { weight: "bold" });
}

function drawMarks(pen, run, ways, moment) {
  const { context, layout, ink, paper } = pen;
  const looks = run.kinds.map((kind) => LOOKS[kind]);
  const shapes = looks.map((look) => new Path2D(look.shape));
  for (let mark = 0; mark < run.kind.length; mark++) {
    const at = placeAt(ways[mark], moment);
    if (!at) continue;
    const kind = run.kind[mark];
    const scale = at.scale * layout.unit;
    context.save();
    context.translate(at.x, at.y);
    context.scale(scale, scale);
    context.globalAlpha = at.alpha;
    context.fillStyle = looks[kind].colour ?? ink;
    context.fill(shapes[kind], "evenodd");
    context.lineWidth = 0.8;
    context.strokeStyle = looks[kind].colour ? ink : paper; // pale colours need an edge
    context.globalAlpha *= 0.7;
    context.stroke(shapes[kind]);
    context.restore();
  }
}

// The whole window in small, above the slider: loads in flight, when the value was kept, and where we are.
function drawStrip(pen, run, moment) {
  const { context, layout, ink } = pen;
  const { strip, unit } = layout;
  const floor = strip.y + strip.h;
  const across = (time) => strip.x + (strip.w * Math.min(time, run.duration)) / run.duration;
  const area = (steps, bottom, height, most) => {
    const up = (count) => bottom - (height * count) / most;
    const path = steps.counts.reduce((way, count, step) => {
      const until = steps.times[step + 1] ?? run.duration;
      return `${way}V${up(count)}H${across(until)}`;
    }, `M${across(0)},${bottom}`);
    return new Path2D(`${path}V${bottom}Z`);
  };
  context.fillStyle = LOAD;
  context.fill(area(run.flight, floor, strip.h, Math.max(ROOM, run.flight.most)));
  const kept = area(run.kept, floor + 14 * unit, 8 * unit, Math.max(1, run.values));
  context.fillStyle = VALUE;
  context.fill(kept);
  context.fillStyle = context.strokeStyle = ink;
  context.lineWidth = 0.8;
  context.stroke(kept);
  context.stroke(new Path2D(`M${across(0)},${floor}H${across(run.duration)}`));
  nameStrip(pen, run, across);
  context.lineWidth = 2;
  context.stroke(new Path2D(`M${across(moment)},${strip.y - 6 * unit}V${floor + 18 * unit}`));
}

function nameStrip(pen, run, across) {
  const { strip, unit } = pen.layout;
  const floor = strip.y + strip.h;
  const beside = (text, y) => write(pen, text, strip.x - 12 * unit, y, { size: 0.9, align: "right" });
  beside("loads now", strip.y + 8 * unit);
  beside(`(up to ${run.flight.most})`, strip.y + 24 * unit);
  beside(run.values > 1 ? "values" : "value", floor + 10 * unit);
  for (const share of [0, 0.2, 0.4, 0.6, 0.8, 1]) {
    const time = Number((run.start + share * run.duration).toPrecision(4));
    write(pen, share ? time : `${time} s`, across(share * run.duration), floor + 29 * unit, { size: 0.9 });
  }
}

function drawAll(canvas, run, layout, ways, moment, printed) {
  const sharp = window.devicePixelRatio;
  const [width, height] = [layout.width, layout.height].map((length) => Math.round(length * sharp));
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const style = getComputedStyle(canvas);
  const [ink, paper] = printed ? ["#000", "#fff"] : [style.color, style.backgroundColor];
  const context = canvas.getContext("2d");
  const pen = { context, layout, ink, paper, family: style.fontFamily };
  const counts = countsAt(run, moment);
  context.setTransform(sharp, 0, 0, sharp, 0, 0);
  context.fillStyle = paper;
  context.fillRect(0, 0, layout.width, layout.height);
  context.fillStyle = ink;
  context.textBaseline = "middle";
  drawPlaces(pen, run, counts);
  drawDatabase(pen, Math.min(1, counts.flight / STORM));
  drawTile(pen, run, counts.kept);
  drawMarks(pen, run, ways, moment);
  nameTile(pen, run, counts.kept);
  drawStrip(pen, run, moment);
}

