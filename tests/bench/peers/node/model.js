// A model file of hypernet (schema/model.md) as two ONNX graphs: a context to the tensors of a user's target network, and
// those to the scores of items. What all users share is computed once.
import { readFileSync } from 'node:fs';
import ort from 'onnxruntime-node';
import * as onnx from './onnx.js';

const OPTIONS = { intraOpNumThreads: 1, interOpNumThreads: 1, executionMode: 'sequential', graphOptimizationLevel: 'all' };

function readSafetensors(path) {
  const content = readFileSync(path);
  const n = Number(content.readBigUInt64LE(0));
  const header = JSON.parse(content.subarray(8, 8 + n).toString());
  const description = JSON.parse(header.__metadata__.hypernet);
  delete header.__metadata__;
  const tensors = {};
  for (const [name, { dtype, shape, data_offsets: [begin, end] }] of Object.entries(header)) {
    const copy = new Uint8Array(content.subarray(8 + n + begin, 8 + n + end)).buffer;
    const data = dtype === 'F32' ? new Float32Array(copy) : dtype === 'I64' ? new BigInt64Array(copy) : new Uint8Array(copy);
    tensors[name] = { shape, data };
  }
  return { description, tensors };
}

function itemIds(tensors) {
  const text = Buffer.from(tensors['catalogue.id_bytes'].data), offsets = tensors['catalogue.id_offsets'].data;
  return Array.from({ length: offsets.length - 1 }, (_, i) => text.toString('utf8', Number(offsets[i]), Number(offsets[i + 1])));
}

// V e of every item.
function sharedPart({ data: items, shape: [n, d] }, { data: v, shape: [rank] }) {
  const out = new Float32Array(n * rank);
  for (let i = 0; i < n; i++)
    for (let r = 0; r < rank; r++) {
      let sum = 0;
      for (let j = 0; j < d; j++) sum += items[i * d + j] * v[r * d + j];
      out[i * rank + r] = sum;
    }
  return out;
}

const op = { identity: 'Identity', relu: 'Relu', tanh: 'Tanh' };

// Normalises each block of the encoder by itself, then the layers: c (1, C) to z.
function trunk(description, tensors, keep) {
  const { fold_in: f, history: h, recent: r, profile: p } = description.encoder;
  const widths = [f.dim, h.dim, r.dim * r.n_decays, p.dim], nodes = [];
  let at = 0;
  nodes.push(onnx.initializer('widths', [4], BigInt64Array.from(widths.map(BigInt))));
  nodes.push(onnx.node('Split', ['c', 'widths'], widths.map((_, i) => 'c' + i), { axis: 1 }));
  widths.forEach((width, i) => {
    for (const part of ['weight', 'bias'])
      nodes.push(onnx.initializer('norm.' + part + i, [width], tensors['trunk.norm.' + part].data.slice(at, at + width)));
    nodes.push(onnx.node('LayerNormalization', ['c' + i, 'norm.weight' + i, 'norm.bias' + i], ['n' + i], { axis: -1 }));
    at += width;
  });
  nodes.push(onnx.node('Concat', widths.map((_, i) => 'n' + i), ['x0'], { axis: 1 }));
  const layers = description.trunk.layers;
  layers.forEach((layer, i) => {
    keep('trunk.' + i + '.weight', 'trunk.' + i + '.bias');
    nodes.push(onnx.node('Gemm', ['x' + i, 'trunk.' + i + '.weight', 'trunk.' + i + '.bias'], ['a' + i], { transB: 1 }));
    nodes.push(onnx.node(op[layer.activation], ['a' + i], [i + 1 === layers.length ? 'z' : 'x' + (i + 1)]));
  });
  return nodes;
}

