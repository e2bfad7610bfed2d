/* engine/format/file_kind.c: what a file is that was given as a model, and that safetensors_open says it. */
#include "engine/format/file_kind.h"

#include "engine/format/safetensors.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Beginnings of real files, and a word of what each is called; what to do is in every message. */
static const struct {
    const char *bytes;
    size_t n;
    const char *called;
} files[] = {
#define F(text, called)                                                                                      \
    {                                                                                                        \
        text, sizeof(text) - 1, called                                                                       \
    }
    F("version https://git-lfs.github.com/spec/v1\noid "
      "sha256:4665a5ea423c2713d436b5ee50593a9640e0018c1550b5a0\nsize 3241\n",
      "`git lfs pull`"),
    F("../../.git/annex/objects/Xx/4q/MD5E-s3241--0f34/MD5E-s3241--0f34\n", "git-annex"),
    F("<!DOCTYPE html>\n<html lang=\"en\"><head><title>Sign in</title>", "an HTML page"),
    F("\n\n  <html><body>404 Not Found", "an HTML page"),
    F("\xef\xbb\xbf<!doctype HTML>", "an HTML page"),
    F("<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>", "XML"),
    F("{\"message\": \"Not Found\", \"status\": 404}", "JSON"),
    F("{\"metadata\": {}, \"weight_map\": {\"a\": \"model-00001-of-00002.safetensors\"}}",
      "in several files"),
    F("\x1f\x8b\x08\x08\x5e\xd6\x27\x69\x02\x03model.safetensors", "gunzip"),
    F("BZh91AY&SY\x21\x5e", "bunzip2"),
    F("\xfd"
      "7zXZ\0\0\x04\xe6\xd6",
      "unxz"),
    F("\x28\xb5\x2f\xfd\x04\x58\x11\x00", "unzstd"),
    F("PK\3\4\0\0\x08\x08\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x10\0\x12\0archive/data.pklFB", "torch.save"),
    F("PK\3\4\x14\0\0\0\0\0\0\0!\0\x01\x02\x03\x04\0\0\0\0\0\0\0\0\x0b\0\x14\0weights.npy", "(.npz)"),
    F("PK\3\4\x14\0\0\0\x08\0model.safetensors", "unzip"),
    F("PK\5\6\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", "a zip archive"),
    F("\x80\x02\x8a\x0al\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.", "torch.save"),
    F("\x80\x04\x95\x1d\0\0\0\0\0\0\0\x8c\x05numpy", "pickle"),
    F("\x93NUMPY\x01\0v\0{'descr': '<f4'", ".npy"),
    F("\x89HDF\r\n\x1a\n\0\0\0\0\0\x08\x08\0", "HDF5"),
    F("\x08\x08\x12\x07pytorch\x1a\x06"
      "2.1.0:\x95\x02",
      "ONNX"),
    F("\x08\x01\x12\xe4\x1f\n\x9f\x1f\n\x0e\n\x05"
      "Const",
      "TensorFlow"),
    F("\x1c\0\0\0TFL3\x14\0 \0\x1c\0\x18\0", "TensorFlow Lite"),
    F("GGUF\x03\0\0\0\x23\x01\0\0", "GGUF"),
    F("SQLite format 3\0\x10\0\x01\x01\0", "--store"),
    F("PAR1\x15\0\x15\xda\x01", "Parquet"),
    F("ARROW1\0\0\xff\xff\xff\xff", "Arrow"),
    F("%PDF-1.4\n%\xc3\xa4", "PDF"),
    F("\x7f"
      "ELF\x02\x01\x01\0\0\0\0\0",
      "a program"),
    F("\xff\xfeu\0s\0e\0r\0", "UTF-16"),
    F("user,item,rating,timestamp\nu1,i1,5,1767225600\n", "hypernet import"),
    F("user\titem\nu1\ti1\n", "hypernet import"),
    F("1::1193::5::978300760\n", "hypernet import"),
    F("hello\n", "text"),
    F("", "empty"),
#undef F
};

START_TEST(a_file_that_is_no_model_is_named_as_what_it_is)
{
    char path[] = "/tmp/hypernet-kind-XXXXXX";
    int fd = mkstemp(path);
    struct safetensors *s = NULL;
    struct err e = {0};
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, files[_i].bytes, files[_i].n), (ssize_t)files[_i].n);
    ck_assert_int_eq(close(fd), 0);
    ck_assert_int_eq(safetensors_open(path, &s, &e), ERR_CORRUPT);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_msg(strstr(e.text, path) && strstr(e.text, "it is no model file, it is ") &&
                      strstr(e.text, files[_i].called),
                  "%d: %s", _i, e.text);
    ck_assert_msg(strchr(e.text, ';') && strlen(e.text) < 400, "%d does not say what to do: %s", _i, e.text);
}
END_TEST

START_TEST(a_download_that_left_zeros_is_named)
{
    static const char zeros[5000];
    ck_assert_ptr_nonnull(strstr(file_kind_of(zeros, sizeof zeros), "full of zeros"));
}
END_TEST

START_TEST(bytes_that_look_like_nothing_have_no_name)
{
    static const unsigned char noise[] = {0x9c, 0x01, 0xfe, 0x00, 0x13, 0x37,
                                          0x80, 0xff, 0xaa, 0x02, 0x90, 0x11};
    for (size_t n = 1; n <= sizeof noise; n++)
        ck_assert_ptr_null(file_kind_of(noise, n));
}
END_TEST

/* One byte less each: nothing is read behind the end. AddressSanitizer sees it because the copy is as long as
 * it says. */
START_TEST(a_beginning_cut_anywhere_is_looked_at_no_further)
{
    for (size_t n = 0; n <= files[_i].n; n++) {
        char *copy = malloc(n ? n : 1);
        if (n)
            memcpy(copy, files[_i].bytes, n);
        (void)file_kind_of(copy, n);
        free(copy);
    }
}
END_TEST

SUITE("engine/file_kind", NULL, NULL,
      {a_file_that_is_no_model_is_named_as_what_it_is, sizeof files / sizeof *files},
      {a_download_that_left_zeros_is_named}, {bytes_that_look_like_nothing_have_no_name},
      {a_beginning_cut_anywhere_is_looked_at_no_further, sizeof files / sizeof *files})
