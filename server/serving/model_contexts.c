/* The store gives users and interactions one after the other, both in the order of the users' keys, so users
 * are kept in memory while the interactions pass by. A user is encoded when the last of them has come, and
 * waits with a thousand others for their write: on the second connection, since the first one reads. */
#include "server/serving/model_contexts.h"

#include "base/buf.h"
#include "base/limits.h"
#include "base/mem.h"
#include "server/items/encoder_rows.h"
#include "server/items/item_snapshot.h"
#include "server/serving/user_weights.h"

#include <math.h>
#include <string.h>

enum {
    PIECE_USERS = 1024, /* stored in one write: some ten milliseconds */
    PIECE_INTERACTIONS = 1 << 16
};

/* A user of the snapshot; his id, and his profile behind it, are in texts. */
struct row {
    int64_t key, revision;
    size_t text_at;
    uint32_t id_len, profile_len; /* 0: no profile */
};

/* A user who is encoded and not stored yet. */
struct encoded {
    size_t row, first, n_interactions; /* in the piece's interactions */
};

struct pass {
    struct store_conn *reader, *writer;
    const struct model *model;
    struct store_context_key key;
    struct user_encoder *encoder;
    struct item_snapshot *items;
    struct row *rows; /* (n_rows) by key */
    size_t n_rows, row_capacity;
    struct buf texts;
    size_t at;                              /* the row that interactions come of, or are to */
    struct store_interaction *interactions; /* (n_interactions) of the piece, and last those of rows[at] */
    size_t n_interactions, interaction_capacity;
    size_t first;                      /* of rows[at] */
    struct encoded piece[PIECE_USERS]; /* (n_piece) */
    size_t n_piece;
    float *contexts; /* (PIECE_USERS, C) */
    progress_fn *progress;
    void *arg;
    enum err_code code; /* of what happens within a callback */
    struct err why;
    bool stopped;
};

/* ---- a user ---- */

static struct text id_of(const struct pass *p, const struct row *r)
{
    return (struct text){p->texts.data + r->text_at, r->id_len};
}

/* The record as store_read_user would give it, borrowed. */
static struct store_user record_of(struct pass *p, const struct row *r, size_t first, size_t n)
{
    return (struct store_user){
        .key = r->key,
        .revision = r->revision,
        .profile = {.data = p->texts.data + r->text_at + r->id_len, .len = r->profile_len},
        .interactions = n ? p->interactions + first : NULL,
        .n_interactions = n};
}

static enum err_code store_piece(struct pass *p, struct err *e)
{
    size_t n_bytes = p->model->spec.d_context * sizeof *p->contexts;
    enum err_code code = store_begin(p->writer, e);
    if (code)
        return code;
    for (size_t i = 0; i < p->n_piece && !code; i++) {
        const struct row *r = &p->rows[p->piece[i].row];
        struct store_user user = record_of(p, r, p->piece[i].first, p->piece[i].n_interactions);
        struct err why = {0};
        code = store_put_encoded(p->writer, &p->key, id_of(p, r), &user,
                                 p->contexts + i * p->model->spec.d_context, n_bytes, &why);
        code = code == ERR_NOTFOUND ? ERR_OK : code ? err_set(e, code, "%s", why.text) : ERR_OK; /* gone */
    }
    if (code)
        store_rollback(p->writer);
    else
        code = store_commit(p->writer, e);
    return code;
}

/* Stores the piece and says how far it is. */
static enum err_code end_piece(struct pass *p, struct err *e)
{
    enum err_code code = p->n_piece ? store_piece(p, e) : ERR_OK;
    if (code)
        return code;
    p->n_piece = p->n_interactions = p->first = 0;
    struct progress done = progress_at("contexts", (double)p->at / (double)p->n_rows);
    if (p->progress && !p->progress(p->arg, &done))
        p->stopped = true;
    return ERR_OK;
}

/* Encodes rows[at], whose interactions are the last ones; on to the next. A server that knows an item which
 * came after the snapshot of items makes another context of who took it: none is made here. */
static enum err_code end_user(struct pass *p, struct err *e)
{
    const struct row *r = &p->rows[p->at];
    size_t n = p->n_interactions - p->first, d_context = p->model->spec.d_context;
    struct store_user user = record_of(p, r, p->first, n);
    const float *c;
    if (encoder_rows_known(p->items, user.interactions, n)) {
        enum err_code code = context_encode(p->encoder, p->items, &user, &c, e);
        if (code)
            return code;
        memcpy(p->contexts + p->n_piece * d_context, c, d_context * sizeof *c);
        p->piece[p->n_piece++] = (struct encoded){p->at, p->first, n};
    }
    p->first = p->n_interactions;
    p->at++;
    return p->n_piece == PIECE_USERS || p->n_interactions >= PIECE_INTERACTIONS || p->at == p->n_rows
               ? end_piece(p, e)
               : ERR_OK;
}

