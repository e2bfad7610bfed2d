/* GET /v1/models: what is served, and what has to be sent to it. */
#include "server/api/api.h"

#include <string.h>

/* ,"key": text */
static void add_text(struct buf *out, const char *key, const char *text)
{
    buf_addf(out, ",\"%s\":", key);
    buf_add_json_string(out, text, strlen(text));
}

/* ,"key": [texts] */
static void add_texts(struct buf *out, const char *key, char *const *texts, size_t n)
{
    buf_addf(out, ",\"%s\":[", key);
    for (size_t i = 0; i < n; i++) {
        if (i)
            buf_addc(out, ',');
        buf_add_json_string(out, texts[i], strlen(texts[i]));
    }
    buf_addc(out, ']');
}

static void add_column(struct buf *out, const struct column *column)
{
    buf_addf(out, "{\"kind\":\"%s\"", column->kind == COLUMN_NUMBER ? "number" : "category");
    add_text(out, "name", column->name);
    buf_addf(out, ",\"optional\":%s", column->optional ? "true" : "false");
    if (column->kind == COLUMN_NUMBER)
        buf_addf(out, ",\"range\":[%.9g,%.9g]", column->least, column->most);
    else
        add_texts(out, "values", column->values, column->n_values);
    buf_addc(out, '}');
}

static void add_task(struct buf *out, const struct task_spec *t)
{
    add_text(out, "target", t->target);
    if (t->n_classes)
        add_texts(out, "classes", t->classes, t->n_classes);
    else
        buf_addf(out, ",\"range\":[%.9g,%.9g]", t->target_least, t->target_most);
    if (t->forgets)
        add_text(out, "time", t->time);
    buf_adds(out, ",\"columns\":[");
    for (size_t i = 0; i < t->columns.n; i++) {
        if (i)
            buf_addc(out, ',');
        add_column(out, &t->columns.list[i]);
    }
    buf_addc(out, ']');
}

static void add_images(struct buf *out, const struct image_model_spec *m)
{
    buf_addf(out, ",\"images\":{\"height\":%zu,\"width\":%zu,\"channels\":%zu,\"range\":[%.9g,%.9g]}",
             m->images.height, m->images.width, m->images.n_channels, m->least, m->most);
}

/* [{"id": id, "classes": [names]}] */
static void add_trained(struct buf *out, const struct model *m)
{
    const struct trained_spec *t = &m->spec.trained;
    buf_adds(out, ",\"shape\":[");
    for (size_t i = 0; i < t->n_dims; i++)
        buf_addf(out, i ? ",%zu" : "%zu", t->dims[i]);
    buf_addf(out, "],\"unit\":%.9g,\"tasks\":[", t->unit);
    for (size_t i = 0; i < t->n_tasks; i++) {
        size_t len;
        const char *id = model_item_id(m, i, &len);
        buf_adds(out, i ? ",{\"id\":" : "{\"id\":");
        buf_add_json_string(out, id, len);
        add_texts(out, "classes", t->tasks[i].names, t->tasks[i].n);
        buf_addc(out, '}');
    }
    buf_addc(out, ']');
}

void api_models_get(struct api_thread *t, struct request *r)
{
    const struct model_handles *handles = recommender_handles(t->session.recommender);
    struct buf *out = request_answer(r, 200, request_json);
    buf_adds(out, "{\"models\":[");
    for (size_t i = 0; i < model_handles_size(handles); i++) {
        const struct model_spec *spec = &handles->at[i]->model->spec;
        buf_addf(out, "%s{\"answers_for\":\"%s\"", i ? "," : "",
                 model_spec_for_users(spec) ? "users"
                 : spec->trained.present    ? "trained tasks"
                                            : "tasks");
        add_text(out, "name", spec->name);
        add_text(out, "version", spec->version);
        add_text(out, "objective", spec->objective->name);
        if (spec->task.present)
            add_task(out, &spec->task);
        else if (spec->images.present)
            add_images(out, &spec->images);
        else if (spec->trained.present)
            add_trained(out, handles->at[i]->model);
        else
            buf_addf(out, ",\"items\":%zu", spec->n_items);
        buf_addc(out, '}');
    }
    buf_adds(out, "]}");
}
