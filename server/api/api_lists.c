/* GET /v1/items without `sort`, and GET /v1/users: pages of what the store has, in the order of ids. A page
 * goes on behind an id, which need not be there any more, so rows that come and go move no other. */
#include "server/api/api_lists.h"

#include "base/limits.h"
#include "server/api/filter_body.h"
#include "server/api/item_life_body.h"
#include "server/http/problem.h"
#include "server/items/item_search.h"
#include "server/serving/item_list.h"

#include <string.h>

enum { ASKS = 1024 }; /* rows between two looks whether somebody waits */

/* A page that is being made. */
struct page {
    struct request *r;
    struct buf *out;
    const struct item_search *search; /* of items */
    struct text after, prefix;        /* NULL data: none */
    size_t most, n, n_looks;
    bool more;
    size_t last_len;
    char last[LIMIT_ID_BYTES]; /* (last_len) the last id that this page is done with */
};

static bool id_param(struct request *r, const char *name, struct text *out)
{
    *out = request_param_of(r, name);
    if (!out->data || api_is_id(*out))
        return true;
    problem_answer(r, PROBLEM_BAD_REQUEST, NULL, "%s takes %s", name, api_id_rule);
    return false;
}

static bool page_init(struct page *p, struct request *r)
{
    *p = (struct page){.r = r, .most = 10};
    return api_count_param(r, "limit", 1, LIMIT_RECOMMENDATIONS, &p->most) &&
           id_param(r, "cursor", &p->after) && id_param(r, "prefix", &p->prefix);
}

static struct text page_from(const struct page *p)
{
    return p->after.data && text_compare(p->after, p->prefix) > 0 ? p->after : p->prefix;
}

/* Whether the page has what it may have: then one more row tells that there is a next one. */
static bool page_is_full(const struct page *p)
{
    return p->n == p->most || p->out->len > LIMIT_LIST_BYTES;
}

static enum store_look look(void *arg, int64_t key, struct text id)
{
    struct page *p = arg;
    if (p->prefix.data && (id.len < p->prefix.len || memcmp(id.data, p->prefix.data, p->prefix.len) != 0))
        return STORE_END;
    if (p->after.data && text_compare(id, p->after) == 0)
        return STORE_SKIP;
    if (p->n_looks == LIMIT_LIST_LOOKS || (p->n_looks % ASKS == ASKS - 1 && request_is_left(p->r))) {
        p->more = true;
        return STORE_END;
    }
    p->n_looks++;
    if (!page_is_full(p)) {
        p->last_len = id.len < sizeof p->last ? id.len : sizeof p->last;
        memcpy(p->last, id.data, p->last_len);
    }
    return !p->search || item_search_may_find(p->search, key) ? STORE_TAKE : STORE_SKIP;
}

/* Begins the next of the page's rows: its id. */
static void add_id(struct page *p, struct text id, int64_t revision)
{
    buf_adds(p->out, p->n++ ? ",{\"id\":" : "{\"id\":");
    buf_add_json_string(p->out, id.data, id.len);
    buf_addf(p->out, ",\"revision\":%lld", (long long)revision);
}

static bool add_item(void *arg, const struct store_item *item)
{
    struct page *p = arg;
    if (!item_search_finds(p->search, item))
        return true;
    if (page_is_full(p))
        return !(p->more = true);
    add_id(p, item->id, item->revision);
    api_item_add_known(p->out, item);
    buf_addc(p->out, '}');
    return true;
}

static bool add_user(void *arg, int64_t key, struct text id, struct text profile, int64_t revision)
{
    struct page *p = arg;
    (void)key;
    if (page_is_full(p))
        return !(p->more = true);
    add_id(p, id, revision);
    buf_adds(p->out, ",\"profile\":");
    if (profile.data)
        buf_add(p->out, profile.data, profile.len);
    else
        buf_adds(p->out, "null");
    buf_addc(p->out, '}');
    return true;
}

static void begin(struct page *p, const char *name)
{
    p->out = request_answer(p->r, 200, request_json);
    buf_addf(p->out, "{\"%s\":[", name);
}

/* categories: n that were asked for, of which the answer names those that no item has. */
static void end(struct api_thread *t, struct page *p, const struct text *categories, size_t n,
                enum err_code code, struct err *e)
{
    if (code) {
        buf_fini(p->out);
        api_fail(t, p->r, e);
        return;
    }
    buf_addc(p->out, ']');
    if (p->more) {
        buf_adds(p->out, ",\"next\":");
        buf_add_json_string(p->out, p->last, p->last_len);
    }
    if (n)
        item_list_warn_of_categories(p->out, p->search->items, categories, n);
    buf_addc(p->out, '}');
}

/* The words of ?q=; *out NULL: there is none. */
static bool search_param(struct request *r, struct title_search *room, const struct title_search **out)
{
    struct text typed = request_param_of(r, "q");
    *out = typed.data ? room : NULL;
    if (!typed.data || title_search_read(room, typed))
        return true;
    problem_answer(r, PROBLEM_BAD_REQUEST, NULL, "q takes 1 to %d words, of %d bytes together",
                   LIMIT_SEARCH_WORDS, LIMIT_SEARCH_BYTES);
    return false;
}

void api_items_page(struct api_thread *t, struct request *r)
{
    struct page p;
    struct title_search words;
    const struct title_search *titles;
    struct text categories[RECOMMENDER_MAX_CATEGORIES];
    size_t n_categories = 0;
    struct model_handle *handle;
    struct item_filter *filter;
    struct item_search search;
    struct err e = {0};
    if (request_param_of(r, "window_days").data) {
        problem_answer(r, PROBLEM_BAD_REQUEST, NULL, "window_days goes with sort");
        return;
    }
    if (!page_init(&p, r) || !api_model(t, r, &handle) || !search_param(r, &words, &titles) ||
        !api_category_params(r, categories, &n_categories) || !filter_param_read(r, handle, false, &filter))
        return;
    begin(&p, "items");
    p.search = &search;
    enum err_code code =
        item_search_init(&search, model_handle_items(handle), titles, filter, categories, n_categories, &e);
    if (!code)
        code = store_list_items(t->session.conn, page_from(&p), look, add_item, &p, &e);
    end(t, &p, categories, n_categories, code, &e);
    item_search_fini(&search);
    item_filter_free(filter);
}

void api_users_get(struct api_thread *t, struct request *r)
{
    struct page p;
    struct err e = {0};
    if (!page_init(&p, r))
        return;
    begin(&p, "users");
    enum err_code code = store_list_users(t->session.conn, page_from(&p), look, add_user, &p, &e);
    end(t, &p, NULL, 0, code, &e);
}
