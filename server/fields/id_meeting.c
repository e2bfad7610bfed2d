/* One side is held in two tables: the ids, and their forms (id_form). An id of the other side is met when it
 * is held; else its form may be. Counting what is apart on both sides finds tables of which one has an id
 * twice, too. */
#include "server/fields/id_meeting.h"

#include "base/limits.h"
#include "base/mem.h"
#include "server/fields/id_form.h"

#include <stdio.h>
#include <string.h>

void id_meeting_init(struct id_meeting *m)
{
    *m = (struct id_meeting){0};
    buf_init(&m->form, LIMIT_ID_BYTES);
    buf_init(&m->stranger, LIMIT_ID_BYTES);
    buf_init(&m->apart[0], LIMIT_ID_BYTES);
    buf_init(&m->apart[1], LIMIT_ID_BYTES);
}

void id_meeting_fini(struct id_meeting *m)
{
    id_table_fini(&m->ids);
    id_table_fini(&m->forms);
    id_table_fini(&m->others);
    mem_free(m->form_of);
    mem_free(m->other_of);
    mem_free(m->met);
    buf_fini(&m->form);
    buf_fini(&m->stranger);
    buf_fini(&m->apart[0]);
    buf_fini(&m->apart[1]);
}

/* Room for one id and one form more. */
static enum err_code reserve(struct id_meeting *m, struct err *e)
{
    size_t capacity = m->ids_capacity; /* of both arrays */
    if (MEM_RESERVE(m->form_of, capacity, m->ids.n + 1) &&
        MEM_RESERVE(m->met, m->ids_capacity, m->ids.n + 1) &&
        MEM_RESERVE(m->other_of, m->forms_capacity, m->forms.n + 1))
        return ERR_OK;
    return err_set(e, ERR_NOMEM, "no memory to compare more than %zu ids", m->ids.n);
}

static enum err_code form_of(struct id_meeting *m, struct text id, struct text *out, struct err *e)
{
    id_form(id, ID_FORM_ALL, &m->form);
    *out = m->form.len ? (struct text){m->form.data, m->form.len} : id; /* of spaces alone */
    return buf_check(&m->form, "an id", e);
}

enum err_code id_meeting_hold(struct id_meeting *m, struct text id, bool *more, struct err *e)
{
    *more = m->ids.n < ID_MEETING_MOST;
    if (!*more || id_table_find(&m->ids, id) != ID_TABLE_NONE)
        return ERR_OK;
    struct text form;
    uint32_t number;
    size_t n_forms = m->forms.n;
    enum err_code code = reserve(m, e);
    if (!code)
        code = form_of(m, id, &form, e);
    if (!code)
        code = id_table_add(&m->forms, form, &number, e);
    if (code)
        return code;
    m->form_of[m->ids.n] = number;
    m->met[m->ids.n] = false;
    if (m->forms.n > n_forms)
        m->other_of[number] = ID_TABLE_NONE;
    return id_table_add(&m->ids, id, &number, e);
}

static void keep(struct buf *b, struct text id)
{
    if (!b->len)
        buf_add(b, id.data, id.len);
}

/* The first held id of a form. */
static struct text first_of(const struct id_meeting *m, uint32_t form)
{
    uint32_t i = 0;
    while (m->form_of[i] != form)
        i++;
    return id_table_text(&m->ids, i);
}

enum err_code id_meeting_meet(struct id_meeting *m, struct text id, struct err *e)
{
    struct text form;
    m->n_seen++;
    uint32_t held = id_table_find(&m->ids, id);
    enum err_code code = form_of(m, id, &form, e);
    if (code)
        return code;
    uint32_t number = id_table_find(&m->forms, form);
    if (held != ID_TABLE_NONE)
        m->met[held] = true;
    else if (number != ID_TABLE_NONE && m->n_apart++ == 0) {
        keep(&m->apart[0], first_of(m, number));
        keep(&m->apart[1], id);
    } else if (number == ID_TABLE_NONE)
        keep(&m->stranger, id);
    if (number != ID_TABLE_NONE && m->other_of[number] == ID_TABLE_NONE)
        code = id_table_add(&m->others, id, &m->other_of[number], e);
    if (!code)
        code = buf_check(&m->apart[0], "an id", e);
    if (!code)
        code = buf_check(&m->apart[1], "an id", e);
    return code ? code : buf_check(&m->stranger, "an id", e);
}

/* What a comparison comes to. */
struct outcome {
    size_t n_met, n_apart;   /* held ids; those or others that differ from one in form */
    struct text here, there; /* two that are apart */
    struct text missed;      /* a held one that is not met */
};

static struct outcome count(const struct id_meeting *m)
{
    struct outcome o = {0};
    for (uint32_t i = 0; i < m->ids.n; i++) {
        uint32_t other = m->other_of[m->form_of[i]];
        o.n_met += m->met[i];
        if (m->met[i])
            continue;
        if (!o.missed.len)
            o.missed = id_table_text(&m->ids, i);
        if (other != ID_TABLE_NONE && o.n_apart++ == 0) {
            o.here = id_table_text(&m->ids, i);
            o.there = id_table_text(&m->others, other);
        }
    }
    if (!o.n_apart && m->n_apart) {
        o.here = (struct text){m->apart[0].data, m->apart[0].len};
        o.there = (struct text){m->apart[1].data, m->apart[1].len};
    }
    if (m->n_apart > o.n_apart)
        o.n_apart = m->n_apart;
    return o;
}

void id_meeting_say(const struct id_meeting *m, const char *what, const char *held, const char *other,
                    struct err *out)
{
    if (!m->ids.n || !m->n_seen)
        return;
    struct outcome o = count(m);
    size_t least = m->ids.n < m->n_seen ? m->ids.n : m->n_seen;
    bool hardly = o.n_met * ID_MEETING_SHARE < least;
    if (o.n_apart) {
        struct id_form_difference d = id_form_compare(o.here, o.there);
        (void)err_set(
            out, ERR_INVALID,
            "ids of %s that differ by %s alone and are taken for others: %zu, as '%.*s' in %s and '%.*s' "
            "in %s; the same in both: %zu; %s",
            what, d.what, o.n_apart, text_shown(o.here), o.here.data, held, text_shown(o.there), o.there.data,
            other, o.n_met, d.remedy);
        return;
    }
    if (!hardly || least < ID_MEETING_FEW || !m->stranger.len)
        return;
    struct text there = {m->stranger.data, m->stranger.len};
    char n_met[32] = "none";
    if (o.n_met)
        (void)snprintf(n_met, sizeof n_met, "only %zu", o.n_met);
    (void)err_set(
        out, ERR_INVALID,
        "of the %zu ids of %s in %s %s are among the %zu in %s: '%.*s' here, '%.*s' there; if these "
        "are the same %s, write their ids one way",
        m->ids.n, what, held, n_met, m->n_seen, other, text_shown(o.missed), o.missed.data, text_shown(there),
        there.data, what);
}
