// A model file of hypernet (schema/model.md) as two ONNX graphs: a context to the tensors of a user's target network, and
// those to the scores of items. What all users share is computed once.
import { readFileSync } from 'node:fs';
import ort from 'onnxruntime-node';
import { openNeighbours } from './neighbours.js';
import * as onnx from './onnx.js';

const OPTIONS = { intraOpNumThreads: 1, interOpNumThreads: 1, executionMode: 'sequential', graphOptimizationLevel: 'all' };
const BLOCKS = ['fold_in', 'history', 'recent', 'profile', 'when', 'disliked', 'ratings'];
const ARRAYS = { F32: Float32Array, I64: BigInt64Array, U32: Uint32Array, U8: Uint8Array };
const op = { identity: 'Identity', relu: 'Relu', tanh: 'Tanh' };

function readSafetensors(path) {
  const content = readFileSync(path);
  const n = Number(content.readBigUInt64LE(0));
  const header = JSON.parse(content.subarray(8, 8 + n).toString());
  const description = JSON.parse(header.__metadata__.hypernet);
  delete header.__metadata__;
  const tensors = {};
  for (const [name, { dtype, shape, data_offsets: [begin, end] }] of Object.entries(header)) {
    if (!ARRAYS[dtype]) throw new Error(`tensor ${name} is ${dtype}, which this peer does not read`);
    tensors[name] = { shape, data: new ARRAYS[dtype](new Uint8Array(content.subarray(8 + n + begin, 8 + n + end)).buffer) };
  }
  return { description, tensors };
}

function itemIds(tensors) {
  const text = Buffer.from(tensors['catalogue.id_bytes'].data), offsets = tensors['catalogue.id_offsets'].data;
  return Array.from({ length: offsets.length - 1 }, (_, i) => text.toString('utf8', Number(offsets[i]), Number(offsets[i + 1])));
}

// Rows (n, d) by the rows (r, d) of a matrix: (n, r).
function products({ data: rows, shape: [n, d] }, { data: matrix, shape: [r] }) {
  const out = new Float32Array(n * r);
  for (let i = 0; i < n; i++)
    for (let k = 0; k < r; k++) {
      let sum = 0;
      for (let j = 0; j < d; j++) sum += rows[i * d + j] * matrix[k * d + j];
      out[i * r + k] = sum;
    }
  return { data: out, shape: [n, r] };
}

// What the first layer makes of every item without a user: V e, or W e where nothing of W is generated.
function sharedPart({ target: { layers: [first] } }, tensors) {
  const items = tensors['catalogue.embedding'], known = { core: 'target.0.v', shared: 'target.0.weight' }[first.generator];
  return known ? products(items, tensors[known]) : items;
}

// rows (n, d) as columns (d, n).
function transposed({ data: rows, shape: [n, d] }) {
  const out = new Float32Array(n * d);
  for (let i = 0; i < n; i++) for (let j = 0; j < d; j++) out[j * n + i] = rows[i * d + j];
  return out;
}

// Normalises each block of the encoder by itself, then the layers: c (1, C) to z.
function trunk({ encoder, trunk: { norm, layers }, d_context: width }, tensors, keep) {
  const blocks = BLOCKS.filter((b) => encoder[b]).map((b) => encoder[b].dim * (encoder[b].n_decays ?? 1));
  const widths = norm === 'block' ? blocks : [width], nodes = [];
  let at = 0;
  if (norm === 'none') nodes.push(onnx.node('Identity', ['c'], ['x0']));
  else {
    nodes.push(onnx.initializer('widths', [widths.length], BigInt64Array.from(widths.map(BigInt))));
    nodes.push(onnx.node('Split', ['c', 'widths'], widths.map((_, i) => 'c' + i), { axis: 1 }));
    widths.forEach((w, i) => {
      for (const part of ['weight', 'bias'])
        nodes.push(onnx.initializer('norm.' + part + i, [w], tensors['trunk.norm.' + part].data.slice(at, at + w)));
      nodes.push(onnx.node('LayerNormalization', ['c' + i, 'norm.weight' + i, 'norm.bias' + i], ['n' + i], { axis: -1 }));
      at += w;
    });
    nodes.push(onnx.node('Concat', widths.map((_, i) => 'n' + i), ['x0'], { axis: 1 }));
  }
  layers.forEach((layer, i) => {
    keep('trunk.' + i + '.weight', 'trunk.' + i + '.bias');
    nodes.push(onnx.node('Gemm', ['x' + i, 'trunk.' + i + '.weight', 'trunk.' + i + '.bias'], ['a' + i], { transB: 1 }));
    nodes.push(onnx.node(op[layer.activation], ['a' + i], ['x' + (i + 1)]));
  });
  return [...nodes, onnx.node('Identity', ['x' + layers.length], ['z'])];
}

