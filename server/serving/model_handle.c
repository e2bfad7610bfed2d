#include "server/serving/model_handle.h"

#include "base/mem.h"
#include "engine/network/hypernet.h"
#include "engine/network/target.h"
#include "engine/rank/catalogue.h"

#include <string.h>

/* ---- one ---- */

static void free_handle(struct model_handle *h)
{
    if (!h)
        return;
    item_snapshot_unref(h->items);
    mem_free(h->workspace);
    user_encoder_free(h->encoder);
    task_room_free(h->room);
    image_room_free(h->images);
    trained_room_free(h->trained);
    mem_free(h);
}

/* Of a model of tasks: what it needs is made when somebody asks for it. */
static enum err_code new_task_handle(struct served_model *served, struct model_handle **out, struct err *e)
{
    struct model_handle *h = mem_zalloc_array(1, sizeof *h);
    if (!h)
        return err_set(e, ERR_NOMEM, "no memory for a thread's workspace");
    h->served = served;
    h->model = served->model;
    *out = h;
    return ERR_OK;
}

static enum err_code new_handle(struct served_model *served, struct model_handle **out, struct err *e)
{
    const struct model *m = served->model;
    size_t a = catalogue_workspace_len(m->catalogue), b = target_workspace_len(&m->spec);
    struct theta_layout layout;
    struct model_handle *h = mem_zalloc_array(1, sizeof *h);
    if (h)
        h->workspace = mem_alloc_aligned(a > b ? a : b, sizeof *h->workspace);
    if (!h || !h->workspace) {
        free_handle(h);
        return err_set(e, ERR_NOMEM, "no memory for a thread's workspace");
    }
    theta_layout_of(&m->spec, &layout);
    h->served = served;
    h->model = m;
    h->theta_len = layout.len;
    h->items = served_model_items(served, &h->items_version);
    *out = h;
    return ERR_OK;
}

const struct item_snapshot *model_handle_items(struct model_handle *h)
{
    if (atomic_load_explicit(&h->served->items_version, memory_order_acquire) != h->items_version) {
        item_snapshot_unref(h->items);
        h->items = served_model_items(h->served, &h->items_version);
    }
    return h->items;
}

enum err_code model_handle_encoder(struct model_handle *h, struct user_encoder **out, struct err *e)
{
    enum err_code code = ERR_OK;
    if (!h->encoder) {
        code = user_encoder_new(h->model, &h->encoder, e);
        if (!code)
            user_encoder_gather(h->encoder, h->served->batcher);
    }
    *out = h->encoder;
    return code;
}

enum err_code model_handle_room(struct model_handle *h, struct task_room **out, struct err *e)
{
    enum err_code code = h->room ? ERR_OK : task_room_new(h->model, &h->room, e);
    *out = h->room;
    return code;
}

enum err_code model_handle_images(struct model_handle *h, struct image_room **out, struct err *e)
{
    enum err_code code = h->images ? ERR_OK : image_room_new(h->model, &h->images, e);
    *out = h->images;
    return code;
}

enum err_code model_handle_trained(struct model_handle *h, struct trained_room **out, struct err *e)
{
    enum err_code code = h->trained ? ERR_OK : trained_room_new(h->model, &h->trained, e);
    *out = h->trained;
    return code;
}

/* ---- those of a set ---- */

/* The handle of a loading of a model among n, or NULL. */
static struct model_handle *find(struct model_handle *const *list, size_t n, uint64_t uid)
{
    for (size_t i = 0; i < n; i++)
        if (list[i]->served->uid == uid)
            return list[i];
    return NULL;
}

/* Frees those of n handles that are not in `kept` (n_kept). */
static void free_others(struct model_handle *const *list, size_t n, struct model_handle *const *kept,
                        size_t n_kept)
{
    for (size_t i = 0; i < n; i++)
        if (!find(kept, n_kept, list[i]->served->uid))
            free_handle(list[i]);
}

enum err_code model_handles_take(struct model_handles *h, struct model_set *next, struct err *e)
{
    struct model_handle *at[LIMIT_MODELS];
    enum err_code code = ERR_OK;
    size_t n = 0, of[MODEL_KINDS] = {0}, n_had = model_handles_size(h);
    for (size_t i = 0; i < model_set_size(next); i++) {
        enum err_code made = ERR_OK;
        struct served_model *served = next->models[i];
        struct model_handle **to = &at[n];
        *to = find(h->at, n_had, served->uid);
        if (!*to)
            made = served_model_of_tasks(served) ? new_task_handle(served, to, e) : new_handle(served, to, e);
        if (made) {
            code = made;
            continue;
        }
        of[served_model_kind(served)]++;
        n++;
    }
    free_others(h->at, n_had, at, n);
    memcpy(h->at, at, n * sizeof *at);
    h->n = of[MODEL_FOR_USERS];
    h->n_tasks = of[MODEL_OF_TASKS];
    h->n_images = of[MODEL_OF_IMAGES];
    h->n_trained = of[MODEL_OF_TRAINED];
    h->lacks = code != ERR_OK;
    model_set_unref(h->set); /* last: what was freed used its models */
    h->set = next;
    return code;
}

void model_handles_fini(struct model_handles *h)
{
    for (size_t i = 0; i < model_handles_size(h); i++)
        free_handle(h->at[i]);
    model_set_unref(h->set);
    memset(h, 0, sizeof *h);
}

struct model_handle *model_handles_of(const struct model_handles *h, const struct served_model *served)
{
    return find(h->at, model_handles_size(h), served->uid);
}