function generateGraph(description, tensors) {
  const kept = [], [first] = description.target.layers;
  const keep = (...names) => names.forEach((n) => kept.push(onnx.initializer(n, tensors[n].shape, tensors[n].data)));
  const nodes = trunk(description, tensors, keep);
  keep('linear.context.weight', 'linear.head.weight', 'target.0.u', 'target.0.core', 'target.0.head.weight', 'target.0.bias',
    'target.0.bias_head.weight', 'target.1.weight', 'target.1.head.weight');
  nodes.push(onnx.initializer('square', [2], BigInt64Array.of(BigInt(first.rank), BigInt(first.rank))),
    onnx.node('Gemm', ['z', 'linear.head.weight'], ['p0'], { transB: 1 }),
    onnx.node('Gemm', ['c', 'linear.context.weight', 'p0'], ['p'], { transB: 1 }),
    onnx.node('Gemm', ['z', 'target.0.head.weight'], ['m'], { transB: 1 }),
    onnx.node('Reshape', ['m', 'square'], ['square_m']),
    onnx.node('Add', ['square_m', 'target.0.core'], ['k']),
    onnx.node('MatMul', ['target.0.u', 'k'], ['w']),
    onnx.node('Gemm', ['z', 'target.0.bias_head.weight', 'target.0.bias'], ['b'], { transB: 1 }),
    onnx.node('Gemm', ['z', 'target.1.head.weight', 'target.1.weight'], ['o'], { transB: 1 }));
  return onnx.model('generate', [...kept, ...nodes, onnx.input('c', [1, description.d_context]),
    onnx.output('p', [1, description.d_item]), onnx.output('w', [first.d_out, first.rank]),
    onnx.output('b', [1, first.d_out]), onnx.output('o', [1, first.d_out])]);
}

const scoreInputs = (description, [first]) => [onnx.input('p', [1, description.d_item]),
  onnx.input('w', [first.d_out, first.rank]), onnx.input('b', [1, first.d_out]), onnx.input('o', [1, first.d_out])];

// rows (n, d) as columns (d, n).
function transposed(rows, n, d) {
  const out = new Float32Array(n * d);
  for (let i = 0; i < n; i++) for (let j = 0; j < d; j++) out[j * n + i] = rows[i * d + j];
  return out;
}

// The scores of all items. Items are columns: a product with one row at the left is what ONNX Runtime has a fast kernel for.
function allGraph(description, tensors, shared) {
  const layers = description.target.layers, [first] = layers, n = description.n_items, d = description.d_item;
  return onnx.model('all', [
    onnx.initializer('items', [d, n], transposed(tensors['catalogue.embedding'].data, n, d)),
    onnx.initializer('shared', [first.rank, n], transposed(shared, n, first.rank)),
    onnx.initializer('bias', [1, n], tensors['catalogue.bias'].data),
    onnx.initializer('column', [2], BigInt64Array.of(-1n, 1n)),
    onnx.node('Reshape', ['b', 'column'], ['b_column']),
    onnx.node('Gemm', ['p', 'items', 'bias'], ['linear']),
    onnx.node('Gemm', ['w', 'shared', 'b_column'], ['a']), onnx.node('Relu', ['a'], ['h']),
    onnx.node('Gemm', ['o', 'h', 'linear'], ['scores']),
    ...scoreInputs(description, layers), onnx.output('scores', [1, n])]);
}

// The scores of some rows.
function someGraph(description, tensors, shared) {
  const layers = description.target.layers, n = description.n_items;
  return onnx.model('some', [
    onnx.initializer('items', [n, description.d_item], tensors['catalogue.embedding'].data),
    onnx.initializer('shared', [n, layers[0].rank], shared),
    onnx.initializer('bias', [n, 1], tensors['catalogue.bias'].data),
    ...['items', 'shared', 'bias'].map((name) => onnx.node('Gather', [name, 'rows'], [name + '_rows'])),
    onnx.node('Gemm', ['items_rows', 'p', 'bias_rows'], ['linear'], { transB: 1 }),
    onnx.node('Gemm', ['shared_rows', 'w', 'b'], ['a'], { transB: 1 }), onnx.node('Relu', ['a'], ['h']),
    onnx.node('Gemm', ['h', 'o', 'linear'], ['scores'], { transB: 1 }),
    onnx.input('rows', ['n'], onnx.integers), ...scoreInputs(description, layers), onnx.output('scores', ['n', 1])]);
}

export async function openModel(path) {
  const { description, tensors } = readSafetensors(path);
  const shared = sharedPart(tensors['catalogue.embedding'], tensors['target.0.v']);
  const open = (bytes) => ort.InferenceSession.create(bytes, OPTIONS);
  const generate = await open(generateGraph(description, tensors));
  const all = await open(allGraph(description, tensors, shared));
  const some = await open(someGraph(description, tensors, shared));
  const ids = itemIds(tensors);
  return {
    description, ids, index: new Map(ids.map((id, i) => [id, i])),
    generate: (context) => generate.run({ c: new ort.Tensor('float32', context, [1, context.length]) }),
    scores: async (theta) => (await all.run(theta)).scores.data,
    scoresOf: async (theta, rows) => {
      const tensor = new ort.Tensor('int64', BigInt64Array.from(rows, BigInt), [rows.length]);
      return (await some.run({ ...theta, rows: tensor })).scores.data;
    },
  };
}