// The tensors that are a user's: [name, shape], those of the layers on what comes before them.
function userTensors({ d_item: d, target: { layers } }) {
  const out = [['p', [1, d]]];
  layers.forEach((layer, n) => {
    const width = n === 0 && layer.generator === 'core' ? layer.rank : layer.d_in;
    if (layer.generator !== 'shared') out.push(['w' + n, [layer.d_out, width]]);
    if (layer.bias === 'full') out.push(['b' + n, [1, layer.d_out]]);
  });
  return out;
}

// W of layer n, as w followed by n.
function generatedLayer(layer, n, keep) {
  const { generator, d_out: rows, d_in: columns, rank } = layer, t = (part) => `target.${n}.${part}`, nodes = [];
  const reshape = (from, to, ...shape) => nodes.push(onnx.initializer(`${to}.shape`, [2], BigInt64Array.from(shape.map(BigInt))),
    onnx.node('Reshape', [from, `${to}.shape`], [to]));
  if (layer.bias === 'full') {
    keep(t('bias'), t('bias_head.weight'));
    nodes.push(onnx.node('Gemm', ['z', t('bias_head.weight'), t('bias')], ['b' + n], { transB: 1 }));
  }
  if (generator === 'shared') return nodes;
  keep(t('head.weight'));
  if (generator === 'low_rank') keep(t('head.bias'));
  nodes.push(onnx.node('Gemm', ['z', t('head.weight'), ...(generator === 'low_rank' ? [t('head.bias')] : [])], [t('m')], { transB: 1 }));
  if (generator === 'core') {
    keep(t('u'), t('core'));
    if (n > 0) keep(t('v'));
    reshape(t('m'), t('square'), rank, rank);
    nodes.push(onnx.node('Add', [t('square'), t('core')], [t('k')]), onnx.node('MatMul', [t('u'), t('k')], [n === 0 ? 'w0' : t('uk')]));
    if (n > 0) nodes.push(onnx.node('MatMul', [t('uk'), t('v')], ['w' + n]));
    return nodes;
  }
  keep(t('weight'));
  if (generator === 'full') reshape(t('m'), t('sum'), rows, columns);
  else {
    nodes.push(onnx.initializer(t('parts'), [2], BigInt64Array.of(BigInt(rows * rank), BigInt(rank * columns))),
      onnx.node('Split', [t('m'), t('parts')], [t('a0'), t('b0')], { axis: 1 }));
    reshape(t('a0'), t('a'), rows, rank);
    reshape(t('b0'), t('b'), rank, columns);
    nodes.push(onnx.node('MatMul', [t('a'), t('b')], [t('sum')]));
  }
  return [...nodes, onnx.node('Add', [t('sum'), t('weight')], ['w' + n])];
}

function generateGraph(description, tensors) {
  const kept = [], { layers, linear_head: head } = description.target;
  const keep = (...names) => names.forEach((n) => kept.push(onnx.initializer(n, tensors[n].shape, tensors[n].data)));
  const nodes = trunk(description, tensors, keep);
  keep('linear.context.weight');
  if (head) {
    keep('linear.head.weight');
    nodes.push(onnx.node('Gemm', ['z', 'linear.head.weight'], ['p0'], { transB: 1 }));
  }
  nodes.push(onnx.node('Gemm', ['c', 'linear.context.weight', ...(head ? ['p0'] : [])], ['p'], { transB: 1 }));
  layers.forEach((layer, n) => nodes.push(...generatedLayer(layer, n, keep)));
  return onnx.model('generate', [...kept, ...nodes, onnx.input('c', [1, description.d_context]),
    ...userTensors(description).map(([name, shape]) => onnx.output(name, shape))]);
}

const scoreInputs = (description) => [...userTensors(description).map(([name, shape]) => onnx.input(name, shape)),
  onnx.input('bias', [1, description.n_items])];

// The weights of the target network that are no user's.
function constants({ target: { layers } }, tensors) {
  return layers.flatMap((layer, n) => {
    const constant = (as, name) => onnx.initializer(as, tensors[name].shape.length === 1 ? [1, tensors[name].shape[0]] : tensors[name].shape, tensors[name].data);
    return [...(n > 0 && layer.generator === 'shared' ? [constant('w' + n, `target.${n}.weight`)] : []),
      ...(layer.bias === 'shared' ? [constant('b' + n, `target.${n}.bias`)] : [])];
  });
}

