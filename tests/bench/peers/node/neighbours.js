// The bias that a user's items give to others (schema/model.md). Where a quarter of all pairs has a weight or more, they are a matrix.
const MOST = 4096;

function matrix(start, item, weight, n) {
  const out = new Float32Array(n * n);
  for (let j = 0; j < n; j++) for (let k = start[j]; k < start[j + 1]; k++) out[j * n + item[k]] += weight[k];
  return out;
}

// Only the MOST entries of largest size stay.
function cut(beta) {
  if (beta.length <= MOST) return beta;
  const sizes = Float32Array.from(beta, Math.abs).sort(), least = sizes[sizes.length - MOST];
  let room = MOST - sizes.reduce((n, size) => n + (size > least), 0); // for those of the least size
  for (let i = 0; i < beta.length; i++) {
    const size = Math.abs(beta[i]);
    if (size < least || (size === least && room-- <= 0)) beta[i] = 0;
  }
  return beta;
}

// The function from the rows of a user's items to the bias of all items.
export function openNeighbours({ 'neighbours.start': s, 'neighbours.item': i, 'neighbours.weight': w }, n) {
  const start = Array.from(s.data, Number), item = i.data, weight = w.data;
  if (4 * weight.length < n * n)
    return (seen) => {
      const beta = new Float32Array(n);
      for (const j of seen) for (let k = start[j], end = start[j + 1]; k < end; k++) beta[item[k]] += weight[k];
      return cut(beta);
    };
  const rows = matrix(start, item, weight, n);
  return (seen) => {
    const beta = new Float32Array(n);
    for (const j of seen) for (let k = 0, at = j * n; k < n; k++) beta[k] += rows[at + k];
    return cut(beta);
  };
}
