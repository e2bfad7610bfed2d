/* One state machine over bytes, so that it does not matter where reads of the socket cut them.
 *
 *   START -> METHOD -> TARGET -> VERSION -> LINE_LF -> [FIELD -> NAME -> VALUE -> VALUE_LF]* -> HEAD_LF
 *     -> START, or BODY -> START, or
 *     -> [SIZE -> (EXTENSION) -> SIZE_LF -> CHUNK -> CHUNK_CR -> CHUNK_LF]* -> trailer FIELDs -> START
 *
 * After a fault the reader gets what completes the request in the state it has, and who answers looks at the
 * fault first. */
#include "server/http/wire.h"

#include "base/limits.h"

#include <string.h>

enum state {
    START,
    START_LF,
    METHOD,
    TARGET,
    VERSION,
    LINE_CR,
    LINE_LF,
    FIELD,
    NAME,
    VALUE,
    VALUE_LF,
    HEAD_LF,
    BODY,
    SIZE,
    EXTENSION,
    SIZE_LF,
    CHUNK,
    CHUNK_CR,
    CHUNK_LF,
    FAULTY
};

enum { MAX_METHOD_BYTES = 24, MAX_SIZE_DIGITS = 15, MAX_LENGTH_DIGITS = 19, MAX_EXTENSION_BYTES = 256 };

/* What the library takes from its memory of a connection for each field and parameter, beside the bytes. */
enum { COST_OF_ENTRY = 80 };

enum { IS_TOKEN = 1, IS_TARGET = 2, IS_VALUE = 4, IS_DIGIT = 8, IS_HEX = 16 };

/* (256) classes of a byte: token of RFC 9110 5.6.2, bytes of a target, of a field's value. */
static unsigned char classes[256];

/* Filled before main, so that no reader checks whether it is. */
__attribute__((constructor)) static void fill_classes(void)
{
    for (int c = 0; c < 256; c++) {
        bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (alnum || (c && c < 128 && strchr("!#$%&'*+-.^_`|~", c)))
            classes[c] |= IS_TOKEN;
        if (c > ' ' && c != 127)
            classes[c] |= IS_TARGET | IS_VALUE;
        if (c == ' ' || c == '\t')
            classes[c] |= IS_VALUE;
        if (c >= '0' && c <= '9')
            classes[c] |= IS_DIGIT;
        if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))
            classes[c] |= IS_HEX;
    }
}

static bool is(char c, int class)
{
    return classes[(unsigned char)c] & class;
}

void wire_init(struct wire *w)
{
    *w = (struct wire){.state = START};
}

bool wire_between_requests(const struct wire *w)
{
    return w->state == START;
}

/* ---- faults ---- */

/* Ends a head. libmicrohttpd (0.9.75) answers a bad Content-Length twice; beside chunks it does not look at
 * it. */
#define END_OF_HEAD "Transfer-Encoding: chunked\r\n\r\n"

/* What completes a request for the reader, who has had everything before the faulty byte. */
static const char *ending_of(const struct wire *w)
{
    static const char version[] = "HTTP/1.1\r\n\r\n";
    switch ((enum state)w->state) {
    case START:
        return "GET / HTTP/1.1\r\n\r\n";
    case START_LF:
        return "\nGET / HTTP/1.1\r\n\r\n";
    case METHOD:
        return " / HTTP/1.1\r\n\r\n";
    case TARGET:
        return w->position ? " HTTP/1.1\r\n\r\n" : "/ HTTP/1.1\r\n\r\n";
    case VERSION:
        return version + w->position;
    case LINE_CR:
        return "\r\n\r\n";
    case LINE_LF:
        return "\n\r\n";
    case FIELD:
        return END_OF_HEAD;
    case NAME:
        return "x:\r\n" END_OF_HEAD;
    case VALUE:
        return "\r\n" END_OF_HEAD;
    case VALUE_LF:
        return "\n" END_OF_HEAD;
    case HEAD_LF:
        return "\n";
    case SIZE: /* no size: the reader refuses it too */
    case EXTENSION:
    case SIZE_LF:
    case CHUNK_CR:
    case CHUNK_LF:
        return "z\r\n";
    case BODY:
    case CHUNK:
    case FAULTY:
        break;
    }
    return "";
}