// The layers on columns, from `shared` (r, n), or where it is rows (n, r), added to `linear` (1, n). A product with one row at the
// left is what ONNX Runtime has a fast kernel for.
function layersOfColumns(layers, rows) {
  const nodes = [onnx.initializer('column', [2], BigInt64Array.of(-1n, 1n))];
  layers.forEach((layer, n) => {
    const x = n === 0 ? 'shared' : 'h' + (n - 1), has = layer.bias !== 'none', last = n + 1 === layers.length;
    if (has) nodes.push(onnx.node('Reshape', ['b' + n, 'column'], ['column.b' + n]));
    if (n === 0 && layer.generator === 'shared')
      nodes.push(onnx.node(rows ? 'Transpose' : 'Identity', [x], ['x0']), has ? onnx.node('Add', ['x0', 'column.b0'], ['y0']) : onnx.node('Identity', ['x0'], ['y0']));
    else nodes.push(onnx.node('Gemm', ['w' + n, x, ...(has ? ['column.b' + n] : [])], ['y' + n], n === 0 && rows ? { transB: 1 } : {}));
    if (!last) nodes.push(onnx.node(op[layer.activation], ['y' + n], ['h' + n]));
  });
  return [...nodes, layers.length ? onnx.node('Add', ['y' + (layers.length - 1), 'linear'], ['scores']) : onnx.node('Identity', ['linear'], ['scores'])];
}

// The scores of all items.
function allGraph(description, tensors, shared) {
  const n = description.n_items;
  return onnx.model('all', [
    onnx.initializer('items', [description.d_item, n], transposed(tensors['catalogue.embedding'])),
    ...(shared ? [onnx.initializer('shared', [shared.shape[1], n], transposed(shared))] : []),
    ...constants(description, tensors),
    onnx.node('Gemm', ['p', 'items', 'bias'], ['linear']), ...layersOfColumns(description.target.layers, false),
    ...scoreInputs(description), onnx.output('scores', [1, n])]);
}

// The scores of some rows.
function someGraph(description, tensors, shared) {
  const n = description.n_items, d = description.d_item;
  return onnx.model('some', [
    onnx.initializer('all_items', [n, d], tensors['catalogue.embedding'].data), onnx.node('Gather', ['all_items', 'rows'], ['items']),
    ...(shared ? [onnx.initializer('all_shared', shared.shape, shared.data), onnx.node('Gather', ['all_shared', 'rows'], ['shared'])] : []),
    onnx.node('Gather', ['bias', 'rows'], ['bias_rows'], { axis: 1 }),
    ...constants(description, tensors),
    onnx.node('Gemm', ['p', 'items', 'bias_rows'], ['linear'], { transB: 1 }), ...layersOfColumns(description.target.layers, true),
    onnx.input('rows', ['n'], onnx.integers), ...scoreInputs(description), onnx.output('scores', [1, 'n'])]);
}

export async function openModel(path) {
  const { description, tensors } = readSafetensors(path), { target } = description;
  if (description.objective !== 'ranking' || !target.linear || (target.layers.at(-1)?.activation ?? 'identity') !== 'identity')
    throw new Error('this peer serves the rankings that `hypernet train` makes');
  const shared = target.layers.length ? sharedPart(description, tensors) : null;
  const open = (bytes) => ort.InferenceSession.create(bytes, OPTIONS);
  const generate = await open(generateGraph(description, tensors));
  const all = await open(allGraph(description, tensors, shared));
  const some = await open(someGraph(description, tensors, shared));
  const ids = itemIds(tensors), own = tensors['catalogue.bias'].data;
  const neighbours = target.neighbours ? openNeighbours(tensors, description.n_items) : null;
  const asTensor = (bias) => new ort.Tensor('float32', bias, [1, bias.length]), ownBias = asTensor(own);

  function biasOf(seen) {
    if (!neighbours) return ownBias;
    const bias = neighbours(seen);
    for (let i = 0; i < bias.length; i++) bias[i] += own[i];
    return asTensor(bias);
  }
  return {
    description, ids, index: new Map(ids.map((id, i) => [id, i])),
    generate: async (context, seen) =>
      ({ ...await generate.run({ c: new ort.Tensor('float32', context, [1, context.length]) }), bias: biasOf(seen) }),
    scores: async (theta) => (await all.run(theta)).scores.data,
    scoresOf: async (theta, rows) => {
      const tensor = new ort.Tensor('int64', BigInt64Array.from(rows, BigInt), [rows.length]);
      return (await some.run({ ...theta, rows: tensor })).scores.data;
    },
  };
}