/* ---- the pass ---- */

static bool take_user(void *arg, int64_t key, struct text id, struct text profile, int64_t revision)
{
    struct pass *p = arg;
    if (p->n_rows == p->row_capacity) {
        size_t grown = p->row_capacity ? 2 * p->row_capacity : 1024;
        struct row *rows = mem_realloc_array(p->rows, grown, sizeof *rows);
        if (!rows) {
            p->code = err_set(&p->why, ERR_NOMEM, "no memory for %zu users", p->n_rows + 1);
            return false;
        }
        p->rows = rows;
        p->row_capacity = grown;
    }
    p->rows[p->n_rows++] = (struct row){key, revision, p->texts.len, (uint32_t)id.len, (uint32_t)profile.len};
    buf_add(&p->texts, id.data, id.len);
    buf_add(&p->texts, profile.data, profile.len);
    return !p->texts.failed;
}

static enum err_code push(struct pass *p, const struct store_interaction *x, struct err *e)
{
    if (p->n_interactions == p->interaction_capacity) {
        size_t grown = p->interaction_capacity ? 2 * p->interaction_capacity : PIECE_INTERACTIONS;
        struct store_interaction *all = mem_realloc_array(p->interactions, grown, sizeof *all);
        if (!all)
            return err_set(e, ERR_NOMEM, "no memory for %zu interactions", grown);
        p->interactions = all;
        p->interaction_capacity = grown;
    }
    p->interactions[p->n_interactions++] = *x;
    return ERR_OK;
}

/* The users before this one have all their interactions. */
static bool take_interaction(void *arg, int64_t user_key, const struct store_interaction *x)
{
    struct pass *p = arg;
    while (!p->code && !p->stopped && p->at < p->n_rows && p->rows[p->at].key < user_key)
        p->code = end_user(p, &p->why);
    if (!p->code && !p->stopped && p->at < p->n_rows && p->rows[p->at].key == user_key)
        p->code = push(p, x, &p->why);
    return !p->code && !p->stopped;
}

static enum err_code read_all(struct pass *p, struct err *e)
{
    enum err_code code = store_each_user(p->reader, take_user, p, e);
    if (!code && !p->code)
        code = buf_check(&p->texts, "the users", e);
    if (!code && !p->code)
        code = store_each_interaction(p->reader, take_interaction, p, e);
    while (!code && !p->code && !p->stopped && p->at < p->n_rows) /* those who have none */
        p->code = end_user(p, &p->why);
    return code || !p->code ? code : err_set(e, p->code, "%s", p->why.text);
}

/* The items first: a snapshot that was newer than the users' could have what they lack. */
static enum err_code prepare(struct pass *p, struct err *e)
{
    const struct item_changes all = {.all = true};
    buf_init(&p->texts, SIZE_MAX / 4);
    enum err_code code = user_encoder_new(p->model, &p->encoder, e);
    if (!code)
        code = item_snapshot_next(p->reader, p->model, false, NULL, &all, NULL, 0, &p->items, e);
    if (!code &&
        !(p->contexts = mem_alloc_array(PIECE_USERS * p->model->spec.d_context, sizeof *p->contexts)))
        code = err_set(e, ERR_NOMEM, "no memory for contexts");
    return code;
}

enum err_code model_contexts_put(struct store_conn *reader, struct store_conn *writer, const struct model *m,
                                 progress_fn *progress, void *arg, struct err *e)
{
    if (!m->spec.encoder.present)
        return ERR_OK;
    struct pass *p = mem_zalloc_array(1, sizeof *p);
    if (!p)
        return err_set(e, ERR_NOMEM, "no memory for contexts");
    *p = (struct pass){.reader = reader,
                       .writer = writer,
                       .model = m,
                       .key = {m->spec.name, m->spec.version, "user"},
                       .progress = progress,
                       .arg = arg};
    enum err_code code = prepare(p, e);
    if (!code)
        code = store_snapshot_begin(reader, e);
    if (!code) {
        code = read_all(p, e);
        store_snapshot_end(reader);
    }
    user_encoder_free(p->encoder);
    item_snapshot_unref(p->items);
    buf_fini(&p->texts);
    mem_free(p->rows);
    mem_free(p->interactions);
    mem_free(p->contexts);
    mem_free(p);
    return code;
}

enum err_code model_contexts_drop(struct store_conn *writer, const struct model *m, struct err *e)
{
    const struct store_context_key key = {m->spec.name, m->spec.version, "user"};
    enum err_code code = store_begin(writer, e);
    if (code)
        return code;
    code = store_drop_contexts(writer, &key, e);
    if (code)
        store_rollback(writer);
    else
        code = store_commit(writer, e);
    return code;
}
