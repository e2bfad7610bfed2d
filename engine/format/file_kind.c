/* What people give instead of a model file: what a download left in its place, models of other programs, and
 * their own tables. Binary formats are known by their first bytes; the more particular ones stand before the
 * more general. */
#include "engine/format/file_kind.h"

#include "base/utf8.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

enum { LOOKED_AT_BYTES = 4096, LEAST_ZEROS = 64, LEAST_TEXT = 8 };

#define CONVERT "; how to bring a model here from Python: \"A model from PyTorch\" in the README"
#define TABLES  "; `hypernet import` takes tables, and `hypernet train` makes the model of them"

/* First bytes, how many, where, and what a file that has them is. */
static const struct magic {
    const char *bytes;
    size_t n, at;
    const char *kind;
} magics[] = {
    {"\x1f\x8b", 2, 0, "a gzip file; unpack it (gunzip) and give what is inside"},
    {"BZh", 3, 0, "a bzip2 file; unpack it (bunzip2) and give what is inside"},
    {"\xfd"
     "7zXZ\0",
     6, 0, "an xz file; unpack it (unxz) and give what is inside"},
    {"\x28\xb5\x2f\xfd", 4, 0, "a zstd file; unpack it (unzstd) and give what is inside"},
    {"\x04\x22\x4d\x18", 4, 0, "an lz4 file; unpack it (unlz4) and give what is inside"},
    {"7z\xbc\xaf\x27\x1c", 6, 0, "a 7z archive; unpack it and give the model file inside"},
    {"ustar", 5, 257, "a tar archive; unpack it (tar -xf) and give the model file inside"},
    {"\x93NUMPY", 6, 0, "a NumPy array (.npy)" CONVERT},
    {"\x89HDF\r\n\x1a\n", 8, 0, "an HDF5 file, such as Keras writes (.h5)" CONVERT},
    {"GGUF", 4, 0,
     "a GGUF file, a language model of llama.cpp; hypernet serves its own models, made by `hypernet train`"},
    {"ggml", 4, 0,
     "a GGML file, a language model of llama.cpp; hypernet serves its own models, made by `hypernet train`"},
    {"TFL3", 4, 4, "a TensorFlow Lite model" CONVERT},
    {"SQLite format 3", 16, 0,
     "an SQLite database, such as a store; a store is given as --store, a model as --model"},
    {"\x37\x7f\x06\x82", 4, 0,
     "an SQLite log (-wal), which belongs to the database beside it; leave it there"},
    {"\x37\x7f\x06\x83", 4, 0,
     "an SQLite log (-wal), which belongs to the database beside it; leave it there"},
    {"PAR1", 4, 0, "a Parquet table" TABLES},
    {"ARROW1", 6, 0, "an Arrow table (Feather)" TABLES},
    {"%PDF-", 5, 0, "a PDF document; give a file that `hypernet train` wrote"},
    {"\x7f"
     "ELF",
     4, 0, "a program or a shared library; give a file that `hypernet train` wrote"},
    {"\xff\xfe", 2, 0, "text in UTF-16; give a file that `hypernet train` wrote"},
    {"\xfe\xff", 2, 0, "text in UTF-16; give a file that `hypernet train` wrote"},
};

static bool has(const char *bytes, size_t n, const char *word)
{
    return memmem(bytes, n, word, strlen(word)) != NULL;
}

static bool begins(const char *bytes, size_t n, const char *word)
{
    size_t len = strlen(word);
    return n >= len && strncasecmp(bytes, word, len) == 0;
}

static const char *zip_kind(const char *p, size_t n)
{
    if (n < 4 || memcmp(p, "PK", 2) != 0 || !(p[2] == p[3] - 1 && (p[2] == 3 || p[2] == 5)))
        return NULL;
    if (has(p, n, "data.pkl") || has(p, n, "/code/__torch__") || has(p, n, "constants.pkl"))
        return "a zip archive with a pickle, as torch.save writes it (PyTorch)" CONVERT;
    if (has(p, n, ".npy"))
        return "a zip archive of NumPy arrays (.npz)" CONVERT;
    if (has(p, n, "model.weights.h5") || has(p, n, "metadata.json"))
        return "a zip archive, as Keras writes it (.keras)" CONVERT;
    return "a zip archive; unpack it (unzip) and give the model file inside";
}