static void fail(struct wire *w, enum wire_fault fault, const char *what)
{
    if (w->state == START || w->state == START_LF)
        w->n_requests++;
    w->ending = ending_of(w);
    w->state = FAULTY;
    w->fault = fault;
    w->what = what;
}

static void malformed(struct wire *w, const char *what)
{
    fail(w, WIRE_MALFORMED, what);
}

size_t wire_take_ending(struct wire *w, char *out, size_t room)
{
    size_t n = w->ending ? strlen(w->ending) : 0;
    if (n > room)
        n = room;
    if (n)
        memcpy(out, w->ending, n);
    if (w->ending)
        w->ending += n;
    return n;
}

/* ---- the head ---- */

static void begin_request(struct wire *w)
{
    w->n_requests++;
    w->head_cost = 0;
    w->position = w->n_hosts = w->n_lengths = w->n_codings = 0;
    w->length = 0;
    w->is_trailer = w->is_chunked = w->has_query = w->version_1_0 = false;
    w->state = METHOD;
}

static void begin_field(struct wire *w)
{
    w->n_name = w->n_value = 0;
    w->head_cost += COST_OF_ENTRY;
    w->state = NAME;
}

static bool name_is(const struct wire *w, const char *name)
{
    return w->n_name == strlen(name) && memcmp(w->name, name, w->n_name) == 0;
}

static void take_length(struct wire *w)
{
    unsigned n = w->n_value; /* with spaces behind it, which the library takes for part of it */
    bool sound = n > 0 && n <= MAX_LENGTH_DIGITS && ++w->n_lengths == 1;
    w->length = 0;
    for (unsigned i = 0; sound && i < n; i++) {
        sound = is(w->value[i], IS_DIGIT);
        w->length = w->length * 10 + (uint64_t)(w->value[i] - '0');
    }
    if (!sound)
        malformed(w,
                  w->n_lengths > 1 ? "Content-Length is given twice" : "Content-Length is no plain number");
}

static void take_coding(struct wire *w)
{
    static const char chunked[] = "chunked";
    unsigned n = w->n_value;
    bool sound = n == sizeof chunked - 1 && ++w->n_codings == 1;
    for (unsigned i = 0; sound && i < n; i++)
        sound = (w->value[i] | 0x20) == chunked[i];
    w->is_chunked = sound;
    if (!sound)
        malformed(w, "Transfer-Encoding must be chunked, and given once");
}

/* A field of the head has ended; the state is that of its last line feed. */
static void end_field(struct wire *w)
{
    if (!w->is_trailer && name_is(w, "content-length"))
        take_length(w);
    else if (!w->is_trailer && name_is(w, "transfer-encoding"))
        take_coding(w);
    else if (!w->is_trailer && name_is(w, "host") && ++w->n_hosts > 1)
        malformed(w, "Host is given twice");
    if (!w->fault)
        w->state = FIELD;
}

/* The head, or the trailer, has ended. */
static void end_head(struct wire *w)
{
    if (w->is_trailer) {
        w->state = START;
        return;
    }
    if (!w->n_hosts && !w->version_1_0)
        malformed(w, "Host is missing");
    else if (w->is_chunked && w->n_lengths)
        malformed(w, "Content-Length beside Transfer-Encoding");
    else if (w->is_chunked && w->version_1_0)
        malformed(w, "Transfer-Encoding is not of HTTP/1.0");
    if (w->fault)
        return;
    w->left = w->length;
    w->position = 0;
    w->state = w->is_chunked ? SIZE : w->left ? BODY : START;
}

static void take_version(struct wire *w, char c)
{
    static const char version[] = "HTTP/1.";
    unsigned at = w->position;
    if (at < sizeof version - 1 ? c != version[at] : !is(c, IS_DIGIT)) {
        bool other = at == 5 && is(c, IS_DIGIT);
        fail(w, other ? WIRE_VERSION : WIRE_MALFORMED,
             other ? "this server speaks HTTP/1.1"
                   : "the request line is METHOD TARGET HTTP/1.1, with one space each");
        return;
    }
    w->version_1_0 = c == '0';
    if (++w->position == sizeof version)
        w->state = LINE_CR;
}

