// Writes ONNX models (onnx.proto, IR 8, opset 17) as bytes: the few fields of protobuf that the peer's graphs need, so that
// no converter has to be installed.
const FLOAT = 1, INT64 = 7;

function varint(n) {
  const bytes = [];
  let rest = BigInt(n);
  if (rest < 0n) rest += 1n << 64n;
  do {
    const low = Number(rest & 127n);
    rest >>= 7n;
    bytes.push(rest ? low | 128 : low);
  } while (rest);
  return Buffer.from(bytes);
}

const number = (field, n) => Buffer.concat([varint(field << 3), varint(n)]);
const bytes = (field, content) => Buffer.concat([varint((field << 3) | 2), varint(content.length), content]);
const text = (field, s) => bytes(field, Buffer.from(s));
const message = (field, parts) => bytes(field, Buffer.concat(parts));

function attribute([name, value]) {
  const parts = [text(1, name)];
  if (Array.isArray(value)) parts.push(...value.map((n) => number(8, n)), number(20, 7));
  else parts.push(number(3, value), number(20, 2));
  return message(5, parts);
}

export function node(op, inputs, outputs, attributes = {}) {
  return message(1, [...inputs.map((i) => text(1, i)), ...outputs.map((o) => text(2, o)), text(4, op),
    ...Object.entries(attributes).map(attribute)]);
}

// A constant: data is a Float32Array or a BigInt64Array.
export function initializer(name, dims, data) {
  const type = data instanceof Float32Array ? FLOAT : INT64;
  const raw = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return message(5, [...dims.map((d) => number(1, d)), number(2, type), text(8, name), bytes(9, raw)]);
}

// An input (field 11) or an output (field 12); a dimension that is a word is free.
function value(field, name, dims, type) {
  const shape = dims.map((d) => message(1, [typeof d === 'string' ? text(2, d) : number(1, d)]));
  return message(field, [text(1, name), message(2, [message(1, [number(1, type), message(2, shape)])])]);
}
export const input = (name, dims, type = FLOAT) => value(11, name, dims, type);
export const output = (name, dims) => value(12, name, dims, FLOAT);
export const integers = INT64;

export function model(name, parts) {
  return Buffer.concat([number(1, 8), message(8, [text(1, ''), number(2, 17)]), message(7, [text(2, name), ...parts])]);
}
