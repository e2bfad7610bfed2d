// The store of hypernet (schema/0001.sql), read only.
import Database from 'libsql';

export function openStore(path, model) {
  const db = new Database(path, { readonly: true });
  const { name, version } = model.description;
  const rowOf = new Map(), titles = [];
  for (const row of db.prepare('SELECT item_key, id, title, categories FROM items').all()) {
    rowOf.set(row.item_key, model.index.get(row.id));
    titles[model.index.get(row.id)] = { title: row.title, categories: JSON.parse(row.categories ?? '[]') };
  }
  const userOf = db.prepare('SELECT u.user_key, u.revision, c.embedding FROM users u JOIN contexts c ON c.id = u.id '
    + "AND c.kind = 'user' AND c.model = ? AND c.model_version = ? WHERE u.id = ?");
  const seenOf = db.prepare('SELECT item_key FROM interactions WHERE user_key = ?').raw();
  return {
    titles,
    user(id) {
      const row = userOf.get(name, version, id);
      if (!row) return null;
      const context = new Float32Array(new Uint8Array(row.embedding).buffer);
      return { revision: row.revision, context, seen: seenOf.all(row.user_key).map(([key]) => rowOf.get(key)) };
    },
  };
}