/* Reads the target from *at on as far as it goes. */
static void take_target(struct wire *w, const char *bytes, size_t n, size_t *at)
{
    size_t i = *at;
    bool has_more = true; /* parameters, each of which may be one too many */
    for (; i < n && is(bytes[i], IS_TARGET) && has_more; i++)
        if ((bytes[i] == '?' && !w->has_query) || (bytes[i] == '&' && w->has_query)) {
            w->has_query = true;
            w->head_cost += COST_OF_ENTRY;
            has_more = w->head_cost + (i + 1 - *at) <= LIMIT_HEAD_COST;
        }
    w->position |= i > *at;
    w->head_cost += i - *at;
    *at = i;
    if (i == n || !has_more)
        return;
    if (bytes[i] != ' ' || !w->position) {
        malformed(w, "the request line is METHOD TARGET HTTP/1.1, with one space each");
        return;
    }
    w->position = 0;
    w->state = VERSION;
}

static void take_method(struct wire *w, char c)
{
    if (is(c, IS_TOKEN) && w->position < MAX_METHOD_BYTES) {
        w->position++;
    } else if (c == ' ') {
        w->position = 0;
        w->state = TARGET;
    } else {
        malformed(w, "the request line begins with a method and a space");
    }
}

static void keep_name(struct wire *w, char c)
{
    if (w->n_name < WIRE_NAME_BYTES)
        w->name[w->n_name] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
    w->n_name++;
}

/* Cookies mean nothing here, and the library would keep each one: a field whose name begins like theirs gets
 * another. */
static void hide_cookie(const struct wire *w, char *last)
{
    static const char name[] = "cookie";
    if (w->n_name == sizeof name - 1 && memcmp(w->name, name, sizeof name - 1) == 0)
        *last = '_';
}

/* Reads the name of a field from *at on as far as it goes. */
static void take_name(struct wire *w, char *bytes, size_t n, size_t *at)
{
    size_t i = *at;
    for (; i < n && is(bytes[i], IS_TOKEN); i++) {
        keep_name(w, bytes[i]);
        hide_cookie(w, &bytes[i]);
    }
    w->head_cost += i - *at;
    *at = i;
    if (i == n)
        return;
    if (bytes[i] != ':') {
        malformed(w, "a field is NAME: VALUE, with no space before the colon");
        return;
    }
    if (w->n_name > WIRE_NAME_BYTES)
        w->n_name = 0; /* none that matters */
    w->state = VALUE;
}

/* Reads the value from *at on as far as it goes. */
static void take_value(struct wire *w, const char *bytes, size_t n, size_t *at)
{
    size_t i = *at;
    for (; i < n && is(bytes[i], IS_VALUE); i++)
        if (w->n_value || (bytes[i] != ' ' && bytes[i] != '\t')) {
            if (w->n_value < WIRE_VALUE_BYTES)
                w->value[w->n_value] = bytes[i];
            w->n_value++;
        }
    w->head_cost += i - *at;
    *at = i;
    if (i == n)
        return;
    if (bytes[i] != '\r')
        malformed(w, "a field's value holds a control character, or its line ends without CR LF");
    else
        w->state = VALUE_LF;
}

/* ---- bodies ---- */

static unsigned hex(char c)
{
    return c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a') + 10;
}

static void take_size(struct wire *w, char c)
{
    if (is(c, IS_HEX) && w->position < MAX_SIZE_DIGITS) {
        w->left = (w->position ? w->left : 0) * 16 + hex(c);
        w->position++;
    } else if (w->position && c == '\r') {
        w->state = SIZE_LF;
    } else if (w->position && c == ';') {
        w->position = 0;
        w->state = EXTENSION;
    } else {
        malformed(w, "a chunk begins with its size in plain hexadecimal");
    }
}

static void take_extension(struct wire *w, char c)
{
    if (c == '\r')
        w->state = SIZE_LF;
    else if (!is(c, IS_VALUE) || ++w->position > MAX_EXTENSION_BYTES)
        malformed(w, "a chunk's extension is not well formed, or long");
}

static void begin_chunk(struct wire *w)
{
    w->position = 0;
    w->state = w->left ? CHUNK : FIELD;
    w->is_trailer = !w->left;
}

/* Passes over bytes of a body, from *at on. */
static void skip_body(struct wire *w, size_t n, size_t *at)
{
    size_t most = n - *at;
    if (most > w->left)
        most = (size_t)w->left;
    *at += most;
    w->left -= most;
    if (!w->left)
        w->state = w->state == BODY ? START : CHUNK_CR;
}

