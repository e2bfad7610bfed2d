/* POST /v1/admin/backup: a copy of the whole store into the folder that the server was started with. Who asks
 * names no path. */
#include "server/api/api.h"

#include "server/http/problem.h"
#include "server/serving/backups.h"

static bool is_left(void *request)
{
    return request_is_left(request);
}

/* The disk of the folder may be another one than the store's, and names are those of the server's files. */
static void refuse(struct api_thread *t, struct request *r, const struct err *e)
{
    if (e->code == ERR_CONFLICT)
        problem_answer(r, PROBLEM_BACKUP_RUNS, NULL, "%s",
                       "a backup is being made; ask again when it is done");
    else if (e->code == ERR_FULL)
        problem_answer(r, PROBLEM_STORE_FULL, NULL,
                       "the disk of --backup-dir is full; nothing of the backup is left there");
    else
        api_fail(t, r, e);
}

void api_backup_post(struct api_thread *t, struct request *r)
{
    const struct store_patience patience = {is_left, r};
    struct backup made;
    struct err e = {0};
    if (!t->api->backups.folder) {
        problem_answer(r, PROBLEM_BACKUP_OFF, NULL,
                       "start the server with --backup-dir FOLDER to allow backups");
        return;
    }
    if (backups_make(&t->api->backups, &t->session, &patience, &made, &e)) {
        refuse(t, r, &e);
        return;
    }
    COUNTER_ADD(t->api->metrics, backups, 1);
    struct buf *out = request_answer(r, 201, request_json);
    buf_addf(out, "{\"file\":\"%s\",\"bytes\":%lld,\"integrity\":\"ok\",\"seconds\":%.3f}", made.name,
             (long long)made.bytes, (double)made.ns / 1e9);
}
