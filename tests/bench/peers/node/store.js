// The store of hypernet (schema/0001.sql, 0004_taken.sql), read only.
import Database from 'libsql';

const LIST_REVISION_BYTES = 8;

export function openStore(path, model) {
  const db = new Database(path, { readonly: true });
  const { name, version } = model.description;
  const rowOf = new Map(), titles = [];
  for (const row of db.prepare('SELECT item_key, id, title, categories FROM items').all()) {
    const index = model.index.get(row.id);
    if (index === undefined) continue; // it came after the model
    rowOf.set(row.item_key, index);
    titles[index] = { title: row.title, categories: JSON.parse(row.categories ?? '[]') };
  }
  const userOf = db.prepare('SELECT u.user_key, u.revision, c.embedding, c.taken FROM users u JOIN contexts c ON c.id = u.id '
    + "AND c.kind = 'user' AND c.model = ? AND c.model_version = ? WHERE u.id = ?");
  const seenOf = db.prepare('SELECT item_key FROM interactions WHERE user_key = ?').raw();

  // The keys of the items a user has: the context has a list of them while it is as new as the user.
  function keysOf(row) {
    const list = row.taken && Buffer.from(row.taken);
    if (list && Number(list.readBigInt64LE(0)) === row.revision) return new Uint32Array(new Uint8Array(list.subarray(LIST_REVISION_BYTES)).buffer);
    return seenOf.all(row.user_key).map(([key]) => key);
  }

  return {
    titles,
    user(id) {
      const row = userOf.get(name, version, id);
      if (!row) return null;
      const context = new Float32Array(new Uint8Array(row.embedding).buffer);
      return { revision: row.revision, context, seen: Int32Array.from(Array.from(keysOf(row), (key) => rowOf.get(key)).filter((i) => i !== undefined)) };
    },
  };
}
