/* Signatures are those of the formats' own documents. What packs one table says how to unpack it into a pipe,
 * since import reads standard input; what holds many says how to write one as CSV. */
#include "server/tables/sniff.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

struct signature {
    size_t at, n; /* place, and length of the bytes */
    const char *bytes, *what;
};

#define PANDAS_CSV "write it as CSV, as with pandas: "

static const struct signature signatures[] = {
    {0, 2, "\x1f\x8b", "a gzip file within a gzip file; unpack it once: gunzip FILE"},
    {0, 6,
     "\xfd"
     "7zXZ\0",
     "an xz file; unpack it first: xz -dc FILE | hypernet import ... -"},
    {0, 4, "\x28\xb5\x2f\xfd", "a Zstandard file; unpack it first: zstd -dc FILE | hypernet import ... -"},
    {0, 4, "\x04\x22\x4d\x18", "an LZ4 file; unpack it first: lz4 -dc FILE | hypernet import ... -"},
    {4, 6, "1AY&SY", "a bzip2 file; unpack it first: bzip2 -dc FILE | hypernet import ... -"},
    {0, 6, "7z\xbc\xaf\x27\x1c", "a 7-Zip archive; unpack it first: 7z x FILE"},
    {0, 4, "Rar!", "a RAR archive; unpack it first"},
    {257, 5, "ustar", "a tar archive; unpack it first: tar -xf FILE"},
    {0, 4, "PAR1", "a Parquet file; " PANDAS_CSV "read_parquet(FILE).to_csv(OUT, index=False)"},
    {0, 6, "ARROW1", "an Arrow or Feather file; " PANDAS_CSV "read_feather(FILE).to_csv(OUT, index=False)"},
    {0, 4, "Obj\x01", "an Avro file; write it as CSV or NDJSON: avro-tools tojson FILE"},
    {0, 4, "\x89HDF", "an HDF5 file; " PANDAS_CSV "read_hdf(FILE).to_csv(OUT, index=False)"},
    {0, 8, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook; save the sheet as CSV UTF-8"},
    {0, 15, "SQLite format 3",
     "an SQLite database; write a table as CSV: sqlite3 -csv -header FILE 'SELECT * FROM t'"},
    {0, 6, "\x93NUMPY", "a NumPy array; write it as text: numpy.savetxt"},
    {0, 5, "%PDF-", "a PDF document"},
    {0, 8, "\x89PNG\r\n\x1a\n", "a PNG image"},
    {0, 3, "\xff\xd8\xff", "a JPEG image"},
    {0, 20, "version https://git-l", "a Git LFS pointer, not the file itself; fetch it: git lfs pull"},
    {0, 4, "\x80\x04\x95", "a Python pickle; " PANDAS_CSV "read_pickle(FILE).to_csv(OUT, index=False)"},
};

static bool has(const char *bytes, size_t n, const char *what)
{
    return memmem(bytes, n, what, strlen(what)) != NULL;
}

/* A zip archive: Excel's and LibreOffice's sheets are such, and name their parts near the start. */
static const char *name_zip(const char *bytes, size_t n)
{
    if (has(bytes, n, "[Content_Types].xml") || has(bytes, n, "xl/"))
        return "an Excel workbook; save the sheet as CSV UTF-8";
    if (has(bytes, n, "opendocument"))
        return "an OpenDocument file; save the sheet as CSV in UTF-8";
    return "a zip archive; unpack it first: unzip -p FILE | hypernet import ... -";
}

/* Text in two bytes a letter has a zero in every second byte, where it is mostly of the Latin alphabet. */
static const char *name_utf16(const char *bytes, size_t n)
{
    if (n >= 4 && (memcmp(bytes, "\xff\xfe\0\0", 4) == 0 || memcmp(bytes, "\0\0\xfe\xff", 4) == 0))
        return "UTF-32 text; convert it: iconv -f UTF-32 -t UTF-8 FILE";
    if (n >= 2 && (memcmp(bytes, "\xff\xfe", 2) == 0 || memcmp(bytes, "\xfe\xff", 2) == 0))
        return "UTF-16 text; convert it: iconv -f UTF-16 -t UTF-8 FILE";
    size_t pairs = n / 2 < 64 ? n / 2 : 64, zeros[2] = {0, 0};
    for (size_t i = 0; i < 2 * pairs; i++)
        zeros[i % 2] += bytes[i] == '\0';
    if (pairs >= 2 && zeros[1] * 4 >= pairs * 3 && zeros[0] * 4 < pairs)
        return "UTF-16 text; convert it: iconv -f UTF-16LE -t UTF-8 FILE";
    if (pairs >= 2 && zeros[0] * 4 >= pairs * 3 && zeros[1] * 4 < pairs)
        return "UTF-16 text; convert it: iconv -f UTF-16BE -t UTF-8 FILE";
    return NULL;
}

static const char *skip_blank(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n'))
        p++;
    return p;
}

/* A document where lines are due. */
static const char *name_document(const char *bytes, size_t n)
{
    const char *end = bytes + n, *p = bytes;
    if (n >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
        p += 3;
    p = skip_blank(p, end);
    if (p == end)
        return NULL;
    if (*p == '[' && (skip_blank(p + 1, end) == end || strchr("{[]", *skip_blank(p + 1, end))))
        return "a JSON array; NDJSON has one object a line: jq -c '.[]' FILE | hypernet import ... -";
    if (*p == '{' && p + 1 < end && (p[1] == '\n' || p[1] == '\r'))
        return "a JSON document over several lines; NDJSON has one object a line: jq -c . FILE | hypernet "
               "import ... -";
    if (*p != '<')
        return NULL;
    size_t left = (size_t)(end - p);
    if (left >= 14 && strncasecmp(p, "<!doctype html", 14) == 0)
        return "an HTML page, maybe of a failed download; fetch the file again";
    if (left >= 5 && strncasecmp(p, "<html", 5) == 0)
        return "an HTML page, maybe of a failed download; fetch the file again";
    return left >= 5 && memcmp(p, "<?xml", 5) == 0 ? "an XML document; write it as CSV or NDJSON" : NULL;
}

const char *table_sniff(const char *bytes, size_t n)
{
    for (size_t i = 0; i < sizeof signatures / sizeof *signatures; i++) {
        const struct signature *s = &signatures[i];
        if (n >= s->at + s->n && memcmp(bytes + s->at, s->bytes, s->n) == 0)
            return s->what;
    }
    if (n >= 4 && memcmp(bytes, "PK\x03\x04", 4) == 0)
        return name_zip(bytes, n < 4096 ? n : 4096);
    const char *what = name_utf16(bytes, n), *carriage = memchr(bytes, '\r', n);
    if (!what && carriage && carriage + 1 < bytes + n && !memchr(bytes, '\n', n))
        return "text whose lines end in CR alone, as on old Macs; convert it: tr '\\r' '\\n' < FILE | "
               "hypernet import ... -";
    return what ? what : name_document(bytes, n);
}

/* A name may have spaces in it, and a comma or tab too: they separate where they are in the one field that
 * there is. */
const char *table_sniff_header(const char *field, size_t n, size_t n_fields)
{
    if (memchr(field, ';', n))
        return "its fields are separated by ';': write it with commas (pandas: to_csv(sep=',')) or with tabs "
               "between";
    if (memchr(field, '|', n))
        return "its fields are separated by '|': write it with commas or tabs between";
    if (n_fields > 1)
        return NULL;
    if (memchr(field, '\t', n))
        return "it has tabs where its name or --format says commas: call it .tsv, or write it with commas "
               "between";
    if (memchr(field, ',', n))
        return "it has commas where its name or --format says tabs: call it .csv, or write it with tabs "
               "between";
    if (memchr(field, ' ', n))
        return "its fields are separated by spaces: write it with commas or tabs between";
    return NULL;
}