/* ---- all of it ---- */

/* Takes the line feed or carriage return that must come here. */
static bool expect(struct wire *w, char c, char wanted)
{
    if (c != wanted)
        malformed(w, "a line ends with CR LF");
    return c == wanted;
}

static void take_field_start(struct wire *w, char c)
{
    if (c == '\r') {
        w->state = HEAD_LF;
    } else if (is(c, IS_TOKEN)) {
        begin_field(w);
        keep_name(w, c);
    } else {
        malformed(w, c == ' ' || c == '\t' ? "a field is folded over two lines"
                                           : "a field begins with its name");
    }
}

static void take_start(struct wire *w, char c)
{
    if (c == '\r') { /* an empty line before a request is ignored (RFC 9112, 2.2) */
        w->state = START_LF;
    } else if (is(c, IS_TOKEN)) {
        begin_request(w);
        take_method(w, c);
    } else {
        malformed(w, "the request line begins with a method and a space");
    }
}

static void take(struct wire *w, char c)
{
    switch ((enum state)w->state) {
    case START:
        take_start(w, c);
        break;
    case START_LF:
        if (expect(w, c, '\n'))
            w->state = START;
        break;
    case METHOD:
        take_method(w, c);
        break;
    case VERSION:
        take_version(w, c);
        break;
    case LINE_CR:
        if (expect(w, c, '\r'))
            w->state = LINE_LF;
        break;
    case LINE_LF:
        if (expect(w, c, '\n'))
            w->state = FIELD;
        break;
    case FIELD:
        take_field_start(w, c);
        break;
    case VALUE_LF:
        if (expect(w, c, '\n'))
            end_field(w);
        break;
    case HEAD_LF:
        if (expect(w, c, '\n'))
            end_head(w);
        break;
    case SIZE:
        take_size(w, c);
        break;
    case EXTENSION:
        take_extension(w, c);
        break;
    case SIZE_LF:
        if (expect(w, c, '\n'))
            begin_chunk(w);
        break;
    case CHUNK_CR:
        if (expect(w, c, '\r'))
            w->state = CHUNK_LF;
        break;
    case CHUNK_LF:
        if (expect(w, c, '\n'))
            w->state = SIZE;
        break;
    case TARGET: /* these and bodies are read by the span */
    case NAME:
    case VALUE:
    case BODY:
    case CHUNK:
    case FAULTY:
        break;
    }
}

/* A head that takes more than there is for it. */
static void check_cost(struct wire *w)
{
    if (w->head_cost <= LIMIT_HEAD_COST)
        return;
    if (w->state <= VERSION)
        fail(w, WIRE_TARGET_TOO_LONG, "the path and query are too long, or have too many parameters");
    else
        fail(w, WIRE_HEAD_TOO_LARGE, "the head is too large, or has too many fields");
}

/* Reads from *at on what the state takes: a span of bytes of one kind, no further than the head may go, or
 * one byte. */
static void take_some(struct wire *w, char *bytes, size_t n, size_t *at)
{
    size_t most = LIMIT_HEAD_COST - w->head_cost + 1; /* the cost was checked */
    bool delimited = true;                            /* by a byte that is then taken too */
    if (most > n - *at)
        most = n - *at;
    switch ((enum state)w->state) {
    case TARGET:
        take_target(w, bytes, *at + most, at);
        delimited = w->state != TARGET;
        break;
    case NAME:
        take_name(w, bytes, *at + most, at);
        delimited = w->state != NAME;
        break;
    case VALUE:
        take_value(w, bytes, *at + most, at);
        delimited = w->state != VALUE;
        break;
    default:
        take(w, bytes[*at]);
        break;
    }
    w->head_cost += delimited && w->state < BODY;
    *at += delimited && !w->fault;
}

size_t wire_read(struct wire *w, char *bytes, size_t n, size_t room)
{
    size_t i = 0;
    while (i < n && !w->fault) {
        if (w->state == BODY || w->state == CHUNK) {
            skip_body(w, n, &i);
            continue;
        }
        take_some(w, bytes, n, &i);
        if (!w->fault && w->state <= HEAD_LF)
            check_cost(w);
    }
    if (!w->fault)
        return n;
    return i + wire_take_ending(w, bytes + i, room - i);
}