/* Protocols 2 to 5 begin with their number; older ones are text and are not told from it. */
static const char *pickle_kind(const char *p, size_t n)
{
    if (n < 3 || p[0] != '\x80' || p[1] < 2 || p[1] > 5)
        return NULL;
    return "a Python pickle, as PyTorch (torch.save), joblib and scikit-learn write them" CONVERT;
}

/* Protocol buffers have no first bytes of their own, but their first fields: a version, then a text or a
 * message. */
static const char *protobuf_kind(const char *p, size_t n)
{
    if (n < 16 || p[0] != 8 || p[1] < 1 || p[1] > 31)
        return NULL;
    if (p[1] == 1 && p[2] == 0x12)
        return "a TensorFlow model (saved_model.pb)" CONVERT;
    return strchr("\x12\x1a\x22\x2a\x32\x3a\x42", p[2]) && p[2] ? "an ONNX model" CONVERT : NULL;
}

/* Without control characters, in UTF-8 (whose last character may be cut) or, where a quarter at most is not
 * ASCII, in any other. */
static bool is_text(const char *p, size_t n)
{
    size_t n_high = 0;
    for (size_t i = 0; i < n; i++) {
        n_high += (unsigned char)p[i] >= 0x80;
        if ((unsigned char)p[i] < ' ' && !strchr("\t\n\r\f", p[i] ? p[i] : 1))
            return false;
    }
    for (size_t cut = 0; cut < 4 && cut < n; cut++)
        if (utf8_valid(p, n - cut))
            return true;
    return n_high < n && n_high <= n / 4;
}

static const char *text_kind(const char *p, size_t n)
{
    if (!is_text(p, n) || (n < LEAST_TEXT && !memchr(p, '\n', n)))
        return NULL;
    if (n >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
        p += 3, n -= 3;
    while (n > 0 && strchr(" \t\r\n", *p))
        p++, n--;
    if (begins(p, n, "version https://git-lfs"))
        return "a Git LFS pointer, some lines that stand for the model; `git lfs pull` in its repository "
               "fetches the model itself";
    if (has(p, n < 200 ? n : 200, "/annex/objects/"))
        return "a git-annex pointer, a line that stands for the model; `git annex get` in its repository "
               "fetches the model itself";
    if (begins(p, n, "<!doctype html") || begins(p, n, "<html") || (begins(p, n, "<") && has(p, n, "<html")))
        return "an HTML page, such as a download leaves that was answered by a login or an error page; open "
               "it, and fetch the "
               "model again";
    if (begins(p, n, "<"))
        return "XML, such as a download leaves that was answered by an error; read it, and fetch the model "
               "again";
    if ((begins(p, n, "{") || begins(p, n, "[")) && has(p, n, "\"weight_map\""))
        return "the index of a model in several files; hypernet takes a model in one file, made by `hypernet "
               "train`";
    if (begins(p, n, "{") || begins(p, n, "["))
        return "JSON text, such as a download leaves that was answered by an error; read it, and give a file "
               "that `hypernet train` "
               "wrote";
    const char *end = memchr(p, '\n', n);
    size_t line = end ? (size_t)(end - p) : n;
    if (memchr(p, ',', line) || memchr(p, '\t', line) || memchr(p, ';', line) || has(p, line, "::"))
        return "a table of text (CSV or TSV)" TABLES;
    return "text; give a file that `hypernet train` wrote";
}

static bool is_zeros(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i])
            return false;
    return true;
}

const char *file_kind_of(const void *bytes, size_t n)
{
    const char *p = bytes, *kind;
    if (n == 0)
        return "empty: 0 bytes, such as a download or a copy leaves that did not begin; fetch it again";
    n = n < LOOKED_AT_BYTES ? n : LOOKED_AT_BYTES;
    for (size_t i = 0; i < sizeof magics / sizeof *magics; i++)
        if (n >= magics[i].at + magics[i].n && memcmp(p + magics[i].at, magics[i].bytes, magics[i].n) == 0)
            return magics[i].kind;
    if ((kind = zip_kind(p, n)) || (kind = pickle_kind(p, n)) || (kind = protobuf_kind(p, n)) ||
        (kind = text_kind(p, n)))
        return kind;
    return n >= LEAST_ZEROS && is_zeros(p, n)
               ? "full of zeros, such as a download or a copy leaves that did not end; fetch it again"
               : NULL;
}
