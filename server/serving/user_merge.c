#include "server/serving/user_merge.h"

#include "base/limits.h"
#include "server/fields/merge_patch.h"
#include "server/serving/user_contexts.h"

/* The profile of `to`, whose members win, over that of `from`. */
static enum err_code merge_profiles(struct session *t, struct user_merge *m, struct buf *out, struct err *e)
{
    struct buf from, to;
    buf_init(&from, LIMIT_PROFILE_BYTES);
    buf_init(&to, LIMIT_PROFILE_BYTES);
    enum err_code code = store_read_profile(t->writer, m->to, &to, e);
    if (!code) {
        code = store_read_profile(t->writer, m->from, &from, e);
        m->from_is_unknown = code == ERR_NOTFOUND;
    }
    if (!code)
        code = merge_patch((struct text){from.len ? from.data : NULL, from.len},
                           (struct text){to.len ? to.data : NULL, to.len}, "the merged profile", out, e);
    buf_fini(&from);
    buf_fini(&to);
    return code;
}

static enum err_code merge_within(struct session *t, struct user_merge *m, struct buf *profile, struct err *e)
{
    struct store_user *from = recommender_user_record(t->recommender);
    bool created;
    enum err_code code = merge_profiles(t, m, profile, e);
    if (!code)
        code = store_read_user(t->writer, m->from, NULL, from, e);
    if (!code) /* items beyond a model's own have another taker */
        code = user_contexts_touch_items(t, from, e);
    if (!code)
        code = store_add_interactions_of(t->writer, m->from, m->to, e);
    if (!code)
        code = store_delete_user(t->writer, m->from, e);
    if (!code) {
        const struct text merged = {profile->len ? profile->data : NULL, profile->len};
        code = store_put_user(t->writer, m->to, merged, &m->revision, &created, e);
    }
    return code ? code : user_contexts_put(t, m->to, m->of, &m->source, e);
}

enum err_code update_merge(struct session *t, struct user_merge *m, struct err *e)
{
    struct buf profile;
    m->from_is_unknown = false;
    m->source = "prior";
    enum err_code code = session_begin_write(t, e);
    if (code)
        return code;
    buf_init(&profile, LIMIT_PROFILE_BYTES);
    code = merge_within(t, m, &profile, e);
    buf_fini(&profile);
    code = session_end_write(t, code, e);
    if (code)
        return code;
    serving_drop_user(t->serving, m->from, INT64_MAX);
    serving_drop_user(t->serving, m->to, m->revision);
    COUNTER_ADD(t->counters, merges, 1);
    return ERR_OK;
}
